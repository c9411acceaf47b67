"""Apply an approved plan and record, verify, finalize and undo it."""
