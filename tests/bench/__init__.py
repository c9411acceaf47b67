"""Benchmarks that compare frgroups with other libraries. Run them with `make bench`."""
