"""Command that allows a plan to be applied during a freeze or outside the apply windows."""

from __future__ import annotations

from pathlib import Path

import click

from frgroups.cli.command import command
from frgroups.cli.options import PLAN_ARGUMENT, json_option
from frgroups.cli.output import print_json_line, print_message, print_next, print_text
from frgroups.cli.types import DURATION, FILE, NONEMPTY_TEXT


@command(
    "override",
    example='frgroups override plan.json --by "Kari Nordmann" --reason "Wrong price"',
    more=f"{PLAN_ARGUMENT}\n\nThe override is valid only for this plan. It does not replace the approval, and the "
    "receipt records the name and the reason. An undo plan requires its own override.",
)
@click.argument("file", metavar="PLAN", type=FILE)
@click.option(
    "--by", "name", required=True, type=NONEMPTY_TEXT, metavar="NAME", help="Name of the person who is responsible."
)
@click.option("--reason", required=True, metavar="REASON", help="Reason for applying the plan now.")
@click.option(
    "--valid-for",
    type=DURATION,
    default="24h",
    metavar="DURATION",
    help="Time until the override expires, for example 2h. The maximum is 31 days.",
)
@click.option("--out", type=FILE, metavar="FILE", help="File to write. The default is a file next to the plan.")
@json_option("Print the override as JSON.")
def override(file: Path, name: str, reason: str, valid_for: str, out: Path | None, as_json: bool) -> int:
    """Write a file that allows a plan to be applied during a freeze or outside the apply windows."""
    from frgroups.apply.window_override import override_windows, read_override
    from frgroups.cli.plan_files import find_plan
    from frgroups.internals.formatting import format_utc, shell_argument
    from frgroups.plan.plan_file import read_plan

    path = find_plan(file)
    plan = read_plan(path)
    target = out or path.with_suffix(".override.json")
    written = override_windows(plan, target, by=name, reason=reason, valid_for=valid_for)
    stored = read_override(written, plan)
    next_command = f"frgroups apply {shell_argument(file)} --override {shell_argument(written)}"
    if as_json:
        values = {"digest": plan.digest, **stored.to_dict()}
        print_json_line(values | {"override_path": str(written), "next_command": next_command})
    else:
        print_text(f"{stored.by} allows plan {plan.digest[:12]} to be applied until {format_utc(stored.until)}.")
        print_text(f"Override written to {written}")
    print_message("The plan still needs an approval.")
    print_next(next_command)
    return 0
