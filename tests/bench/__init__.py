"""Benchmarks: what loading, keeping and analysis cost beside other ways to do it; `make bench` runs them."""
