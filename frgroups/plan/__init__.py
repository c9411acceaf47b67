"""Plan membership changes, and compare them with limits."""
