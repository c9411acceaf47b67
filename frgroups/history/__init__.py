"""Answer questions over stored snapshots."""
