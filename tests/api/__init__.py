"""Tests of `frgroups.api`."""
