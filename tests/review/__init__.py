"""Tests of `frgroups.review`."""
