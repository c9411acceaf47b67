"""Load groups and members of one or many tenants and verify that the result is complete."""
