"""One finding about a group, and how a call that makes a plan is written into the action that it suggests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import pandas as pd

Severity = Literal["high", "medium", "low"]

CHECK = "Check the back office for campaigns and price lists that use"


class HealthFinding(NamedTuple):
    """A row of `health_report`; the fields are its columns."""

    severity: Severity
    finding: str
    customer_group_uid: str
    name: str | None
    other_group_uid: str | None
    other_name: str | None
    n: int
    evidence: str
    suggested_action: str


def each(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table, with the names of its columns."""
    return table.itertuples(index=False)


def plan_call(uid: str, wanted: str, mode: str = "mirror") -> str:
    """
    The call that plans this membership of a group; `wanted` is an expression over groups, "" for nobody.

    In an action it stands last.

    >>> plan_call("vip", "")
    "fg.plan_memberships(snapshot, {'vip': []}, mode='mirror')"
    """
    customers = f"fg.members(snapshot, {wanted!r})" if wanted else "[]"
    return f"fg.plan_memberships(snapshot, {{{uid!r}: {customers}}}, mode={mode!r})"


def under_register(found: HealthFinding) -> HealthFinding:
    """The same finding, the plan that it suggests under the limits of the register too."""
    if "fg.plan_memberships(" not in found.suggested_action:
        return found
    return found._replace(suggested_action=f"{found.suggested_action.removesuffix(')')}, register=register)")


def quoted(uid: str) -> str:
    r"""
    A group in an expression of `fg.members`, whatever its uid holds.

    >>> quoted("vip"), quoted("store's")
    ("'vip'", '"store\'s"')
    """
    quote = next((mark for mark in "'\"`" if mark not in uid), "'")
    return f"{quote}{uid}{quote}"
