"""Command that checks the connection and the installation."""

from __future__ import annotations

import click

from frgroups.cli.command import command
from frgroups.cli.options import tenant_option
from frgroups.cli.output import print_text


@command("doctor", example="frgroups doctor")
@tenant_option
@click.option(
    "--probe-writes",
    is_flag=True,
    help="Test how the server handles writes, using a temporary group. Allowed only on stage and in a local tenant "
    "(sandbox). The result is stored for frgroups apply.",
)
def doctor(tenant: str | None, probe_writes: bool) -> int:
    """Print the versions, the data folder, the connection, and the suppression list."""
    from frgroups.api.environments import environment_label
    from frgroups.apply.write_capabilities import stored_capabilities
    from frgroups.apply.write_probe import probe_writes as run_probe
    from frgroups.cli.inputs import open_client
    from frgroups.internals.formatting import pluralize
    from frgroups.internals.html import Card
    from frgroups.internals.paths import home
    from frgroups.internals.versions import show_versions
    from frgroups.plan.suppression_list import suppressed_customers, suppression_list_path

    show_versions()
    print_text(f"data folder  {home()}")
    with open_client(tenant, writable=probe_writes) as client:
        check = client.check()
        facts = check.facts
        if probe_writes:
            facts["Write access"] = "tested by the probe below"
        print_text(Card("Check", facts, mark=environment_label(check.base_url)).text())
        capabilities = stored_capabilities(client.tenant_uid, client.base_url)
        if probe_writes:
            capabilities = run_probe(client)
        path = suppression_list_path(client)
        n_suppressed = len(suppressed_customers(client))
    suppressed = f"{pluralize(n_suppressed, 'customer')}, from {path}"
    if not path.exists():
        suppressed = f"none; expected at {path}"
    print_text(f"suppression list   {suppressed}")
    if capabilities:
        print_text(capabilities)
    return 0
