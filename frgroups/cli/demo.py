"""Command that runs the demo."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import click

from frgroups.cli.command import command
from frgroups.cli.options import json_option
from frgroups.cli.output import print_json_line
from frgroups.cli.types import IntegerRange
from frgroups.sandbox.minimums import MIN_CUSTOMERS


@command("demo", example="frgroups demo")
@click.option(
    "--customers",
    type=IntegerRange(min=MIN_CUSTOMERS),
    default=20_000,
    metavar="N",
    help="Number of customers in the local tenant (sandbox).",
)
@json_option("Print the paths of the created files as one JSON object. The steps are printed to stderr.")
def demo(customers: int, as_json: bool) -> int:
    """Run the complete workflow in a local tenant (sandbox)."""
    from frgroups.cli.demo_steps import run_demo

    if not as_json:
        run_demo(customers=customers)
        return 0
    with redirect_stdout(sys.stderr):
        files = run_demo(customers=customers)
    print_json_line({"files": list(map(str, files))})
    return 0
