"""Command that runs the demo."""

from __future__ import annotations

import click

from frgroups.cli.command import command
from frgroups.cli.types import IntegerRange
from frgroups.sandbox.minimums import MIN_CUSTOMERS


@command("demo", example="frgroups demo")
@click.option(
    "--customers",
    type=IntegerRange(min=MIN_CUSTOMERS),
    default=20_000,
    metavar="N",
    help="Number of customers in the sample tenant.",
)
def demo(customers: int) -> int:
    """Run the complete workflow in a local sample tenant."""
    from frgroups.cli.demo_steps import run_demo

    return run_demo(customers=customers)
