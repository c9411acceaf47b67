"""Shared helpers that know nothing of groups: validation, formatting, files, locks and logging."""
