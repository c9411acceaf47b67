"""Commands that create a plan, show it, and write its review."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from frgroups.cli.command import ExclusiveOption, ListOption, command
from frgroups.cli.options import (
    SnapshotSelection,
    attribute_file_option,
    cache_option,
    consent_option,
    exclusive_flag,
    json_option,
    limit_option,
    register_option,
    snapshot_options,
)
from frgroups.cli.output import print_csv, print_json_line, print_labeled, print_message, print_text, print_warning
from frgroups.cli.types import FILE, NONEMPTY_TEXT, IntegerRange, RenamedChoice
from frgroups.errors import CorruptFileError, InputError, UsageError
from frgroups.plan.modes import ADDING_MODES, MODES, RENAMED_MODES, Mode

if TYPE_CHECKING:
    import pandas as pd

    from frgroups.apply.receipt import Receipt
    from frgroups.plan.plan import Plan

_OPTIONS_OF_ONE_GROUP = [
    *("--group", "--list", "--members", "--also-members", "--column", "--sheet", "--header-row", "--ids"),
    *("--skip-unresolved", "--mode", "--create"),
]


@command(
    "plan",
    example='frgroups plan --group black_week --create "Black Week VIP" --list vip.csv\n\n'
    "To remove the customers in a list from the group newsletter:\n"
    "frgroups plan --group newsletter_2025 --mode remove --list unsubscribed.csv\n\n"
    "To compare the declared groups in a file with the tenant:\n"
    "frgroups plan --declared groups.toml --exit-code --json",
    more="frgroups plan never sends changes.",
    require_one_of=["--list", "--members", "--declared"],
    renamed={
        "--never-add": "--suppression-list",
        "--never-add-list": "--suppression-list",
        "--also": "--also-members",
    },
)
@click.option(
    "--group",
    type=NONEMPTY_TEXT,
    metavar="GROUP",
    help="Uid or unique name of the group to change. This option is required with --list and --members.",
)
@click.option(
    "--list",
    "list_file",
    cls=ExclusiveOption,
    excludes=["--members"],
    type=FILE,
    metavar="FILE",
    help="CSV or Excel file that lists the customers, one per row.",
)
@click.option(
    "--members",
    "expression",
    cls=ExclusiveOption,
    excludes=["--list"],
    metavar="EXPRESSION",
    help='Group expression that selects the customers, for example "VIP & loyalty - staff".',
)
@click.option(
    "--declared",
    cls=ExclusiveOption,
    excludes=_OPTIONS_OF_ONE_GROUP,
    type=FILE,
    metavar="FILE",
    help="TOML file that declares the members of groups, such as the output of frgroups declare. The plan can change "
    "all groups in the file.",
)
@click.option(
    "--also-members",
    "also",
    metavar="EXPRESSION",
    help="Group expression. Its customers are added to the listed customers.",
)
@click.option(
    "--column",
    metavar="NAME",
    help="Name of the column that contains the ids. By default, this is the only column or the "
    "first column with a known name.",
)
@click.option(
    "--sheet",
    metavar="NAME",
    help="Sheet of the Excel file that contains the list. The default is the only sheet with data.",
)
@click.option(
    "--header-row",
    type=IntegerRange(min=1),
    metavar="N",
    help="Number of the row of the list that contains the column names. The rows above it are skipped. The default "
    "is the first row that is not blank.",
)
@click.option(
    "--ids",
    "id_type",
    type=click.Choice(["customer_uid", "external_id"]),
    help="Type of the ids in the list. By default, it is detected from the column name and the ids.",
)
@click.option(
    "--directory",
    type=FILE,
    metavar="FILE",
    help="Customer export with external ids and customer uids, for ids that are not in the snapshot.",
)
@click.option(
    "--skip-unresolved",
    is_flag=True,
    help="Skip external ids that are not found. Without this option, they are an error. Customer uids are never "
    "skipped. A uid that is not in the snapshot can be valid, because a snapshot does not contain customers who are "
    "in no group.",
)
@click.option(
    "--allow-similar-ids",
    is_flag=True,
    help="Treat suspicious ids as ids of other customers who are not in the snapshot. An unknown id is suspicious "
    "if it differs from a known id only in case, leading zeros, separators, or similar characters such as O and 0, "
    "if it is an id of another type, if it looks like a date or contains words, if its format differs from all other "
    "ids, or if it is the number of rows above it. Without this option, suspicious ids are an error.",
)
@click.option(
    "--mode",
    default="add",
    type=RenamedChoice(MODES, RENAMED_MODES),
    help="add: add the listed customers. remove: remove the listed customers. keep_only: remove the members who are "
    "NOT listed. mirror: add the listed customers and remove the members who are NOT listed.",
)
@click.option(
    "--create",
    metavar="NAME",
    help="Create a group with this name. The value of --group is the uid of the new group.",
)
@click.option(
    "--protect",
    "protected",
    cls=ListOption,
    type=NONEMPTY_TEXT,
    metavar="UID...",
    help="Uids of customers that the plan must not remove.",
)
@click.option(
    "--protect-list",
    type=FILE,
    metavar="FILE",
    help="List of customers that the plan must not remove, in the format of --list.",
)
@click.option(
    "--protect-group",
    "protected_groups",
    cls=ListOption,
    type=NONEMPTY_TEXT,
    metavar="GROUP...",
    help="Uids or unique names of groups from which the plan must not remove customers. Their members can still be "
    "removed from other groups.",
)
@click.option(
    "--suppression-list",
    type=FILE,
    metavar="FILE",
    help="List of customers that the plan must not add, in addition to the tenant's suppression list in the data "
    "folder. The columns customer_group_uid, until, and source have the same meaning as in the stored list.",
)
@register_option()
@attribute_file_option
@consent_option
@click.option(
    "--purpose", default="", show_default=False, metavar="TEXT", help="Reason for the changes, shown to the reviewer."
)
@click.option(
    "--limits",
    "limits_file",
    type=FILE,
    metavar="FILE",
    help="TOML file with limits. Limits that are not in the file keep their defaults, and --limit takes precedence. "
    "A table such as [per_group.vip] sets the limits for one group. --limit does not change these limits.",
)
@limit_option
@click.option(
    "--out",
    cls=ExclusiveOption,
    excludes=["--pending"],
    type=FILE,
    metavar="FILE",
    help="File to write. The default is a file in the data folder.",
)
@exclusive_flag(
    "--pending",
    ["--out"],
    "Add the plan to the queue. After its approval, frgroups apply --queue sends it.",
)
@click.option(
    "--supersede",
    type=FILE,
    metavar="PLAN",
    help="With --pending: mark this older plan, which must not be approved, as superseded by the new plan.",
)
@click.option("--exit-code", is_flag=True, help="Return exit code 2 instead of 0 if the plan contains changes.")
@json_option("Print the plan as JSON.")
@snapshot_options
def plan(
    selection: SnapshotSelection,
    group: str | None,
    list_file: Path | None,
    expression: str | None,
    declared: Path | None,
    also: str | None,
    column: str | None,
    sheet: str | None,
    header_row: int | None,
    id_type: str | None,
    directory: Path | None,
    skip_unresolved: bool,
    allow_similar_ids: bool,
    mode: Mode,
    create: str | None,
    protected: tuple[str, ...],
    protect_list: Path | None,
    protected_groups: tuple[str, ...],
    suppression_list: Path | None,
    register: Path | None,
    attribute_file: Path | None,
    consent: tuple[tuple[str, str], ...],
    purpose: str,
    limits_file: Path | None,
    limit_settings: tuple[tuple[str, Any], ...],
    out: Path | None,
    pending: bool,
    supersede: Path | None,
    exit_code: bool,
    as_json: bool,
) -> int:
    """Create a plan and its review page."""
    from frgroups.cli.inputs import (
        DesiredCustomers,
        desired_customers,
        excluded_customers,
        given_suppressions,
        override_limits,
        read_optional_attributes,
        read_optional_register,
        read_selected_snapshot,
        unique_pairs,
    )
    from frgroups.cli.plan_output import save_plan
    from frgroups.cli.snapshot_checks import check_contains_applied_plans, check_declared_groups
    from frgroups.cli.supersede import check_may_be_superseded
    from frgroups.plan.declared_groups_file import read_declared_groups
    from frgroups.plan.declared_planner import plan_declared
    from frgroups.plan.desired import find_group_uid
    from frgroups.plan.limits import Limits
    from frgroups.plan.limits_file import read_limits
    from frgroups.plan.planner import plan_memberships
    from frgroups.snapshot.id_resolution import CustomerExport
    from frgroups.snapshot.list_scope import group_texts

    if supersede is not None and not pending:
        raise UsageError("--supersede requires --pending.")
    if group is None and declared is None:
        raise UsageError("--group is required with --list and --members.")
    if declared is None and (attribute_file is not None or consent):
        option = "--consent" if attribute_file is None else "--attribute-file"
        raise UsageError(f"{option} requires --declared, because only rules use it.")
    # Read the file before the snapshot, so that an error in the file is reported immediately.
    declared_groups = None if declared is None else read_declared_groups(declared)
    export = None if directory is None else CustomerExport(directory)
    snapshot = read_selected_snapshot(selection)
    print_message(snapshot)
    if group is not None:
        check_contains_applied_plans(snapshot, selection, [group], [expression, also])
    if group is not None and create is None:
        # Check the group first, so that an unknown group is reported before problems in the list.
        find_group_uid(snapshot, group, {})
    desired: dict[str, DesiredCustomers] = {}
    if group is not None:
        desired[group] = desired_customers(
            snapshot,
            path=list_file,
            expression=expression,
            also=also,
            id_type=id_type,
            column=column,
            sheet=sheet,
            header_row=header_row,
            groups=group_texts(snapshot, group, create),
            directory=export,
            skip_unresolved=skip_unresolved,
            allow_similar_ids=allow_similar_ids,
            adds=mode in ADDING_MODES,
        )
    limits = Limits() if limits_file is None else read_limits(limits_file)
    options: dict[str, Any] = {
        "limits": override_limits(limit_settings, limits),
        "protect": excluded_customers(snapshot, protected, protect_list, export, allow_similar_ids=allow_similar_ids),
        "protect_groups": list(protected_groups),
        "suppression_list": given_suppressions(
            snapshot, suppression_list, export, allow_similar_ids=allow_similar_ids
        ),
        "register": read_optional_register(register),
        "purpose": purpose,
        "allow_similar_ids": allow_similar_ids,
    }
    if declared_groups is not None:
        attributes = read_optional_attributes(attribute_file)
        consents = unique_pairs(consent, "--consent")
        new_plan = plan_declared(
            snapshot, declared_groups, attributes=attributes, consent=consents, directory=export, **options
        )
        check_declared_groups(snapshot, selection, declared_groups, attributes)
    else:
        created = {group: create} if group is not None and create else None
        uids = {name: customers.uids for name, customers in desired.items()}
        new_plan = plan_memberships(snapshot, uids, mode=mode, create=created, **options)
        [listed], [customers] = new_plan.listed_groups, desired.values()
        new_plan = replace(new_plan, origins={listed.uid: customers.origins})
    older = None if supersede is None else check_may_be_superseded(supersede, new_plan)
    code = 2 if exit_code and not new_plan.is_empty else 0
    if new_plan.blocked:
        code = 3
    save_plan(new_plan, out, pending=pending, older=older, exit_code=code, as_json=as_json)
    return code


@command(
    "show",
    example="frgroups show plan.json",
    more="FILE is the path of a plan or a receipt, at least the first 8 characters of a plan's digest, or the word "
    "last for the newest plan in the data folder.",
)
@click.argument("file", type=FILE)
@exclusive_flag(
    "--table",
    ["--excluded", "--moves"],
    "Print all additions and removals as CSV.",
)
@exclusive_flag(
    "--excluded",
    ["--table", "--moves"],
    "Print the customers who are excluded from the plan and the reasons as CSV.",
)
@exclusive_flag(
    "--moves",
    ["--table", "--excluded"],
    "Print the customers who move from one group to another as CSV.",
)
@json_option("Print the plan, the receipt, or the selected table as JSON.")
def show(file: Path, table: bool, excluded: bool, moves: bool, as_json: bool) -> int:
    """Print a plan or a receipt."""
    from frgroups.cli.plan_files import find_plan_or_receipt

    path = find_plan_or_receipt(file)
    document = _read_plan_or_receipt(path)
    selected = _selected_table(document, table, excluded, moves)
    if selected is not None:
        name, rows = selected
        if as_json:
            from frgroups.cli.table_output import table_rows

            print_json_line({"table": name, "rows": table_rows(rows)})
        else:
            print_csv(rows)
    elif as_json:
        print_json_line(_document_values(document, path))
    else:
        _print_document(document, path)
    return 0


def _selected_table(
    document: Plan | Receipt, table: bool, excluded: bool, moves: bool
) -> tuple[str, pd.DataFrame] | None:
    """Return the name and the rows of the table that the options select, or None."""
    from frgroups.plan.plan import Plan

    planned = document if isinstance(document, Plan) else document.plan
    if table:
        return "changes", document.table()
    if excluded:
        return "excluded", planned.excluded()
    if moves:
        return "moves", planned.moves()
    return None


def _read_plan_or_receipt(file: Path) -> Plan | Receipt:
    from frgroups.apply.receipt import read_receipt
    from frgroups.internals.checksummed_json import kind_of
    from frgroups.internals.formatting import shell_argument
    from frgroups.plan.plan_file import read_plan

    try:
        return read_plan(file)
    except CorruptFileError:
        raise
    except InputError:
        if file.is_file() and kind_of(file.read_bytes()) == "approval":
            raise InputError(
                f"{file} is an approval file, but a plan or a receipt is required. To apply the plan with this "
                f"approval, run frgroups apply PLAN --approval {shell_argument(file)}."
            ) from None
        return read_receipt(file)


def _document_values(document: Plan | Receipt, path: Path) -> dict[str, Any]:
    from frgroups.cli.apply_result import result_line
    from frgroups.cli.plan_output import plan_values
    from frgroups.plan.plan import Plan

    if isinstance(document, Plan):
        return plan_values(document, path) | {"kind": "plan"}
    overrides = [dict(override) for override in document.overrides]
    return result_line(path, document) | {
        "kind": "receipt",
        "approval": dict(document.approval),
        "overrides": overrides,
    }


def _print_document(document: Plan | Receipt, path: Path) -> None:
    from frgroups.cli.plan_output import print_plan
    from frgroups.internals.formatting import format_utc
    from frgroups.plan.plan import Plan
    from frgroups.review.approval import format_approval

    if isinstance(document, Plan):
        print_plan(document, path)
        return
    planned = document.plan
    origin = (
        f"Applied to tenant {planned.tenant_uid} at {planned.base_url}.\n"
        f"Started at {format_utc(document.started_at)}, approved {format_approval(document.approval)}."
    )
    print_text(f"{document!r}\n{origin}\n{document.summary()}")


@command(
    "review",
    example="frgroups review plan.json --out review.xlsx",
    more="PLAN is the path of a plan, at least the first 8 characters of its digest, or the word last for the newest "
    "plan in the data folder.",
)
@click.argument("file", metavar="PLAN", type=FILE)
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="File to write. The suffix selects the format: .html, .md, .txt, .csv, or .xlsx. The default is an HTML "
    "page next to the plan.",
)
@click.option(
    "--personal",
    is_flag=True,
    help="Include the names of customers, from a stored snapshot that was loaded with --personal. Do not forward "
    "such a review.",
)
@cache_option
@json_option("Print the digest of the plan and the path of the review as JSON.")
def review(file: Path, out: Path | None, personal: bool, cache: Path | None, as_json: bool) -> int:
    """Write the review of a plan in the format that the suffix of the output file selects."""
    from frgroups.apply.plan_review import review_state
    from frgroups.cli.plan_files import find_plan
    from frgroups.plan.plan_file import read_plan
    from frgroups.review.writer import write_review
    from frgroups.store.snapshot_store import read_snapshot

    path = find_plan(file, allow_last=True)
    reviewed = read_plan(path)
    snapshot, suffix = None, ".html"
    if personal:
        snapshot = read_snapshot(cache, tenant_uid=reviewed.tenant_uid, base_url=reviewed.base_url)
        suffix = ".personal.html"
    state = review_state(reviewed, cache=cache)
    status, notices = state.status, state.notices
    target = out or path.with_suffix(suffix)
    written = write_review(reviewed, target, personal=snapshot, status=status, notices=notices)
    if as_json:
        print_json_line({"digest": reviewed.digest, "path": str(path), "review": str(written)})
    else:
        print_labeled("Review", written)
    if status is not None:
        if status.level == "done":
            print_message(status)
        else:
            print_warning(status)
    for notice in notices:
        if notice.is_warning:
            print_warning(notice.text_for_operator)
        else:
            print_message(notice.text_for_operator)
    return 0
