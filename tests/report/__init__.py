"""Tests of `frgroups.report`."""
