"""Groups, customers and memberships of one tenant at one time."""
