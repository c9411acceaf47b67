"""Tests of `frgroups.sandbox`."""
