"""Tests of `frgroups.plan`."""
