"""Command that checks the connection and the installation."""

from __future__ import annotations

import click

from frgroups.cli.command import command, verbosity
from frgroups.cli.options import json_option, tenant_option
from frgroups.cli.output import print_json_line, print_text


@command(
    "doctor",
    example="frgroups doctor",
    more="The exit code is 0 if no check finds a problem, and otherwise 1. With -v, the command also prints the "
    "versions of the installed packages.",
)
@tenant_option
@click.option(
    "--probe-writes",
    is_flag=True,
    help="Test how the server handles writes, using a temporary group. Allowed only on stage and in a local tenant "
    "(sandbox). The result is stored for frgroups apply.",
)
@json_option("Print the checks as one JSON object.")
def doctor(tenant: str | None, probe_writes: bool, as_json: bool) -> int:
    """Print the overall result, the problems, and the results of all checks."""
    from frgroups.cli.doctor_checks import run_checks
    from frgroups.internals.formatting import pluralize
    from frgroups.internals.versions import installed_versions

    checks = run_checks(tenant, probe_writes=probe_writes)
    problems = [check for check in checks if check.ok is False]
    n_checked = sum(check.ok is not None for check in checks)
    exit_code = 1 if problems else 0
    verdict = "PROBLEM" if problems else "OK"
    if as_json:
        rows = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks]
        print_json_line({"verdict": verdict, "ok": not problems, "rows": rows, "versions": installed_versions()})
        return exit_code
    print_text(f"{verdict}: {pluralize(n_checked, 'check')}, {pluralize(len(problems), 'problem')}")
    for check in problems:
        print_text(f"\n{check.name}: {check.detail.rstrip()}")
    width = max(len(check.name) for check in checks)
    print_text()
    for check in checks:
        state = {True: "ok", False: "PROBLEM", None: "-"}[check.ok]
        detail = "see above" if check.ok is False else check.detail
        label = f"{state:<7}  {check.name:<{width}}  "
        for line in detail.splitlines():
            print_text(f"{label:<{width + 11}}{line}", indent=width + 11)
            label = ""
    if verbosity(click.get_current_context()):
        print_text()
        for name, version in installed_versions().items():
            print_text(f"{name:<12} {version}")
    return exit_code
