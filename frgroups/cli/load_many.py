"""Load several tenants in parallel and print the result for each tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from datetime import timedelta

import pandas as pd

from frgroups.cli.command_ending import keep_result
from frgroups.cli.output import print_json_line, print_message, print_text
from frgroups.cli.table_printing import print_table
from frgroups.internals.exit_codes import worst
from frgroups.internals.formatting import pluralize
from frgroups.load.batch import load_many
from frgroups.load.load_result import LoadResult, unstarted_load
from frgroups.snapshot.verdicts import VERDICTS


def load_tenants(
    names: list[str],
    jobs: int,
    as_json: bool,
    requests_per_second: float | None,
    deadline: timedelta,
    options: Sequence[str],
    deliver_interrupt: Callable[[], None],
) -> int:
    """
    Load tenants in parallel, print a line for each tenant, and return the most severe exit code.

    Ctrl-C cancels the loads that have not finished. In this case, the function also prints a line for each canceled
    load and for each tenant whose load was not started.

    Parameters
    ----------
    names
        Names of the tenants in tenants.toml.
    jobs
        Maximum number of tenants to load at the same time.
    as_json
        Whether to print JSON lines instead of sentences.
    requests_per_second
        Maximum number of requests per second to a host. None is the default of the client.
    deadline
        Maximum duration of the load of one tenant.
    options
        Options of `frgroups load` for each tenant.
    deliver_interrupt
        Function that `load_tenants` calls to raise a KeyboardInterrupt if Ctrl-C was pressed earlier.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C. The argument states how many tenants were loaded.
    """
    results: dict[str, LoadResult] = {}

    def report(result: LoadResult) -> None:
        if result.name in results:
            return
        results[str(result.name)] = result
        if as_json:
            print_json_line(asdict(result), flush=True)
        else:
            print_text(result.sentence, flush=True)

    loads = load_many(names, jobs=jobs, requests_per_second=requests_per_second, deadline=deadline, options=options)
    # Return exit code 1 if the reader of stdout closes the pipe early. The remaining tenants are then not loaded.
    keep_result(1, "")
    with closing(loads):
        try:
            deliver_interrupt()
            for result in loads:
                report(result)
        except KeyboardInterrupt as interrupt:
            # After a second Ctrl-C, do not wait for the results that are not available yet.
            with suppress(KeyboardInterrupt):
                report(loads.throw(interrupt))
                for result in loads:
                    report(result)
            for name in names:
                if name not in results:
                    report(unstarted_load(name))
            n_stored = sum(result.path is not None for result in results.values())
            text = f"{n_stored} of {pluralize(len(names), 'tenant')} were loaded and stored."
            raise KeyboardInterrupt(text) from None
    exit_code = worst(result.exit_code for result in results.values())
    keep_result(exit_code, "")
    if not as_json:
        _print_summary([results[name] for name in names])
    return exit_code


def _print_summary(results: Sequence[LoadResult]) -> None:
    counts = Counter(result.verdict or "failed" for result in results)
    listed = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in (*VERDICTS, "failed") if counts[verdict])
    print_text()
    # Convert the counts to nullable integers, because a failed load has no counts.
    print_table(pd.DataFrame([_summary_row(result) for result in results]).convert_dtypes(), n_required=2)
    print_message(f"\n{pluralize(len(results), 'tenant')}: {listed}.")


def _summary_row(result: LoadResult) -> dict[str, str | int | None]:
    error = result.error or {}
    reason = f" ({error['reason']})" if "reason" in error else ""
    return {
        "name": result.name,
        "verdict": result.verdict or f"FAILED: {error.get('type', '')}{reason}",
        "groups": result.n_groups,
        "customers": result.n_customers,
        "memberships": result.n_memberships,
        "requests": result.n_requests,
        "seconds": f"{result.seconds or 0:.1f}",
    }
