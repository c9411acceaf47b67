"""Tests of `frgroups.privacy`."""
