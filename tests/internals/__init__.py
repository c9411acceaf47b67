"""Tests of `frgroups.internals`."""
