"""Tests of the plot package."""
