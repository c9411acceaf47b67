"""Run the demo: load, analyze, plan, review, apply, verify, undo, and report in a local tenant (sandbox)."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from frgroups.analysis.changes import group_changes
from frgroups.analysis.group_expressions import members
from frgroups.analysis.overlap import overlap_pairs
from frgroups.analysis.sizes import group_sizes
from frgroups.api.client import Client
from frgroups.apply.executor import apply_plan
from frgroups.apply.plan_review import save_review
from frgroups.apply.receipt import Receipt
from frgroups.apply.undo import plan_undo
from frgroups.cli.output import print_text
from frgroups.cli.table_printing import print_table
from frgroups.internals.atomic_files import write_text
from frgroups.internals.paths import data_subdir
from frgroups.load.loader import load_snapshot
from frgroups.plan.limits import Limits
from frgroups.plan.plan import Plan
from frgroups.plan.planner import plan_memberships
from frgroups.report.report import save_report
from frgroups.review.approval import approve_plan
from frgroups.snapshot.customer_lists import read_list
from frgroups.snapshot.snapshot import Snapshot

GROUP, NAME = "black_week_vip", "Black Week VIP"
AUDIENCE = "VIP & loyalty - staff"


def run_demo(*, customers: int = 20_000) -> list[Path]:
    """Run the demo with this number of customers, print each step, and return the paths of the created files."""
    from frgroups.sandbox.sandbox import Sandbox

    started = time.monotonic()
    folder = data_subdir("demo")
    shutil.rmtree(folder, ignore_errors=True)
    _print_title(f"1. Start a local tenant (sandbox) with {customers:,} customers")
    with Sandbox(customers=customers, process=True, days_ago=30) as sandbox, sandbox.client(writable=True) as client:
        print_text(client.check())
        before = _load(client, folder)
        _print_overview(before, folder)
        _print_title("4. Advance the clock by 30 days and load again: changes per group")
        sandbox.advance(days=30)
        after = _load(client, folder)
        _print_changes(before, after)
        plan, desired = _plan(after, folder)
        receipt = _apply(client, plan, folder)
        _print_title("8. Create the same plan again: only the rejected customers remain")
        again = plan_memberships(_load(client, folder), {GROUP: desired}, limits=plan.limits)
        print_text(f"{again}\n{again.summary()}")
        _undo(client, receipt, folder)
    _print_title("10. Write a report")
    print_text(f"Report      {save_report(after, folder / 'report.html', before)}")
    print_text("Command     frgroups report")
    _print_title(f"11. Done in {time.monotonic() - started:.0f} s. Created files")
    files = sorted(folder.iterdir())
    for path in files:
        print_text(f"  {path}")
    print_text(f"\nTo see the page that a reviewer approves, open {folder / 'black_week_vip.html'} in a browser.")
    print_text(f"To see the groups, their problems, and their changes, open {folder / 'report.html'}.")
    print_text("To continue in JupyterLab, run frgroups notebooks. For all commands, run frgroups --help.")
    return files


def _load(client: Client, folder: Path) -> Snapshot:
    snapshot = load_snapshot(client, folder / "snapshots")
    print_text(f"{snapshot}\n{snapshot.describe()}")
    return snapshot


def _print_overview(snapshot: Snapshot, folder: Path) -> None:
    _print_title("2. The largest groups and the pairs with the largest overlap")
    sizes = group_sizes(snapshot).sort_values("n_members", ascending=False)
    print_table(sizes[["name", "n_members", "n_exclusive"]].head(8))
    pairs = overlap_pairs(snapshot, min_both=1).sort_values("jaccard", ascending=False)
    print_text()
    print_table(pairs[["name_a", "name_b", "n_both", "jaccard"]].head(8))
    _print_title("3. The same tables as charts")
    for path in _save_pictures(snapshot, folder):
        print_text(f"  {path}")


def _save_pictures(snapshot: Snapshot, folder: Path) -> list[Path]:
    import matplotlib as mpl

    from frgroups import plot

    paths = []
    with mpl.rc_context({"backend": "Agg"}):
        for name, draw in (("sizes", plot.sizes), ("overlap", plot.overlap_heatmap), ("upset", plot.upset)):
            axes = draw(snapshot)
            if isinstance(axes, dict):
                axes = next(iter(axes.values()))
            paths.append(folder / f"{name}.png")
            figure = axes.get_figure(root=True)
            if figure is not None:
                figure.savefig(paths[-1], dpi=110, bbox_inches="tight")
    return paths


def _print_changes(before: Snapshot, after: Snapshot) -> None:
    table = group_changes(before, after)
    moved = table.assign(moved=table["n_joined"] + table["n_left"]).nlargest(8, "moved")
    print_table(moved[["name", "n_old", "n_joined", "n_left", "n_new", "status"]])


def _plan(snapshot: Snapshot, folder: Path) -> tuple[Plan, list[str]]:
    _print_title(f"5. Plan a campaign group from {AUDIENCE} and a customer list")
    audience = list(members(snapshot, AUDIENCE))
    path = _marketing_list(snapshot, folder)
    listed = list(read_list(path))
    desired = [*audience, *listed]
    print_text(
        f"{len(audience):,} customers match {AUDIENCE}. {path.name} lists {len(listed):,} customers, "
        "including four unknown ids."
    )
    limits = Limits(additions_per_group=3000)
    plan = plan_memberships(
        snapshot, {GROUP: desired}, create={GROUP: NAME}, limits=limits, purpose="early access to Black Week"
    )
    print_text(f"{plan}\n{plan.summary()}")
    saved = plan.save(folder / f"{GROUP}.plan.json")
    print_text(f"Plan file   {saved}\nReview page {save_review(plan, folder / f'{GROUP}.html')}")
    return plan, desired


def _marketing_list(snapshot: Snapshot, folder: Path) -> Path:
    """Write a semicolon-separated CSV file that contains 150 known customers and four unknown ids."""
    loyal = list(members(snapshot, "loyalty - VIP - staff"))[:150]
    rows = ["customer_uid;comment", *(f"{uid};summer event" for uid in [*loyal, *(f"typo-{n}" for n in range(4))])]
    return write_text(folder / "marketing_list.csv", "\n".join(rows) + "\n")


def _apply(client: Client, plan: Plan, folder: Path) -> Receipt:
    _print_title("6. A reviewer reads the page and approves the plan")
    approval = approve_plan(plan, folder / f"{GROUP}.approval.json", by="Kari (demo)")
    print_text(f"Approval    {approval}\nDigest      {plan.digest}")
    print_text(f"Command     frgroups approve {GROUP}.plan.json --by NAME")
    _print_title("7. Apply the plan: check for drift, create the group, and verify the changes")
    receipt = apply_plan(client, plan, approval=approval, journal=folder / "journals")
    print_text(receipt.summary())
    print_text(f"Command     frgroups apply {GROUP}.plan.json")
    return receipt


def _undo(client: Client, receipt: Receipt, folder: Path) -> None:
    _print_title("9. Undo the changes")
    print_text("The limits of the undo plan are the numbers of changes that it reverses. A reviewer must approve it:")
    undo = plan_undo(receipt)
    print_text(undo.summary())
    undo.save(folder / f"{GROUP}.undo.plan.json")
    print_text(apply_plan(client, undo, approval=undo.digest, journal=folder / "journals").summary())


def _print_title(title: str) -> None:
    print_text(f"\n{title}\n{'-' * len(title)}")
