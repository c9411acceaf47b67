"""Tests of `frgroups.history`."""
