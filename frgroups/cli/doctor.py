"""The commands about a tenant: is it reached, and one of one's own to try."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from argparse import Namespace
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from frgroups.apply.write_capabilities import stored_capabilities
from frgroups.apply.write_probe import probe_writes
from frgroups.cli.arguments import Add, of_tenant
from frgroups.cli.resolve import client_of, tenant_in_use
from frgroups.cli.types import at_least
from frgroups.errors import FrgroupsError
from frgroups.internals.formatting import pluralize
from frgroups.internals.paths import data_subdir, home
from frgroups.internals.versions import show_versions
from frgroups.plan.suppression_list import suppressed_customers, suppression_list_path

# Those of the sandbox, which is an extra and not imported for its limits.
FEWEST_CUSTOMERS, FEWEST_GROUPS = 50, 8


def add_commands(add: Add) -> None:
    """What each of these commands takes."""
    _demo_words(add)
    _doctor_words(add)
    _sandbox_words(add)
    _notebooks_words(add)


def demo(options: Namespace) -> int:
    """Run the demo."""
    from frgroups.cli.demo import run_demo

    return run_demo(customers=options.customers)


def doctor(options: Namespace) -> int:
    """Show versions, the home, what a check of the connection finds, and who may never be added."""
    show_versions()
    print(f"home        {home()}")
    with client_of(options.tenant, writable=options.probe_writes) as client:
        print(client.check())
        facts = (
            probe_writes(client) if options.probe_writes else stored_capabilities(client.tenant_uid, client.base_url)
        )
        path, n = suppression_list_path(client), len(suppressed_customers(client))
    print(f"never add   {pluralize(n, 'customer')}, by {path}{'' if path.exists() else ' (not there)'}")
    if facts:
        print(facts)
    return 0


def sandbox(options: Namespace) -> int:
    """Serve a sandbox until Ctrl-C."""
    from frgroups.sandbox.sandbox import Sandbox

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
    from frgroups.sandbox.sandbox import Sandbox

    if find_spec("jupyterlab") is None:
        raise FrgroupsError('JupyterLab is not installed: pip install "frgroups[notebook]", or make notebooks.')
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


def _environment(running: Any) -> dict[str, str]:
    return {
        "FRGROUPS_TENANT_UID": running.tenant_uid,
        "FRGROUPS_TOKEN": running.token,
        "FRGROUPS_BASE_URL": running.base_url,
    }


def _notebook_folder() -> Path:
    """The notebooks of the project you are in, else a copy of the packaged ones in the home."""
    for own in (home().parent / "notebooks", Path("notebooks").resolve()):
        if own.is_dir():
            return own
    packaged = Path(__file__).parents[1] / "notebooks"
    if not packaged.is_dir():
        raise FrgroupsError("There are no notebooks here. Run this in the project's folder.")
    target = data_subdir("notebooks")
    shutil.copytree(packaged, target, dirs_exist_ok=True)
    return target


def _demo_words(add: Add) -> None:
    parser = add(demo, "the whole way once, on made-up data in a local tenant", "frgroups demo")
    parser.add_argument(
        "--customers", type=at_least(FEWEST_CUSTOMERS), default=20_000, metavar="N", help="customers (20000)"
    )


def _doctor_words(add: Add) -> None:
    parser = add(doctor, "am I connected, where, as what, may I write, and how does it page", "frgroups doctor")
    of_tenant(parser)
    parser.add_argument(
        "--probe-writes",
        action="store_true",
        help="on stage or a sandbox: try what writes do, on a group made for it and deleted; apply goes by that",
    )


def _sandbox_words(add: Add) -> None:
    parser = add(sandbox, "a local tenant that speaks the API, until Ctrl-C", "frgroups sandbox --customers 2000")
    parser.add_argument("--path", type=Path, metavar="FILE", help="SQLite file that keeps its state (temporary)")
    parser.add_argument("--port", type=at_least(0, 65535), default=8020, help="port on 127.0.0.1 (8020)")
    parser.add_argument(
        "--customers", type=at_least(FEWEST_CUSTOMERS), default=20_000, metavar="N", help="customers (20000)"
    )
    parser.add_argument("--groups", type=at_least(FEWEST_GROUPS), default=60, metavar="N", help="groups (60)")
    parser.add_argument("--seed", type=int, default=1, help="other seeds make other tenants (1)")
    parser.add_argument("--days-ago", type=at_least(0.0), default=0, metavar="N", help="start in the past (0)")
    parser.add_argument(
        "--latency", type=at_least(0.0), default=0.0, metavar="SECONDS", help="delay of each answer (0)"
    )


def _notebooks_words(add: Add) -> None:
    parser = add(notebooks, "JupyterLab on the notebooks, with a sandbox running", "frgroups notebooks")
    parser.add_argument("--port", type=at_least(1, 65535), default=8888, help="port of JupyterLab (8888)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
