"""Tests of the package `frgroups.internals`."""
