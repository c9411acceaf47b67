"""Tests of the package `frgroups.api`."""
