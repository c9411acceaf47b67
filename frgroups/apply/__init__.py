"""Apply approved plans, verify and record the results, and create undo plans."""
