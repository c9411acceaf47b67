"""Tests of the counts that a query engine computes."""
