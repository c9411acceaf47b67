"""Command that lists the plans in the data folder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from frgroups.apply.plan_states import STATES, WAITING
from frgroups.cli.command import command
from frgroups.cli.command_ending import keep_result
from frgroups.cli.options import json_option, tenant_or_uid_option
from frgroups.cli.output import (
    print_error,
    print_json_line,
    print_message,
    print_next,
    print_warning,
    terminal_width,
)
from frgroups.cli.types import DURATION
from frgroups.internals.formatting import format_list, pluralize

if TYPE_CHECKING:
    from frgroups.apply.plan_entry import PlanEntry

# Maximum numbers of characters in the columns `groups` and `reviewer`.
# With these maximums, the table fits on a terminal with `_WIDTH` columns.
_MAX_GROUPS, _MAX_REVIEWER, _WIDTH = 12, 10, 80
_MAX_NOTICES = 10  # Maximum number of warnings from plan notices.
_MAX_PARTLY_APPLIED = 5  # Maximum number of partly applied plans to list.


@command(
    "plans",
    example="frgroups plans --state pending --fail-if-pending 48h",
    more="The table lists the plans in the queue and in the folder plans of the data folder, the plans that were "
    "saved with --out, and the plans that were started. Times are in UTC. Plans with the same changes have the same "
    "digest.\n\n"
    "To discard a plan that you do not need, delete its plan file. A rejection would also block later plans that "
    "contain its changes.",
)
@tenant_or_uid_option
@click.option(
    "--state",
    type=click.Choice(STATES),
    metavar="STATE",
    help=f"List only the plans in this state: {format_list(STATES, conjunction='or')}.",
)
@click.option(
    "--fail-if-pending",
    "max_pending",
    type=DURATION,
    metavar="DURATION",
    help="Return exit code 9 if a plan is pending for longer than this duration, for example 48h.",
)
@json_option("Print the plans as JSON.")
def plans(tenant: str | None, state: str | None, max_pending: str | None, as_json: bool) -> int:
    """List the plans with their states and the next commands."""
    from frgroups.apply.plan_list import plan_entries
    from frgroups.cli.inputs import tenant_and_host
    from frgroups.cli.plan_output import entry_values
    from frgroups.internals.timestamps import parse_duration

    tenant_uid, base_url = tenant_and_host(tenant)
    entries = plan_entries(tenant_uid=tenant_uid, base_url=base_url)
    selected = [entry for entry in entries if state in (None, entry.state)]
    if tenant:
        selected = [replace(entry, tenant=tenant) for entry in selected]
    overdue = [] if max_pending is None else _pending_for(entries, parse_duration(max_pending))
    exit_code = 9 if overdue else 0
    keep_result(exit_code, "")
    if as_json:
        print_json_line({"table": "plans", "rows": [entry_values(entry) for entry in selected]})
    else:
        _print_entries(selected)
        _print_next(selected)
        _print_not_applied(selected)
    _print_all_notices(selected)
    _print_all_conflicts(selected)
    _print_all_windows(selected)
    if overdue:
        print_error(f"{pluralize(len(overdue), 'plan')} pending for more than {max_pending}.")
    return exit_code


def _print_entries(entries: list[PlanEntry]) -> None:
    """Print one row per plan. On a terminal, names are shortened. On a narrow terminal, ages are omitted."""
    import sys

    import pandas as pd

    from frgroups.cli.table_printing import print_table
    from frgroups.internals.formatting import format_age

    is_short = sys.stdout.isatty()
    spare = max(terminal_width(sys.stdout) - _WIDTH, 0)
    rows = []
    # Round down to seconds, so that the current time minus the displayed age equals the displayed time.
    now = datetime.now(UTC).replace(microsecond=0)
    for entry, planned_at in zip(entries, _planning_times(entries), strict=True):
        values = entry.values()
        names = [group.name for group in entry.plan.groups]
        rows.append(
            {
                "digest": entry.plan.digest[:12],
                "state": entry.state,
                "planned_at": planned_at,
                "groups": _short_groups(names, _MAX_GROUPS + spare // 2) if is_short else ", ".join(names),
                "n_add": entry.plan.n_add,
                "n_remove": entry.plan.n_remove,
                "reviewer": _short(entry.reviewer, _MAX_REVIEWER + spare // 4) if is_short else entry.reviewer,
                "age": format_age(now - values["planned_at"].replace(microsecond=0)),
            }
        )
    print_table(pd.DataFrame(rows), n_required=7)


def _planning_times(entries: list[PlanEntry]) -> list[str]:
    """
    Return the planning times in UTC.

    Seconds are included if plans with the same digest were created in the same minute.

    Times and ages are both rounded down.
    """
    digests = [entry.plan.digest for entry in entries]
    times: list[str] = []
    for pattern in ("%m-%d %H:%M", "%m-%d %H:%M:%S"):
        times = [f"{entry.values()['planned_at']:{pattern}}" for entry in entries]
        if len(set(zip(digests, times, strict=True))) == len(entries):
            break
    return times


def _short_groups(names: list[str], length: int) -> str:
    if len(names) > 1:
        more = f" +{len(names) - 1}"
        return _short(names[0], length - len(more)) + more
    return _short("".join(names), length)


def _short(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def _print_next(entries: list[PlanEntry]) -> None:
    """
    For each plan that requires an action, print the next command.

    The next command of an applied plan is optional, so only --json contains it.
    """
    open_entries = [entry for entry in entries if entry.state != "applied"]
    commands = dict.fromkeys(entry.next_command for entry in open_entries if entry.next_command)
    if commands:
        print_message()
    for position, command_line in enumerate(commands):
        print_next(command_line, label="" if position else "Next")


def _print_not_applied(entries: list[PlanEntry]) -> None:
    """Print the number of applied plans with rejected or unsent changes, and commands that show the receipts."""
    partly = [entry for entry in entries if entry.state == "applied" and entry.n_not_applied]
    if not partly:
        return
    lines = [f"{pluralize(len(partly), 'applied plan')} with changes that were rejected or not sent:"]
    lines += [f"  {entry.next_command}" for entry in partly[:_MAX_PARTLY_APPLIED]]
    if len(partly) > _MAX_PARTLY_APPLIED:
        lines.append(f"  {len(partly) - _MAX_PARTLY_APPLIED:,} more")
    print_warning("\n".join(lines))


def _print_all_notices(entries: list[PlanEntry]) -> None:
    """Print at most `_MAX_NOTICES` notices about the plans as warnings."""
    noticed = [(entry, notice) for entry in entries for notice in entry.notices]
    for entry, notice in noticed[:_MAX_NOTICES]:
        print_warning(f"Plan {entry.plan.digest[:12]}: {notice.text_for_operator}")
    if len(noticed) > _MAX_NOTICES:
        n_more = pluralize(len(noticed) - _MAX_NOTICES, "more warning")
        print_warning(f"{n_more} about plans. To list all warnings, pass --json.")


def _print_all_conflicts(entries: list[PlanEntry]) -> None:
    """Print a warning for each pair of waiting plans that change the same group, up to a maximum number."""
    from frgroups.apply.plan_entry import conflict_sentences, conflicts_of

    conflicts = (
        (entry.plan, other)
        for position, entry in enumerate(entries)
        for other in conflicts_of(entry, entries[position + 1 :])
    )
    for sentence in conflict_sentences(conflicts):
        print_warning(sentence)


def _print_all_windows(entries: list[PlanEntry]) -> None:
    """Print a message for each tenant whose waiting or interrupted plans cannot be applied now."""
    from frgroups.cli.plan_output import print_windows

    plans_of_tenants = {
        (entry.plan.tenant_uid, entry.plan.base_url): entry.plan
        for entry in entries
        if entry.state in (*WAITING, "interrupted")
    }
    for plan in plans_of_tenants.values():
        print_windows(plan)


def _pending_for(entries: list[PlanEntry], duration: timedelta) -> list[PlanEntry]:
    return [
        entry
        for entry in entries
        if entry.state == "pending" and entry.values()["age_hours"] > duration.total_seconds() / 3600
    ]
