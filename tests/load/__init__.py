"""Tests of `frgroups.load`."""
