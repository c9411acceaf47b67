"""What `frgroups load` and `frgroups status` do, for one tenant or for all of `tenants.toml`."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Hashable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.api.client import Client
from frgroups.cli.arguments import Add, of_fleet
from frgroups.cli.resolve import named_tenants, tenants_asked_for
from frgroups.cli.types import at_least, duration, more_than_none
from frgroups.errors import InputError
from frgroups.internals.atomic_files import write_text
from frgroups.internals.exit_codes import worst
from frgroups.internals.formatting import format_size, pluralize
from frgroups.internals.paths import data_subdir
from frgroups.load.batch import Loaded, failed_load, load_exit_code, load_many, load_one, stopped_by_signals
from frgroups.load.loader import load_snapshot
from frgroups.load.status_page import status_html
from frgroups.load.tenant_status import is_questionable, status_summary, tenant_status
from frgroups.store.retention import list_snapshots

_SAID = ("wrong", "detail")  # Where nothing is said, nothing is wrong.


def add_commands(add: Add) -> None:
    """What each of these commands takes."""
    _load_words(add)
    _status_words(add)


def load(options: Namespace) -> int:
    """Read one tenant, or many at once, and keep a snapshot of each."""
    names = named_tenants(options)
    if options.all or len(names) > 1:
        return _load_many(names, options)
    name = names[0] if names else None
    how = {"max_age": options.max_age, "cover": not options.no_cover, "personal": options.personal}
    pace = options.requests_per_second
    if options.json:
        done = load_one(name, requests_per_second=pace, **how)
        print(done.json(), flush=True)
        return done.exit_code
    chosen: dict[str, Any] = {} if pace is None else {"requests_per_second": pace}
    with Client.from_env(**chosen) if name is None else Client.from_config(name, **chosen) as client:
        snapshot = load_snapshot(client, **how)
    print(snapshot)
    print(snapshot.describe())
    kept = list_snapshots(tenant_uid=snapshot.tenant_uid).query("base_url == @snapshot.base_url")
    print(f"Kept in {data_subdir('snapshots')}: {pluralize(len(kept), 'snapshot')} of {snapshot.tenant_uid}")
    return load_exit_code(snapshot)


def status(options: Namespace) -> int:
    """Show how old, how sure and how large the newest snapshot of each tenant is."""
    table = tenants_asked_for(tenant_status(options.cache, names=options.tenant, max_age=options.max_age), options)
    if table.empty:
        raise InputError(
            f"No tenant is known: {data_subdir('snapshots')} is empty, and there is no tenants.toml. "
            "frgroups load keeps a snapshot of the tenant that the environment names."
        )
    if options.html is not None:
        written = write_text(options.html.expanduser().resolve(), status_html(table, max_age=options.max_age))
        print(f"Written to {written}", file=sys.stderr)
    if options.json:
        for row in table.to_dict("records"):
            print(_status_line(row))
    else:
        print(_status_text(table))
    return 0 if is_questionable(table)["ok"].all() else 9


def _load_many(names: list[str], options: Namespace) -> int:
    """A line for each tenant as it finishes, also for those that were not reached before Ctrl-C."""
    done: dict[str, Loaded] = {}

    def tell_of(one: Loaded) -> None:
        done[str(one.name)] = one
        print(one.json() if options.json else one.sentence, flush=True)

    pace = options.requests_per_second
    with stopped_by_signals():
        try:
            with closing(
                load_many(names, jobs=options.jobs, requests_per_second=pace, options=_words(options))
            ) as all_:
                for one in all_:
                    tell_of(one)
        except KeyboardInterrupt as interrupt:
            for name in names:
                if name not in done:
                    tell_of(failed_load(name, interrupt))
            kept = sum(one.path is not None for one in done.values())
            print(f"frgroups load: interrupted; {kept} of {len(names)} were loaded and are kept.", file=sys.stderr)
            return 1
    if not options.json:
        print(_loaded_text([done[name] for name in names]))
    return worst(one.exit_code for one in done.values())


def _words(options: Namespace) -> list[str]:
    """What the process of each tenant is told."""
    words = [f"--max-age={options.max_age}"] if options.max_age else []
    words += ["--no-cover"] * options.no_cover + ["--personal"] * options.personal
    words += [f"--log={options.log}"] if options.log else []
    return words + ["-v"] * options.verbose


def _loaded_text(done: list[Loaded]) -> str:
    rows = [
        {
            "name": one.name,
            "verdict": one.verdict or f"FAILED: {(one.error or {}).get('type', '')}",
            "groups": _number(one.n_groups),
            "customers": _number(one.n_customers),
            "memberships": _number(one.n_memberships),
            "requests": _number(one.n_requests),
            "seconds": f"{one.seconds or 0:.1f}",
        }
        for one in done
    ]
    n = sum(one.ok for one in done)
    return f"\n{pd.DataFrame(rows).to_string(index=False)}\n\n{n} of {pluralize(len(done), 'tenant')} loaded."


def _status_line(row: dict[Hashable, Any]) -> str:
    """One tenant as JSON; what `load --json` tells too is called and written as there."""
    told = {
        name: None if pd.isna(value) or (value == "" and name not in _SAID) else value for name, value in row.items()
    }
    return json.dumps(told | {"taken_at": told["taken_at"] and told["taken_at"].isoformat()})


def _status_text(table: pd.DataFrame) -> str:
    shown = pd.DataFrame(
        {
            "name": table["name"],
            "tenant_uid": table["tenant_uid"],
            "host": table["host"],
            "taken_at": table["taken_at"].dt.strftime("%Y-%m-%d %H:%M").fillna("never"),
            "age": table["age"],
            "verdict": table["verdict"],
            "groups": table["n_groups"].map(_number),
            "customers": table["n_customers"].map(_number),
            "memberships": table["n_memberships"].map(_number),
            "snapshots": table["n_snapshots"],
            "size": table["size_bytes"].map(format_size),
            "wrong": table["detail"],
        }
    )
    return f"{shown.to_string(index=False, max_colwidth=60)}\n\n{status_summary(table)}"


def _number(n: Any) -> str:
    return "" if pd.isna(n) else f"{n:,}"


def _load_words(add: Add) -> None:
    parser = add(load, "read every group and member and keep a snapshot", "frgroups load --all --jobs 4 --json")
    of_fleet(parser)
    parser.add_argument("--jobs", type=at_least(1), default=4, metavar="N", help="tenants at a time (4)")
    parser.add_argument("--json", action="store_true", help="one JSON line for each tenant as it finishes")
    parser.add_argument(
        "--requests-per-second",
        type=more_than_none,
        metavar="N",
        help="at most so many to one service, by all tenants together (20 off this machine)",
    )
    parser.add_argument(
        "--max-age", type=duration, metavar="AGE", help="take a kept snapshot when it is at most this old (6h, 30min)"
    )
    parser.add_argument(
        "--no-cover", action="store_true", help="page every group, also those seen whole in larger ones"
    )
    parser.add_argument("--personal", action="store_true", help="keep names and contact data too")


def _status_words(add: Add) -> None:
    parser = add(
        status, "how old, how sure and how large the newest snapshot is", "frgroups status --all --html status.html"
    )
    of_fleet(parser)
    parser.add_argument(
        "--max-age", type=duration, default="24h", metavar="AGE", help="an older snapshot is old (24h)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page that needs no network")
    parser.add_argument("--json", action="store_true", help="one JSON line for each tenant")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where snapshots are kept (the home)")
