"""Load the groups and members of tenants, and verify that the results are complete."""
