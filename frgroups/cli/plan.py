"""The commands that make a plan, show one, and write its review."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.cli.arguments import LIMIT_HELP, Add, of_register, of_snapshot
from frgroups.cli.resolve import held_customers, limits_of, register_of, snapshot_of, wanted_customers
from frgroups.cli.types import filled, limit, readable
from frgroups.errors import CorruptFileError, InputError
from frgroups.internals.paths import data_subdir, tenant_folder
from frgroups.plan.finding import Finding
from frgroups.plan.limit_overrides import limit_options
from frgroups.plan.limits import Limits
from frgroups.plan.limits_file import read_limits
from frgroups.plan.plan import MODES, Plan
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.approval import approved_in_words
from frgroups.review.plan_queue import locate_plan, plan_file_name, queue_folder
from frgroups.review.plan_text import spoken_code
from frgroups.review.writer import save_review
from frgroups.store.snapshot_store import read_snapshot


def add_commands(add: Add) -> None:
    """What each of these commands takes."""
    _plan_words(add)
    _show_words(add)
    _review_words(add)


def plan(options: Namespace) -> int:
    """Make a plan and its review page."""
    snapshot = snapshot_of(options)
    wanted = wanted_customers(snapshot, options)
    made = plan_memberships(
        snapshot,
        {options.group: wanted},
        mode=options.mode,
        create={options.group: options.create} if options.create else None,
        limits=limits_of(options.limit, read_limits(options.limits) if options.limits else Limits()),
        protect=held_customers(snapshot, options.protect, options.protect_list, options.directory),
        protect_groups=options.protect_group,
        suppression_list=held_customers(snapshot, [], options.never_add_list, options.directory),
        register=register_of(options),
        purpose=options.purpose,
    )
    keep_plan(
        made,
        options.out,
        pending=options.pending,
        limits_of_groups=f"the register or {options.limits}" if options.limits else "the register",
    )
    if made.blocked:
        return 3
    return 2 if options.exit_code and not made.is_empty else 0


def show(options: Namespace) -> int:
    """Show a plan or a receipt in words."""
    if not options.file.exists():
        raise InputError(f"There is no file {options.file}. Give a plan or a receipt.")
    thing: Plan | Receipt
    try:
        thing = read_plan(options.file)
    except CorruptFileError:
        raise
    except InputError:
        thing = read_receipt(options.file)
    planned = thing if isinstance(thing, Plan) else thing.plan
    parts = ((options.table, thing.table), (options.held, planned.excluded), (options.moves, planned.moves))
    if (table := next((table for wanted, table in parts if wanted), None)) is not None:
        print(table().to_csv(index=False), end="")
        return 0
    print(readable(_shown(thing)))
    return 0


def _shown(thing: Plan | Receipt) -> str:
    if isinstance(thing, Plan):
        return f"{thing!r}\n{thing.summary()}\nDigest: {thing.digest}\nCode: {spoken_code(thing.digest)}"
    at = f"{thing.started_at:%Y-%m-%d %H:%M} UTC"
    where = f"{thing.plan.tenant_uid} at {thing.plan.base_url}, {at}, approved {approved_in_words(thing.approval)}"
    return f"{thing!r}\n{where}\n{thing.summary()}"


def review(options: Namespace) -> int:
    """Write the review of a plan file anew, or in another form."""
    file = locate_plan(options.file)
    made = read_plan(file)
    personal = None
    if options.personal:
        personal = read_snapshot(options.cache, tenant_uid=made.tenant_uid, base_url=made.base_url)
    beside = file.with_suffix(".personal.html" if options.personal else ".html")
    path = save_review(made, options.out or beside, personal=personal)
    print(f"Review  {path}")
    return 0


def keep_plan(made: Plan, out: Path | None, *, pending: bool = False, limits_of_groups: str = "the register") -> None:
    """Write a plan and its review page, and tell of them and of what comes next; nothing where it is empty."""
    if made.is_empty:
        print(readable(made.summary()))
        return
    folder = data_subdir("plans") / tenant_folder(made.tenant_uid, made.base_url)
    if pending and not made.blocked:
        folder = queue_folder(made.tenant_uid, made.base_url, "pending")
    path = made.save(out or folder / plan_file_name(made))
    review = save_review(made, path.with_suffix(".html"))
    print(readable(made.summary()))
    print(f"\nDigest  {made.digest}")
    print(f"Code    {spoken_code(made.digest)}   (to compare two copies by telephone)")
    print(f"Plan    {path}")
    print(f"Review  {review}   (open it in a browser, or mail it to who decides)")
    if made.blocked:
        own = _blocked_by_own(made)
        others = [finding for finding in made.findings if finding.blocking and finding not in own]
        if options := limit_options(others, made.limits):
            print(f"Blocked. To allow this, create the plan again with {options}")
        if pending:
            print("It does not wait in the queue, since nobody can approve it.")
        if own:
            print(f"Blocked by limits of {limits_of_groups}, which whoever answers for the group can change there.")
    elif pending:
        print(f"Next    frgroups approve {path} --by NAME, or put the file of the page into {path.parent};")
        print("        then frgroups apply --approved")
    else:
        print(f"Next    frgroups approve {path} --by NAME")


def _blocked_by_own(made: Plan) -> list[Finding]:
    """The broken limits of groups that have limits of their own, which --limit does not reach."""
    groups = {one.uid for one in made.groups if made.limits.of(one.uid) is not made.limits}
    return [one for one in made.findings if one.blocking and one.customer_group_uid in groups]


def _plan_words(add: Add) -> None:
    parser = add(
        plan,
        "what it takes to bring one group to a list of customers; sends nothing",
        'frgroups plan --group black_week --create "Black Week VIP" --list vip.csv',
    )
    of_snapshot(parser, csv=False)
    parser.add_argument("--group", required=True, type=filled, help="uid or unique name of the group")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--list", type=Path, metavar="FILE", help="CSV or Excel file with one customer a row")
    wanted.add_argument("--members", metavar="EXPRESSION", help='set of groups, such as "VIP & loyalty - staff"')
    parser.add_argument("--also", metavar="EXPRESSION", help="and the members of this set of groups")
    parser.add_argument("--column", metavar="NAME", help="column of the list that holds the ids")
    parser.add_argument(
        "--sheet", metavar="NAME", help="sheet of the workbook that holds the list (the only filled one)"
    )
    parser.add_argument(
        "--ids",
        choices=("customer_uid", "external_id"),
        help="what the list holds (by its column and content)",
    )
    parser.add_argument("--directory", type=Path, metavar="FILE", help="customer export that knows more external ids")
    parser.add_argument(
        "--skip-unresolved",
        action="store_true",
        help="plan the rest when some external ids are not found; "
        "customer uids that are not known are planned in any case, since who is in no group cannot be seen",
    )
    parser.add_argument(
        "--mode",
        default="add",
        choices=MODES,
        help="add: those wanted who are missing join (default); keep_only: members who are NOT in the list "
        "leave; mirror: both. To take listed customers out: --mode mirror --members 'GROUP - OTHER'",
    )
    parser.add_argument("--create", metavar="NAME", help="make a group first: its name, and --group is its new uid")
    parser.add_argument(
        "--protect",
        action="extend",
        nargs="+",
        type=filled,
        default=[],
        metavar="UID",
        help="customers who are never removed",
    )
    parser.add_argument(
        "--protect-list", type=Path, metavar="FILE", help="a list of customers who are never removed, as for --list"
    )
    parser.add_argument(
        "--protect-group",
        action="extend",
        nargs="+",
        type=filled,
        default=[],
        metavar="GROUP",
        help="groups that this plan removes nobody from, by uid or unique name; their members may leave other groups",
    )
    parser.add_argument(
        "--never-add-list",
        type=Path,
        metavar="FILE",
        help="a list of customers who are never added, beside the tenant's own (lists/suppression_list)",
    )
    of_register(parser)
    parser.add_argument(
        "--purpose", default="", metavar="TEXT", help="what it is for, in a line that whoever approves it reads first"
    )
    parser.add_argument(
        "--limits", type=Path, metavar="FILE", help="TOML file of limits, with tables such as [per_group.vip]"
    )
    parser.add_argument("--limit", type=limit, action="append", default=[], metavar="NAME=VALUE", help=LIMIT_HELP)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="FILE", help="plan file (default: in the home)")
    where.add_argument(
        "--pending", action="store_true", help="into the queue: once approved, frgroups apply --approved sends it"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit 2 when changes are planned")


def _review_words(add: Add) -> None:
    parser = add(
        review,
        "write the review of a plan: a page, or Markdown, text, CSV, a workbook",
        "frgroups review plan.json --out review.xlsx",
    )
    parser.add_argument("file", type=Path, metavar="PLAN")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=".html, .md, .txt, .csv or .xlsx (default: a page beside the plan)",
    )
    parser.add_argument(
        "--personal",
        action="store_true",
        help="with names, of a kept snapshot that was loaded with --personal; not to be forwarded",
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where snapshots are kept (the home)")


def _show_words(add: Add) -> None:
    parser = add(show, "a plan or a receipt in words", "frgroups show plan.json")
    parser.add_argument("file", type=Path, metavar="FILE")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--table", action="store_true", help="every operation, as CSV")
    part.add_argument("--held", action="store_true", help="who is held back and why, as CSV")
    part.add_argument("--moves", action="store_true", help="who leaves one group and joins another, as CSV")
