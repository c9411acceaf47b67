"""Format result tables for display, and save them to files."""
