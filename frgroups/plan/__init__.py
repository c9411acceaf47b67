"""Compute the changes between current and desired memberships, their limits and findings."""
