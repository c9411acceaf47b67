"""Reach of groups: consent and contact point per channel, and the customers that each further group adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd

from frgroups.analysis.consent import Channel, reach_channels
from frgroups.analysis.disclosure_control import check_min_count, is_small
from frgroups.analysis.set_cover import greedy_cover
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.internals.validation import as_list, check_choice, check_share, check_type
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
    Count the customers of each group who give consent and have a contact point, by channel.

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

    Examples
    --------
    >>> reach = reachability(sample_snapshot(), ["all"], consent={"mobile": "newsletter"})
    >>> reach[["channel", "n_members", "n_with_contact", "n_consented", "n_reachable", "share_reachable"]]
      channel  n_members  n_with_contact  n_consented  n_reachable  share_reachable
    0   email        250             200          150          120             0.48
    1  mobile        250             167          150          100             0.40
    2   (any)        250             234          150          140             0.56
    """
    check_type(snapshot, Snapshot, "snapshot")
    check_min_count(min_count)
    selected = reach_channels(snapshot, channels, consent or {})
    matrix = snapshot.matrix.select(groups)
    tables = [_channel_table(matrix, channel, min_count) for channel in selected]
    if len(selected) > 1:
        tables.append(_any_channel_table(matrix, selected, tables, min_count))
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
    Count the customers that each further group adds to those who are already reached.

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

    Examples
    --------
    >>> incremental_reach(sample_snapshot())[["step", "name", "n_reachable", "n_new", "share_cumulative"]]
       step         name  n_reachable  n_new  share_cumulative
    0     1  All members          120    120               1.0
    """
    check_type(snapshot, Snapshot, "snapshot")
    check_choice(order, "order", ("greedy", "given"))
    check_share(target, "target")
    [selected] = reach_channels(snapshot, [channel], consent or {})
    uids_or_names = None if groups is None else as_list(groups, "groups")
    matrix = _restrict_members(snapshot.matrix.select(uids_or_names), selected.reachable)
    if order == "greedy":
        chosen, n_new = greedy_cover(matrix, target)
    else:
        chosen, n_new = _cover_in_order(matrix, uids_or_names, target)
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


def _channel_table(matrix: MembershipMatrix, channel: Channel, min_count: int) -> pd.DataFrame:
    """Return the rows of a channel, one per group."""
    counts = {
        "n_with_contact": _count_members(matrix, channel.contact),
        "n_consented": _count_members(matrix, channel.given),
        "n_reachable": _count_members(matrix, channel.reachable),
    }
    contact, given, both = counts.values()
    neither = matrix.sizes - contact - given + both
    is_disclosive = _is_disclosive(matrix, both, min_count)
    is_disclosive_detail = is_disclosive | _any_small([contact - both, given - both, neither], min_count)
    hide = {
        "n_with_contact": is_disclosive_detail,
        "n_consented": is_disclosive_detail,
        "n_reachable": is_disclosive,
    }
    return _build_table(matrix, channel.name, channel.consent, counts, hide)


def _any_channel_table(
    matrix: MembershipMatrix, channels: list[Channel], tables: list[pd.DataFrame], min_count: int
) -> pd.DataFrame:
    """Return the rows of the customers who are reached by at least one of the two channels."""
    first, second = channels
    counts = {
        "n_with_contact": _count_members(matrix, first.contact | second.contact),
        "n_consented": _count_members(matrix, first.given | second.given),
        "n_reachable": _count_members(matrix, first.reachable | second.reachable),
    }
    reachable, hide = counts["n_reachable"], {}
    for name, n in counts.items():
        a, b = (table[name].fillna(0).to_numpy(dtype=np.int64) for table in tables)
        is_hidden = np.logical_or(*(table[name].isna().to_numpy() for table in tables))
        differences = [n - a, n - b, a + b - n, n - reachable]
        hide[name] = is_hidden | _is_disclosive(matrix, n, min_count) | _any_small(differences, min_count)
    consent = " or ".join(dict.fromkeys(channel.consent for channel in channels))
    return _build_table(matrix, ANY, consent, counts, hide)


def _is_disclosive(matrix: MembershipMatrix, n: IntArray, min_count: int) -> BoolArray:
    """Return True for each group in which n members, or the other members, are too few to be published."""
    is_small_group = (matrix.sizes <= min_count) & (matrix.sizes > 0) & (min_count > 0)
    is_disclosive: BoolArray = is_small_group | _any_small([n, matrix.sizes - n], min_count)
    return is_disclosive


def _any_small(counts: list[IntArray], min_count: int) -> BoolArray:
    """Return True for each group in which one of the counts is small."""
    small: BoolArray = np.any([is_small(n, min_count) for n in counts], axis=0)
    return small


def _count_members(matrix: MembershipMatrix, mask: BoolArray) -> IntArray:
    """Return the number of members of each group that a mask of customers contains."""
    return np.bincount(matrix.group_code[mask[matrix.indices]], minlength=matrix.n_groups).astype(np.int64)


def _build_table(
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


def _restrict_members(matrix: MembershipMatrix, mask: BoolArray) -> MembershipMatrix:
    """Return the same groups with only the customers of a mask as members."""
    keep = mask[matrix.indices]
    return MembershipMatrix.from_codes(
        matrix.group_code[keep],
        matrix.indices[keep],
        group_uids=matrix.group_uids,
        group_names=matrix.group_names,
        customer_uids=matrix.customer_uids,
    )


def _cover_in_order(matrix: MembershipMatrix, groups: list[str] | None, target: float) -> tuple[IntArray, IntArray]:
    """Return groups in the given order until the target is reached, and the number that each adds."""
    codes = range(matrix.n_groups) if groups is None else dict.fromkeys(map(matrix.group_code_of, groups))
    is_free = np.ones(matrix.n_customers, dtype=np.bool_)
    n_target = target * len(np.unique(matrix.indices))
    chosen: list[int] = []
    n_new: list[int] = []
    for code in codes:
        if n_target <= sum(n_new):
            break
        members = matrix.row(code)
        chosen.append(code)
        n_new.append(int(is_free[members].sum()))
        is_free[members] = False
    return np.array(chosen, dtype=np.int64), np.array(n_new, dtype=np.int64)
