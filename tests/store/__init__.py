"""Tests of `frgroups.store`."""
