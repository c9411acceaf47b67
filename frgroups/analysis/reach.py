"""Count or list the members of groups who can be contacted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd

from frgroups.analysis.consent import CHANNEL_NAMES, Channel, check_channel, reach_channels
from frgroups.analysis.disclosure_control import check_min_count
from frgroups.analysis.group_expressions import expression_mask
from frgroups.analysis.set_cover import greedy_cover
from frgroups.internals.counts import is_small
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
    Count the members of each group who can be contacted through each channel.

    A member can be contacted through a channel if the member has a contact point and gives consent for this channel.

    Parameters
    ----------
    snapshot
        The snapshot that contains the groups and the customers.
    groups
        The groups to count, by uid or unique name. None selects all groups.
    channels
        The channels to count: "email", "mobile" (text messages, SMS), or both.
    consent
        A dictionary that maps a channel to the uid or name of its consent. The API does not report which consent
        belongs to which channel. By default, the only consent whose uid or name contains a keyword of the channel is
        used. The keywords are mail, e-post, epost, newsletter, nyhetsbrev, nyhedsbrev, sähköposti, and uutiskirje for
        email, and sms, mobil, text message, and tekstiviesti for mobile.
    min_count
        Counts from 1 to `min_count` - 1 are suppressed, and so are other counts from which these counts could be
        computed. 0 disables suppression.

    Returns
    -------
    DataFrame
        One row per group and channel, with the groups sorted by uid and the channels in the given order. With more
        than one channel, a last row per group has the channel "(any)" and counts the members who can be contacted by
        at least one channel:

        - customer_group_uid, name, channel (`str`)
        - consent (`str`): the name of the consent
        - n_members (`int64`)
        - n_with_contact (`Int64`): the members with a contact point
        - n_consented (`Int64`): the members who give consent
        - n_reachable (`Int64`): the members with a contact point and consent
        - share_reachable (`float64`): n_reachable / n_members, NaN if n_reachable is suppressed or the group has no
          members
        - suppressed (`bool`): True if a number in the row is suppressed

    Raises
    ------
    InputError
        If a channel is unknown, the consent of a channel is missing or ambiguous, or the snapshot contains no contact
        points.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    See Also
    --------
    reachable_customers : Return the uids of the customers who are counted in the column n_reachable.

    Notes
    -----
    Only the newest row of a consent is used. A contact point is a value that is not empty. frgroups cannot check
    whether messages can be delivered to a contact point.

    The column n_reachable is suppressed if the number of members who can, or cannot, be contacted is from 1 to
    `min_count` - 1. The columns n_with_contact and n_consented are also suppressed if the number of members with one
    of the four combinations of contact point and consent is in this range. A count for "(any)" is suppressed if it
    would reveal how few members can be contacted by only one channel, or by both. All counts of a group with at most
    `min_count` members are suppressed. Suppression does not protect against a comparison of two groups. If two groups
    differ by only a few members, the number of these members can be computed by subtraction.

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
    Count the customers of each group who can be contacted and are in no previous group.

    Small counts are not suppressed, because the table is intended for the selection of groups, not for publication.

    Parameters
    ----------
    snapshot
        The snapshot that contains the groups and the customers.
    groups
        The groups to use, by uid or unique name. None selects all groups.
    channel
        The channel, "email" or "mobile".
    consent
        A dictionary that maps the channel to the uid or name of its consent, as in `reachability`.
    target
        The share of customers to reach, above 0 and at most 1. The share refers to the customers who can be contacted
        and are in at least one of the groups. The table ends when this share is reached.
    order
        "greedy" selects in each step the group that adds the most customers. "given" uses the groups in the order of
        `groups`.

    Returns
    -------
    DataFrame
        One row per step:

        - step (`int64`): the number of the step, from 1
        - customer_group_uid, name (`str`)
        - n_reachable (`int64`): the members of the group who can be contacted
        - n_new (`int64`): the members who can be contacted and are in no group of the previous steps
        - n_cumulative (`int64`): the sum of n_new up to this step
        - share_cumulative (`float64`): n_cumulative divided by the number of customers who can be contacted in any of
          the groups

    Raises
    ------
    InputError
        If the channel or the order is unknown, `target` is not above 0 and at most 1, or the consent of the channel
        is missing or ambiguous.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    See Also
    --------
    set_cover : Select groups that together contain a share of all customers.

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


def reachable_customers(
    snapshot: Snapshot,
    groups: str | Iterable[str] | None = None,
    channel: str = "email",
    *,
    consent: Mapping[str, str] | None = None,
) -> pd.Index:
    """
    Return the customers of groups who can be contacted through a channel.

    The definition is the same as in `reachability`: a customer can be contacted through a channel if the customer has
    a contact point and gives consent for this channel. For each group, the number of customers is equal to
    n_reachable, unless that count is suppressed.

    Parameters
    ----------
    snapshot
        The snapshot that contains the groups and the customers.
    groups
        A group expression, as in `members`, or a list of groups by uid or unique name. A list selects the customers
        who are in at least one of the groups. None selects all groups.
    channel
        "email", "mobile", or "(any)". "(any)" selects the customers who can be contacted through at least one of the
        two channels.
    consent
        A dictionary that maps a channel to the uid or name of its consent, as in `reachability`.

    Returns
    -------
    Index
        The sorted customer uids (`str`). The name of the Index is customer_uid.

    Raises
    ------
    InputError
        If the channel is unknown, its consent is missing or ambiguous, the snapshot contains no contact points, or
        the expression is invalid or ambiguous.
    GroupNotFoundError
        If a group is unknown, or its name is not unique. The attribute `close` contains similar names.

    See Also
    --------
    reachability : Count the customers who can be contacted, per group and channel.
    segment : Select customers by rules, which can use reachable_email and reachable_mobile.

    Examples
    --------
    >>> list(reachable_customers(sample_snapshot(), "VIP | staff"))
    ['c-2']
    >>> len(reachable_customers(sample_snapshot(), ["all", "staff"], "mobile", consent={"mobile": "newsletter"}))
    100
    """
    check_type(snapshot, Snapshot, "snapshot")
    check_channel(channel, "channel", (*CHANNEL_NAMES, ANY))
    matrix = snapshot.matrix
    if isinstance(groups, str):
        selected = expression_mask(matrix, groups)
    else:
        selected = np.zeros(matrix.n_customers, dtype=np.bool_)
        selected[matrix.select(groups).indices] = True
    names = CHANNEL_NAMES if channel == ANY else (channel,)
    reachable = [each.reachable for each in reach_channels(snapshot, names, consent or {})]
    uids: pd.Index = matrix.customer_uids[selected & np.logical_or.reduce(reachable)]
    return uids.rename("customer_uid")


def _channel_table(matrix: MembershipMatrix, channel: Channel, min_count: int) -> pd.DataFrame:
    """Return the `reachability` rows for one channel, with one row per group."""
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
    """Return the `reachability` rows for the channel "(any)", which combines the two other channels."""
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
    """Return True for each group whose count must be suppressed, because it reveals a small number of members."""
    is_small_group = (matrix.sizes <= min_count) & (matrix.sizes > 0) & (min_count > 0)
    is_disclosive: BoolArray = is_small_group | _any_small([n, matrix.sizes - n], min_count)
    return is_disclosive


def _any_small(counts: list[IntArray], min_count: int) -> BoolArray:
    """Return True for each group for which at least one of the given counts is small."""
    small: BoolArray = np.any([is_small(n, min_count) for n in counts], axis=0)
    return small


def _count_members(matrix: MembershipMatrix, mask: BoolArray) -> IntArray:
    """Count the selected members of each group. `mask` is True for each selected customer."""
    return np.bincount(matrix.group_code[mask[matrix.indices]], minlength=matrix.n_groups).astype(np.int64)


def _build_table(
    matrix: MembershipMatrix, channel: str, consent: str, counts: dict[str, IntArray], hide: dict[str, BoolArray]
) -> pd.DataFrame:
    """
    Create the `reachability` rows for one channel from the counts of each group.

    `hide` contains one boolean array per count. The array is True for each group whose count must be suppressed.
    """
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
    """Return the groups with only the selected members. `mask` is True for each selected customer."""
    keep = mask[matrix.indices]
    return MembershipMatrix.from_codes(
        matrix.group_code[keep],
        matrix.indices[keep],
        group_uids=matrix.group_uids,
        group_names=matrix.group_names,
        customer_uids=matrix.customer_uids,
    )


def _cover_in_order(matrix: MembershipMatrix, groups: list[str] | None, target: float) -> tuple[IntArray, IntArray]:
    """Return the codes of the first groups that reach the target, and the number of new customers per group."""
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
