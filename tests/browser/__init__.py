"""Tests of the notebooks and the documentation in a browser."""
