"""Analyze group sizes and memberships over a series of stored snapshots."""
