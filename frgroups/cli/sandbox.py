"""Commands that serve a sandbox, alone or with the notebooks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from frgroups.cli.command import command
from frgroups.cli.output import print_text
from frgroups.cli.types import FILE, IntegerRange, NumberRange
from frgroups.errors import FrgroupsError
from frgroups.sandbox.minimums import MIN_CUSTOMERS, MIN_GROUPS

if TYPE_CHECKING:
    from frgroups.sandbox.sandbox import Sandbox

MAX_PORT = 65_535


@command("sandbox", example="frgroups sandbox --customers 2000")
@click.option("--path", type=FILE, metavar="FILE", help="SQLite file of the state. By default, it is temporary.")
@click.option(
    "--port", type=IntegerRange(0, MAX_PORT), default=8020, metavar="PORT", help="Port on 127.0.0.1; 0 for any."
)
@click.option(
    "--customers",
    type=IntegerRange(min=MIN_CUSTOMERS),
    default=20_000,
    metavar="N",
    help="Number of customers.",
)
@click.option("--groups", type=IntegerRange(min=MIN_GROUPS), default=60, metavar="N", help="Number of groups.")
@click.option("--seed", type=int, default=1, metavar="N", help="Seed of the random data.")
@click.option(
    "--days-ago", type=NumberRange(min=0), default=0.0, metavar="N", help="Start this many days in the past."
)
@click.option("--latency", type=NumberRange(min=0), default=0.0, metavar="SECONDS", help="Delay of each response.")
def sandbox(
    path: Path | None, port: int, customers: int, groups: int, seed: int, days_ago: float, latency: float
) -> int:
    """Serve a sandbox until Ctrl-C."""
    from frgroups.sandbox.sandbox import Sandbox

    tenant = Sandbox(
        path, customers=customers, groups=groups, seed=seed, port=port, latency=latency, days_ago=days_ago
    )
    with tenant as running:
        print_text(f"A sandbox tenant is running at {running.base_url} until Ctrl-C. In another terminal:\n")
        for name, value in _environment(running).items():
            print_text(f"  export {name}={value}")
        print_text("\nthen: frgroups doctor", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


@command("notebooks", example="frgroups notebooks")
@click.option("--port", type=IntegerRange(1, MAX_PORT), default=8888, metavar="PORT", help="Port of JupyterLab.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
def notebooks(port: int, no_browser: bool) -> int:
    """Start JupyterLab on the notebooks, with a sandbox."""
    from frgroups.internals.paths import home
    from frgroups.sandbox.sandbox import Sandbox

    if find_spec("jupyterlab") is None:
        raise FrgroupsError('JupyterLab is not installed: pip install "frgroups[notebook]", or make notebooks.')
    folder = _notebook_folder()
    with Sandbox(process=True) as running:
        print_text(f"Notebooks in {folder}; a sandbox tenant at {running.base_url}.", flush=True)
        environment = os.environ | _notebook_environment(running) | {"FRGROUPS_HOME": str(home())}
        jupyter = subprocess.Popen(  # noqa: S603  # All arguments are from this module.
            _jupyter_command(folder, port, no_browser), env=environment
        )
        signal.signal(signal.SIGTERM, lambda _signum, _frame: sys.exit(143))
        try:
            return jupyter.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            jupyter.terminate()
            jupyter.wait()


def _jupyter_command(folder: Path, port: int, no_browser: bool) -> list[str]:
    command_line = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}", f"--port={port}"]
    if no_browser:
        command_line.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # JupyterLab refuses to run as root, which is the user of many containers.
        command_line.append("--allow-root")
    return command_line


def _notebook_environment(running: Sandbox) -> dict[str, str]:
    """Return the variables of the sandbox, unless the environment names a tenant."""
    from frgroups.cli.inputs import environment_tenant_uid

    if environment_tenant_uid():
        return {}
    # FRGROUPS_SANDBOX tells the notebooks that these variables name a sandbox.
    return _environment(running) | {"FRGROUPS_SANDBOX": "1"}


def _environment(running: Sandbox) -> dict[str, str]:
    return {
        "FRGROUPS_TENANT_UID": running.tenant_uid,
        "FRGROUPS_TOKEN": running.token,
        "FRGROUPS_BASE_URL": running.base_url,
    }


def _notebook_folder() -> Path:
    """Return the notebooks of the current project, or a copy of the packaged notebooks in the data folder."""
    from frgroups.internals.paths import data_subdir, home

    for folder in (home().parent / "notebooks", Path("notebooks").resolve()):
        if folder.is_dir():
            return folder
    packaged = Path(__file__).parents[1] / "notebooks"
    if not packaged.is_dir():
        raise FrgroupsError("There are no notebooks here. Run this in the project's folder.")
    target = data_subdir("notebooks")
    shutil.copytree(packaged, target, dirs_exist_ok=True)
    return target
