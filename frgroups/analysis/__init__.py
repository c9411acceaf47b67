"""Answer segment questions: sizes, overlaps, redundancy, profiles, reach, changes and health."""
