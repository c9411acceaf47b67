"""Create, check, and save plans of membership changes."""
