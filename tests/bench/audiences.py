"""Assign customers to audiences with frgroups, and compute the `isin` calls of the same waterfall with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import frgroups as fg
from frgroups.snapshot.group_references import quote_reference
from frgroups.snapshot.membership_matrix import MembershipMatrix
from tests.bench.child import Stopwatch, load_facts
from tests.bench.tenants import SEED

N_AUDIENCES = 20
CAP = 10_000  # Every second audience has this cap.


def by_waterfall(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Assign customers to audiences that are group expressions, including the summary."""
    snapshot = fg.read_snapshot(path)
    *audiences, excluded = _largest(snapshot.matrix)
    expressions = {group: quote_reference(group) for group in audiences}
    scores = pd.Series(_scores(snapshot.matrix), index=snapshot.customers["customer_uid"])
    _load_modules(snapshot)
    with clock:
        table = fg.waterfall(
            snapshot, expressions, caps=_caps(audiences), order_by=scores, exclude=quote_reference(excluded)
        )
        summary = fg.waterfall_summary(table)
    assert len(summary) == len(audiences)
    return load_facts(table["audience"].array, table["customer_uid"].array, snapshot.matrix.n_customers)


def by_isin(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Call `numpy.isin` with the integer codes of each audience, for the excluded and the assigned customers."""
    snapshot = fg.read_snapshot(path)
    codes = snapshot.matrix
    calls, assigned = _isin_calls(codes)
    with clock:
        for elements, test_elements in calls:
            np.isin(elements, test_elements)
    return _facts(codes, assigned)


def by_uid_lists(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Assign customers to audiences that are lists of uids, in random order."""
    snapshot = fg.read_snapshot(path)
    *audiences, excluded = _largest(snapshot.matrix)
    rng = np.random.default_rng(SEED)
    lists = {group: snapshot[group].take(rng.permutation(len(snapshot[group]))) for group in audiences}
    exclude = snapshot[excluded]
    scores = pd.Series(_scores(snapshot.matrix), index=snapshot.customers["customer_uid"])
    _load_modules(snapshot)
    with clock:
        table = fg.waterfall(snapshot, lists, caps=_caps(audiences), order_by=scores, exclude=exclude)
    return load_facts(table["audience"].array, table["customer_uid"].array, snapshot.matrix.n_customers)


def by_isin_of_uids(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Call `numpy.isin` with arrays of uids."""
    snapshot = fg.read_snapshot(path)
    codes = snapshot.matrix
    calls, assigned = _isin_calls(codes)
    uids = codes.customer_uids.to_numpy().astype("U")
    texts = [(uids[elements], uids[test_elements]) for elements, test_elements in calls]
    with clock:
        for elements, test_elements in texts:
            np.isin(elements, test_elements)
    return _facts(codes, assigned)


def _isin_calls(
    codes: MembershipMatrix,
) -> tuple[list[tuple[npt.NDArray[Any], npt.NDArray[Any]]], dict[str, npt.NDArray[Any]]]:
    """Return the arguments of the `isin` calls that a waterfall needs, and the customers of each audience."""
    *audiences, group = _largest(codes)
    excluded, scores, caps = codes.member_codes(group), _scores(codes), _caps(audiences)
    calls, assigned = [], {}
    for name in audiences:
        members = codes.member_codes(name)
        calls.append((members, excluded))
        rest = members[~np.isin(members, excluded)]
        taken = np.concatenate([rest[:0], *assigned.values()])
        calls.append((rest, taken))
        free = rest[~np.isin(rest, taken)]
        order = np.argsort(-scores[free], kind="stable")
        assigned[name] = free[order[: caps.get(name)]]
    return calls, assigned


def _largest(codes: MembershipMatrix) -> list[str]:
    """Return the largest groups in random order: the audiences, and the group of the excluded customers."""
    largest = np.argsort(-codes.sizes, kind="stable")[: N_AUDIENCES + 1]
    return list(codes.group_uids[np.random.default_rng(SEED).permutation(largest)])


def _caps(audiences: list[str]) -> dict[str, int]:
    return dict.fromkeys(audiences[::2], CAP)


def _scores(codes: MembershipMatrix) -> npt.NDArray[np.int64]:
    """Return a score from 0 to 99 for each customer, so that many customers have equal scores."""
    return np.random.default_rng(SEED).integers(0, 100, codes.n_customers)


def _load_modules(snapshot: fg.Snapshot) -> None:
    """Load the modules that frgroups imports on first use."""
    fg.waterfall_summary(fg.waterfall(snapshot, {}))


def _facts(codes: MembershipMatrix, assigned: dict[str, npt.NDArray[Any]]) -> dict[str, int]:
    names = np.repeat(list(assigned), [len(customers) for customers in assigned.values()])
    uids = codes.customer_uids.take(np.concatenate(list(assigned.values())))
    return load_facts(names, uids.array, codes.n_customers)
