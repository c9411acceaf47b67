"""Tests of `frgroups.apply`."""
