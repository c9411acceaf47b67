"""Benchmarks: what a load costs beside other ways to do it; `make bench` runs them."""
