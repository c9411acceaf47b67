"""Tests for `frgroups.store`."""
