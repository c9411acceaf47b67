"""Tests for `frgroups.load`."""
