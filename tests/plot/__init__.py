"""Tests of `frgroups.plot`."""
