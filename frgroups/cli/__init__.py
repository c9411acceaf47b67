"""Commands of the `frgroups` command line."""
