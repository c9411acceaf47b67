"""Whom a group reaches: consent and contact point per channel, and what each further group adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd

from frgroups.analysis.consent import Channel, reach_channels
from frgroups.analysis.disclosure_control import check_min_count, is_small
from frgroups.analysis.set_cover import greedy_cover
from frgroups.errors import InputError
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.internals.validation import as_list, check_type
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.snapshot import Snapshot

ANY = "(any)"
_COUNTS = ("n_with_contact", "n_consented", "n_reachable")


def reachability(
    snapshot: Snapshot,
    groups: Iterable[str] | None = None,
    *,
    channels: Iterable[str] = ("email", "mobile"),
    consent: Mapping[str, str] | None = None,
    min_count: int = 5,
) -> pd.DataFrame:
    """
    How many customers of each group may be written to: those who give consent and have a contact point.

    Parameters
    ----------
    groups
        Only these, by uid or unique name; None takes all.
    channels
        "email" and "mobile".
    consent
        {channel: consent, by uid or unique name}. The API does not tell which consent is for which channel. For a
        channel that is not named here, it is the one whose uid or name holds a word of that channel: mail, e-post,
        epost, newsletter, nyhetsbrev, nyhedsbrev, sähköposti or uutiskirje; sms, mobil, text message or
        tekstiviesti.
    min_count
        Counts of 1 to min_count - 1 customers are left out, and what they could be computed from; 0 shows all.

    Returns
    -------
    DataFrame
        Groups in uid order, channels in the order given, and with more than one channel a last row "(any)" of
        those who are reached by at least one. customer_group_uid, name, channel, consent (`str`: the name of the
        consent that was looked at); n_members (`int64`); n_with_contact, n_consented, n_reachable (`Int64`,
        customers: with an address or number, with consent, with both); share_reachable (`float64`, of the members,
        NaN where there are none or it is suppressed); suppressed (`bool`: something in this row is left out).

    Notes
    -----
    Only the newest row of a consent counts, see `latest_consents`. A contact point is one that is not empty; whether
    anything arrives there nobody knows here.

    Left out is n_reachable where fewer than `min_count` are reached, or are not reached (nobody and everybody are
    shown), and n_with_contact and n_consented where one of the four combinations of contact and consent is so
    small. "(any)" is left out where it would tell how few are reached by just one channel, or by both. A group
    of `min_count` members or fewer tells nothing. Groups that differ in few members can still be subtracted.

    Raises
    ------
    InputError
        An unknown group or channel; a consent that cannot be told, with those there are; a snapshot that does not
        know who has a contact point.

    >>> reach = reachability(sample_snapshot(), ["all"], consent={"mobile": "newsletter"})
    >>> reach[["channel", "n_members", "n_with_contact", "n_consented", "n_reachable", "share_reachable"]]
      channel  n_members  n_with_contact  n_consented  n_reachable  share_reachable
    0   email        250             200          150          120             0.48
    1  mobile        250             167          150          100             0.40
    2   (any)        250             234          150          140             0.56
    """
    check_type(snapshot, Snapshot, "snapshot")
    check_min_count(min_count)
    asked = reach_channels(snapshot, channels, consent or {})
    matrix = snapshot.matrix.select(groups)
    tables = [_table(matrix, channel, min_count) for channel in asked]
    if len(asked) > 1:
        tables.append(_any_table(matrix, asked, tables, min_count))
    order = np.arange(len(tables) * matrix.n_groups).reshape(len(tables), matrix.n_groups).T.ravel()
    return pd.concat(tables, ignore_index=True).take(order).reset_index(drop=True)


def incremental_reach(
    snapshot: Snapshot,
    groups: Iterable[str] | None = None,
    *,
    channel: str = "email",
    consent: Mapping[str, str] | None = None,
    target: float = 1.0,
    order: Literal["greedy", "given"] = "greedy",
) -> pd.DataFrame:
    """
    How many customers each further group adds to those who are reached already.

    Parameters
    ----------
    groups, consent
        As in `reachability`.
    channel
        "email" or "mobile".
    target
        Stop when this share is reached of all who can be reached in any of the groups.
    order
        "greedy": each time the group that adds most (see `greedy_cover`); "given": the groups as they are named.

    Returns
    -------
    DataFrame
        One row per step: step (`int64`, from 1); customer_group_uid, name (`str`); n_reachable, n_new, n_cumulative
        (`int64`, customers: those reached in the group, those of them whom no group above reaches, and all so
        far); share_cumulative (`float64`, of all who can be reached in any of the groups). Small counts are not
        left out: this is for choosing groups, not for publishing.

    >>> incremental_reach(sample_snapshot())[["step", "name", "n_reachable", "n_new", "share_cumulative"]]
       step         name  n_reachable  n_new  share_cumulative
    0     1  All members          120    120               1.0
    """
    check_type(snapshot, Snapshot, "snapshot")
    if order not in ("greedy", "given"):
        raise InputError(f"order={order!r} is neither 'greedy' nor 'given'.")
    if not 0 < target <= 1:
        raise InputError(f"target={target!r} is no share; give a number above 0, up to 1.")
    [reached] = reach_channels(snapshot, [channel], consent or {})
    named = None if groups is None else as_list(groups, "groups")
    matrix = _only(snapshot.matrix.select(named), reached.reachable)
    if order == "greedy":
        chosen, n_new = greedy_cover(matrix, target)
    else:
        chosen, n_new = _as_given(matrix, named, target)
    cumulative = np.cumsum(n_new)
    return pd.DataFrame(
        {
            "step": np.arange(1, len(chosen) + 1),
            "customer_group_uid": matrix.group_uids.take(chosen).array,
            "name": matrix.group_names.take(chosen).array,
            "n_reachable": matrix.sizes[chosen],
            "n_new": n_new,
            "n_cumulative": cumulative,
            "share_cumulative": cumulative / max(len(np.unique(matrix.indices)), 1),
        }
    )


def _table(matrix: MembershipMatrix, channel: Channel, min_count: int) -> pd.DataFrame:
    counts = {
        "n_with_contact": _counted(matrix, channel.contact),
        "n_consented": _counted(matrix, channel.given),
        "n_reachable": _counted(matrix, channel.reachable),
    }
    contact, given, both = counts.values()
    neither = matrix.sizes - contact - given + both
    untold = _is_untold(matrix, both, min_count)
    detail = untold | _any_small([contact - both, given - both, neither], min_count)
    hide = {"n_with_contact": detail, "n_consented": detail, "n_reachable": untold}
    return _frame(matrix, channel.name, channel.consent, counts, hide)


def _any_table(
    matrix: MembershipMatrix, channels: list[Channel], tables: list[pd.DataFrame], min_count: int
) -> pd.DataFrame:
    """Those who are reached by at least one of the two channels."""
    one, other = channels
    counts = {
        "n_with_contact": _counted(matrix, one.contact | other.contact),
        "n_consented": _counted(matrix, one.given | other.given),
        "n_reachable": _counted(matrix, one.reachable | other.reachable),
    }
    reachable, hide = counts["n_reachable"], {}
    for name, n in counts.items():
        a, b = (table[name].fillna(0).to_numpy(dtype=np.int64) for table in tables)
        untold = np.logical_or(*(table[name].isna().to_numpy() for table in tables))
        computed = [n - a, n - b, a + b - n, n - reachable]
        hide[name] = untold | _is_untold(matrix, n, min_count) | _any_small(computed, min_count)
    consent = " or ".join(dict.fromkeys(channel.consent for channel in channels))
    return _frame(matrix, ANY, consent, counts, hide)


def _is_untold(matrix: MembershipMatrix, n: IntArray, min_count: int) -> BoolArray:
    """Where so many of the members are too few to be told, or leave too few others."""
    few = (matrix.sizes <= min_count) & (matrix.sizes > 0) & (min_count > 0)
    untold: BoolArray = few | _any_small([n, matrix.sizes - n], min_count)
    return untold


def _any_small(counts: list[IntArray], min_count: int) -> BoolArray:
    small: BoolArray = np.any([is_small(n, min_count) for n in counts], axis=0)
    return small


def _counted(matrix: MembershipMatrix, mask: BoolArray) -> IntArray:
    """How many members of each group the mask holds."""
    return np.bincount(matrix.group_code[mask[matrix.indices]], minlength=matrix.n_groups).astype(np.int64)


def _frame(
    matrix: MembershipMatrix, channel: str, consent: str, counts: dict[str, IntArray], hide: dict[str, BoolArray]
) -> pd.DataFrame:
    with np.errstate(invalid="ignore"):
        share = np.where(hide["n_reachable"], np.nan, counts["n_reachable"] / matrix.sizes)
    return pd.DataFrame(
        {
            "customer_group_uid": matrix.group_uids.array,
            "name": matrix.group_names.array,
            "channel": pd.array([channel] * matrix.n_groups, dtype="str"),
            "consent": pd.array([consent] * matrix.n_groups, dtype="str"),
            "n_members": matrix.sizes,
            **{name: pd.arrays.IntegerArray(counts[name], hide[name]) for name in _COUNTS},
            "share_reachable": share,
            "suppressed": np.any(list(hide.values()), axis=0),
        }
    )


def _only(matrix: MembershipMatrix, mask: BoolArray) -> MembershipMatrix:
    """The same groups with only these customers as members."""
    keep = mask[matrix.indices]
    return MembershipMatrix.from_codes(
        matrix.group_code[keep],
        matrix.indices[keep],
        group_uids=matrix.group_uids,
        group_names=matrix.group_names,
        customer_uids=matrix.customer_uids,
    )


def _as_given(matrix: MembershipMatrix, named: list[str] | None, target: float) -> tuple[IntArray, IntArray]:
    """The groups as they are named (or in uid order), up to the one that reaches the target."""
    order = range(matrix.n_groups) if named is None else dict.fromkeys(map(matrix.group_code_of, named))
    free = np.ones(matrix.n_customers, dtype=np.bool_)
    wanted = target * len(np.unique(matrix.indices))
    steps: list[tuple[int, int]] = []
    for group in order:
        if wanted <= sum(n for _, n in steps):
            break
        members = matrix.indices[matrix.indptr[group] : matrix.indptr[group + 1]]
        steps.append((group, int(free[members].sum())))
        free[members] = False
    table = np.array(steps, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
