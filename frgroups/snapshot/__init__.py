"""Snapshots of the groups, customers, and memberships of a tenant."""
