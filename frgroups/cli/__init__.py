"""Command line of frgroups: one module per command group, imported when one of its commands runs."""
