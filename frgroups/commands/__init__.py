"""What each command of the terminal does: options in, the package's functions, text out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.apply.facts import kept_facts
from frgroups.apply.probing import probe_writes
from frgroups.approval import approved_in_words
from frgroups.changes import group_changes, membership_changes
from frgroups.commands.applying import told
from frgroups.commands.options import (
    client_of,
    held_customers,
    limits_of,
    register_of,
    snapshot_before,
    snapshot_of,
    tenant_in_use,
    wanted_customers,
)
from frgroups.commands.words import limit_options, readable
from frgroups.errors import FileDamagedError, FrgroupsError, InputError, UsageError
from frgroups.health import SEVERITIES, health_report
from frgroups.home import folder_in_home, home, tenant_folder, write_text
from frgroups.human import counted
from frgroups.limits import Finding, Limits, Wider
from frgroups.limits_file import read_limits
from frgroups.overlap import overlap_pairs
from frgroups.plan import Plan, read_plan
from frgroups.plan.never_add import never_add_path, never_added
from frgroups.plan.planning import plan_memberships
from frgroups.plan_queue import plan_file_name, queue_folder
from frgroups.receipt import Receipt, plan_undo, read_receipt
from frgroups.review import save_review
from frgroups.sizes import group_sizes
from frgroups.universe import universe_of
from frgroups.versions import __version__, show_versions


def version_line() -> str:
    """What --version shows."""
    return f"frgroups {__version__}"


def demo(options: Namespace) -> int:
    """Run the demo."""
    from frgroups.commands.demo import run_demo

    return run_demo(customers=options.customers)


def doctor(options: Namespace) -> int:
    """Show versions, the home, what a check of the connection finds, and who may never be added."""
    show_versions()
    print(f"home        {home()}")
    with client_of(options.tenant, writable=options.probe_writes) as client:
        print(client.check())
        facts = probe_writes(client) if options.probe_writes else kept_facts(client.tenant_uid, client.base_url)
        path, n = never_add_path(client), len(never_added(client))
    print(f"never add   {counted(n, 'customer')}, by {path}{'' if path.exists() else ' (not there)'}")
    if facts:
        print(facts)
    return 0


def sandbox(options: Namespace) -> int:
    """Serve a sandbox until Ctrl-C."""
    from frgroups import Sandbox

    tenant = Sandbox(
        options.path,
        customers=options.customers,
        groups=options.groups,
        seed=options.seed,
        port=options.port,
        latency=options.latency,
        days_ago=options.days_ago,
    )
    with tenant as running:
        print(f"A sandbox tenant is running at {running.base_url} until Ctrl-C. In another terminal:\n")
        for name, value in _environment(running).items():
            print(f"  export {name}={value}")
        print("\nthen: frgroups doctor", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


def notebooks(options: Namespace) -> int:
    """Start JupyterLab on the notebooks with a sandbox beside it."""
    from frgroups import Sandbox

    folder = _notebook_folder()
    with Sandbox(process=True) as running:
        print(f"Notebooks in {folder}; a sandbox tenant at {running.base_url}.", flush=True)
        command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}", f"--port={options.port}"]
        if options.no_browser:
            command.append("--no-browser")
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--allow-root")  # As in a container; JupyterLab refuses otherwise.
        # The notebooks know by FRGROUPS_SANDBOX that these variables name no tenant of one's own.
        lent = {} if tenant_in_use() else _environment(running) | {"FRGROUPS_SANDBOX": "1"}
        environment = os.environ | lent | {"FRGROUPS_HOME": str(home())}
        jupyter = subprocess.Popen(command, env=environment)  # noqa: S603  # our own words
        signal.signal(signal.SIGTERM, lambda _signum, _frame: sys.exit(143))
        try:
            return jupyter.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            jupyter.terminate()
            jupyter.wait()


def sizes(options: Namespace) -> int:
    """Show the size of each group."""
    snapshot = snapshot_of(options)
    table = group_sizes(snapshot).sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    shown = table if snapshot.universe is not None else table.drop(columns="share_of_universe")
    print(snapshot)
    _show(shown.head(options.top) if options.top else shown, options.csv, table)
    return 0


def overlap(options: Namespace) -> int:
    """Show the pairs that overlap most."""
    snapshot = snapshot_of(options)
    universe = universe_of(snapshot, options.universe, snapshot.codes)
    if options.by == "lift" and universe is None:
        raise UsageError("--by lift compares with chance, which needs --universe N, the number of customers in all.")
    table = overlap_pairs(snapshot, universe=universe, min_both=1)
    table = table.sort_values([options.by, "n_both"], ascending=False, ignore_index=True)
    columns = ["name_a", "name_b", "n_a", "n_b", "n_both", "jaccard", "share_of_a", "share_of_b"]
    if universe is not None:
        columns += ["lift", "q_value"]
    print(snapshot)
    _show(table[columns].head(options.top), options.csv, table)
    return 0


def health(options: Namespace) -> int:
    """Show what is not as it should be with the groups."""
    snapshot = snapshot_of(options)
    table = health_report(snapshot, register=register_of(options))
    if options.json:
        print(table.to_json(orient="records", lines=True, force_ascii=False), end="")
        return 0
    n_of = table["severity"].value_counts()
    print(snapshot)
    print(", ".join(f"{n_of.get(severity, 0)} {severity}" for severity in SEVERITIES))
    for row in table.head(options.top).to_dict("records"):
        print(f"\n{row['severity'].upper()} {row['finding']}: {row['evidence']}\n  {row['suggested_action']}")
    print()
    _keep_table(options.csv, table, min(options.top, len(table)))
    return 0


def changes(options: Namespace) -> int:
    """Show who joined and left between two snapshots."""
    new = snapshot_of(options)
    old = snapshot_before(new, options)
    table = membership_changes(old, new) if options.customers else group_changes(old, new)
    print(f"{old.taken_at:%Y-%m-%d %H:%M} UTC to {new.taken_at:%Y-%m-%d %H:%M} UTC")
    if not options.customers:
        shown = table[(table["n_joined"] > 0) | (table["n_left"] > 0) | (table["status"] != "kept")]
        print(f"{len(shown)} of {len(table)} groups changed.")
        for row in table[table["renamed_from"] != ""].to_dict("records"):
            print(f"{row['renamed_from']} is now called {row['name']}.")
        if n := int((table["verdict"] == "drifted").sum()):
            print(f"{counted(n, 'group')} drifted while read, so that some of its changes may be none.")
        _show(shown.drop(columns=["customer_group_uid", "renamed_from"]), options.csv, table)
    else:
        _show(table.head(50), options.csv, table)
    return 0


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
        never_add=held_customers(snapshot, [], options.never_add_list, options.directory),
        register=register_of(options),
    )
    _keep(
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
    except FileDamagedError:
        raise
    except InputError:
        thing = read_receipt(options.file)
    planned = thing if isinstance(thing, Plan) else thing.plan
    parts = ((options.table, thing.table), (options.held, planned.held), (options.moves, planned.moves))
    if (table := next((table for wanted, table in parts if wanted), None)) is not None:
        print(table().to_csv(index=False), end="")
        return 0
    print(thing)
    if isinstance(thing, Plan):
        print(readable(thing.summary()))
        print(f"Digest: {thing.digest}")
    else:
        at = f"{thing.started_at:%Y-%m-%d %H:%M} UTC"
        print(f"{thing.plan.tenant_uid} at {thing.plan.base_url}, {at}, approved {approved_in_words(thing.approval)}")
        print(told(thing))
    return 0


def undo(options: Namespace) -> int:
    """Make the plan that takes a receipt back."""
    receipt = read_receipt(options.file)
    made = plan_undo(receipt, limits=limits_of(options.limit, receipt.plan.limits) if options.limit else None)
    _keep(made, options.out)
    return 3 if made.blocked else 0


def _keep(made: Plan, out: Path | None, *, pending: bool = False, limits_of_groups: str = "the register") -> None:
    if made.is_empty:
        print(readable(made.summary()))
        return
    folder = folder_in_home("plans") / tenant_folder(made.tenant_uid, made.base_url)
    if pending:
        folder = queue_folder(made.tenant_uid, made.base_url, "pending")
    path = made.save(out or folder / plan_file_name(made))
    review = save_review(made, path.with_suffix(".html"))
    print(readable(made.summary()))
    print(f"\nDigest  {made.digest}")
    print(f"Plan    {path}")
    print(f"Review  {review}   (open it in a browser, or mail it to who decides)")
    if made.blocked:
        own = _blocked_by_own(made)
        if wider := Wider(tuple(one for one in made.findings if one.blocking and one not in own)):
            print(f"Blocked. To allow it, make the plan again with {limit_options(wider)}")
        if own:
            print(f"Blocked by limits of {limits_of_groups}, which whoever answers for the group can change there.")
    else:
        print(f"Next    frgroups approve {path} --by NAME")


def _blocked_by_own(made: Plan) -> list[Finding]:
    """The broken limits of groups that have limits of their own, which --limit does not reach."""
    groups = {one.uid for one in made.groups if made.limits.of(one.uid) is not made.limits}
    return [one for one in made.findings if one.blocking and one.customer_group_uid in groups]


def _show(table: pd.DataFrame, csv: Path | None, whole: pd.DataFrame) -> None:
    with pd.option_context("display.max_columns", None, "display.width", shutil.get_terminal_size().columns):
        print(
            "(none)"
            if table.empty
            else table.to_string(index=False, max_rows=None, float_format="{:.3f}".format, max_colwidth=40)
        )
    _keep_table(csv, whole, len(table))


def _keep_table(csv: Path | None, whole: pd.DataFrame, n_shown: int) -> None:
    """Say how much of a table was shown, and write all of it where that is asked for."""
    if n_shown < len(whole):
        print(f"{n_shown} of {len(whole)} rows shown; --csv FILE writes all.")
    if csv is not None:
        write_text(csv.expanduser().resolve(), whole.to_csv(index=False))
        print(f"Written to {csv.expanduser().resolve()}")


def _environment(running: Any) -> dict[str, str]:
    return {
        "FRGROUPS_TENANT_UID": running.tenant_uid,
        "FRGROUPS_TOKEN": running.token,
        "FRGROUPS_BASE_URL": running.base_url,
    }


def _notebook_folder() -> Path:
    """The notebooks of the project you are in, else a copy of the packaged ones in the home."""
    own = home().parent / "notebooks"
    if own.is_dir():
        return own
    packaged = Path(__file__).parents[1] / "notebooks"
    if not packaged.is_dir():
        raise FrgroupsError("There are no notebooks here. Run this in the project's folder.")
    target = folder_in_home("notebooks")
    shutil.copytree(packaged, target, dirs_exist_ok=True)
    return target
