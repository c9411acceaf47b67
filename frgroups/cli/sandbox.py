"""Commands that run a sandbox, with or without the notebooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from frgroups.cli.command import command
from frgroups.cli.options import json_option
from frgroups.cli.output import print_json_line, print_message, print_text
from frgroups.cli.types import FILE, IntegerRange, NumberRange
from frgroups.errors import FrgroupsError
from frgroups.sandbox.minimums import MIN_CUSTOMERS, MIN_GROUPS

if TYPE_CHECKING:
    from frgroups.sandbox.sandbox import Sandbox

MAX_PORT = 65_535


@command("sandbox", example="frgroups sandbox --customers 2000")
@click.option(
    "--path",
    type=FILE,
    metavar="FILE",
    help="SQLite file that stores the data of the tenant. The default is a temporary file.",
)
@click.option(
    "--port",
    type=IntegerRange(0, MAX_PORT),
    default=8020,
    metavar="PORT",
    help="Port on 127.0.0.1. The value 0 selects a free port.",
)
@click.option(
    "--customers",
    type=IntegerRange(min=MIN_CUSTOMERS),
    default=20_000,
    metavar="N",
    help="Number of customers to create.",
)
@click.option(
    "--groups", type=IntegerRange(min=MIN_GROUPS), default=60, metavar="N", help="Number of groups to create."
)
@click.option("--seed", type=int, default=1, metavar="N", help="Seed of the random generator.")
@click.option(
    "--days-ago",
    type=NumberRange(min=0),
    default=0.0,
    metavar="N",
    help="Start the clock of the local tenant this many days in the past.",
)
@click.option(
    "--latency", type=NumberRange(min=0), default=0.0, metavar="SECONDS", help="Delay of each response in seconds."
)
@json_option("Print the environment variables of the sandbox as one JSON object as soon as it is running.")
def sandbox(
    path: Path | None,
    port: int,
    customers: int,
    groups: int,
    seed: int,
    days_ago: float,
    latency: float,
    as_json: bool,
) -> int:
    """Run a sandbox until the process is interrupted with Ctrl-C."""
    from frgroups.internals.formatting import shell_argument
    from frgroups.sandbox.sandbox import Sandbox

    tenant = Sandbox(
        path, customers=customers, groups=groups, seed=seed, port=port, latency=latency, days_ago=days_ago
    )
    with tenant as running:
        print_message(f"The sandbox is running at {running.base_url}. To stop it, press Ctrl-C.\n")
        if as_json:
            print_json_line({"base_url": running.base_url, "environment": _environment(running)}, flush=True)
        else:
            print_message("To connect to the sandbox, run these commands in another terminal:\n")
            for name, value in _environment(running).items():
                print_text(f"  export {name}={shell_argument(value)}")
            print_message("  frgroups doctor")
            sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            wait_for_interrupt()
    return 0


def wait_for_interrupt() -> None:
    """Wait until Ctrl-C or SIGTERM raises KeyboardInterrupt."""
    threading.Event().wait()


@command("notebooks", example="frgroups notebooks")
@click.option("--port", type=IntegerRange(1, MAX_PORT), default=8888, metavar="PORT", help="Port of JupyterLab.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@json_option("Print the folder and the sandbox as one JSON object. The output of JupyterLab goes to stderr.")
def notebooks(port: int, no_browser: bool, as_json: bool) -> int:
    """Open the example notebooks in JupyterLab, and run a sandbox for them."""
    from frgroups.internals.paths import home
    from frgroups.sandbox.sandbox import Sandbox

    if find_spec("jupyterlab") is None:
        raise FrgroupsError(
            'JupyterLab is not installed. Run pip install "frgroups[notebook]", or run make notebooks in the project '
            "folder."
        )
    folder = _notebook_folder()
    with Sandbox(process=True) as running:
        print_message(f"JupyterLab opens the notebooks in {folder}.", flush=True)
        print_message(f"The sandbox is running at {running.base_url}.", flush=True)
        if as_json:
            print_json_line({"folder": str(folder), "base_url": running.base_url}, flush=True)
        environment = os.environ | _notebook_environment(running) | {"FRGROUPS_HOME": str(home())}
        jupyter = subprocess.Popen(  # noqa: S603  # The arguments do not come from another program.
            _jupyter_command(folder, port, no_browser),
            env=environment,
            stdout=sys.stderr if as_json else None,
        )
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
        # By default, JupyterLab does not run as root, but many containers run as root.
        command_line.append("--allow-root")
    return command_line


def _notebook_environment(running: Sandbox) -> dict[str, str]:
    """Return the environment variables that select the sandbox, or {} if FRGROUPS_TENANT_UID is already set."""
    from frgroups.cli.inputs import environment_tenant_uid

    if environment_tenant_uid():
        return {}
    # The notebooks check FRGROUPS_SANDBOX to detect that the other variables select a sandbox.
    return _environment(running) | {"FRGROUPS_SANDBOX": "1"}


def _environment(running: Sandbox) -> dict[str, str]:
    return {
        "FRGROUPS_TENANT_UID": running.tenant_uid,
        "FRGROUPS_TOKEN": running.token,
        "FRGROUPS_BASE_URL": running.base_url,
    }


def _notebook_folder() -> Path:
    """Return the project's notebook folder, or a folder to which the packaged notebooks are copied."""
    from frgroups.internals.paths import data_subdir, home

    for folder in (home().parent / "notebooks", Path("notebooks").resolve()):
        if folder.is_dir():
            return folder
    packaged = Path(__file__).parents[1] / "notebooks"
    if not packaged.is_dir():
        raise FrgroupsError("The notebooks were not found. Run frgroups notebooks in the project folder.")
    target = data_subdir("notebooks")
    shutil.copytree(packaged, target, dirs_exist_ok=True)
    return target
