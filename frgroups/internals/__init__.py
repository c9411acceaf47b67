"""Shared helpers for validation, formatting, files, locks, and logging."""
