"""Analysis of groups: sizes, overlap, redundancy, profiles, reach, changes, and health."""
