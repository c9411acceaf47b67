"""Tests of `frgroups.snapshot`."""
