"""Tests for the package `frgroups.api`."""
