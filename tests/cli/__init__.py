"""Tests of `frgroups.cli`."""
