"""Command line of frgroups. Each command group is a module that is imported when one of its commands runs."""
