"""Tests of `frgroups.analysis`."""
