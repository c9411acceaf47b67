"""Check the groups to which the entries of a suppression list refer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from frgroups.api.schema import codec
from frgroups.errors import InputError
from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.similar_text import case_key
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.suppression_entries import SuppressionList
from frgroups.snapshot.snapshot import Snapshot

# Maximum number of groups in the message of a finding.
MAX_LISTED_GROUPS = 5


def check_suppressed_groups(listed: SuppressionList, names: Mapping[str, str]) -> None:
    """
    Raise InputError if an entry contains a group's name or a uid in the wrong case instead of the group's uid.

    Such an entry does not match any group, so it would not exclude the customer.

    Parameters
    ----------
    listed
        The entries that are in force.
    names
        The name of each group by uid, including the groups that the plan creates.
    """
    unknown = [uid for uid in listed.group_uids if uid not in names]
    if not unknown:
        return
    uids_by_key: dict[str, set[str]] = {}
    for uid, name in names.items():
        for key in (case_key(uid), case_key(name)):
            uids_by_key.setdefault(key, set()).add(uid)
    for text in unknown:
        uids = sorted(uids_by_key.get(case_key(text), ()))
        if uids:
            meant = format_list([repr(uid) for uid in uids], MAX_LISTED_GROUPS, conjunction="or")
            raise InputError(
                f"The suppression list contains the customer_group_uid {safe_repr(text)}, but no group has this uid, "
                f"so its customers would not be excluded. Write the uid of the group, such as {meant}."
            )


def held_out_member_findings(
    listed: SuppressionList, snapshot: Snapshot, changes: Iterable[GroupChange], group_uids: Iterable[str]
) -> list[Finding]:
    """
    Return a finding for each desired group in which held-out customers are members after the plan.

    A holdout prevents additions, but it does not remove members. Held-out customers who remain members receive the
    campaign, so the control group is not comparable.

    Examples
    --------
    >>> from frgroups.plan.suppression_entries import SuppressionEntry, parse_end
    >>> entry = SuppressionEntry("c-1", "vip", parse_end("2099-12-31"), "holdout")
    >>> listed = SuppressionList({"vip": {"c-1": entry}})
    >>> [finding] = held_out_member_findings(listed, sample_snapshot(), [], ["vip"])
    >>> finding.message
    '1 customer of the control group is already a member of VIP. A holdout does not remove members.'
    """
    matrix = snapshot.matrix
    removed = {change.uid: change.remove for change in changes}
    findings = []
    for uid in group_uids:
        held_out = [customer for customer, entry in listed.by_group.get(uid, {}).items() if entry.is_holdout]
        if not held_out or uid not in matrix.names_by_uid:
            continue
        codes = matrix.customer_uids.get_indexer(pd.Index(held_out, dtype="str"))
        is_member = np.isin(codes, matrix.member_codes(uid))
        members = {customer for customer, is_in_group in zip(held_out, is_member, strict=True) if is_in_group}
        n = len(members.difference(removed.get(uid, ())))
        if n:
            are_members = agree(n, "is already a member", "are already members")
            text = (
                f"{pluralize(n, 'customer')} of the control group {are_members} of "
                f"{matrix.names_by_uid[uid]}. A holdout does not remove members."
            )
            findings.append(Finding("held_out_members", text, False, uid, n))
    return findings


def unknown_group_findings(listed: SuppressionList, names: Mapping[str, str]) -> list[Finding]:
    """
    Return a finding if entries contain uids of groups that do not exist. These uids might be misspelled.

    The message lists only values that are valid uids, because other values can be personal data.

    Examples
    --------
    >>> from frgroups.plan.suppression_entries import SuppressionEntry
    >>> listed = SuppressionList({"gone": {"c-1": SuppressionEntry("c-1", "gone")}})
    >>> [finding] = unknown_group_findings(listed, {"vip": "VIP"})
    >>> finding.rule, finding.n
    ('unknown_suppressed_groups', 1)
    """
    unknown = [uid for uid in listed.group_uids if uid not in names]
    if not unknown:
        return []
    shown = [uid for uid in unknown if codec.UID.fullmatch(uid)][:MAX_LISTED_GROUPS]
    some = ", ".join([*shown, "..."] if len(shown) < len(unknown) else shown)
    n_customers = len({uid for group in unknown for uid in listed.by_group[group]})
    text = (
        f"The suppression list names {pluralize(len(unknown), 'group')} that {agree(len(unknown), 'does', 'do')} not "
        f"exist ({some}), for {pluralize(n_customers, 'customer')}. Check the uids in the column customer_group_uid. "
        "If the uid of a group is misspelled, the customers are not excluded from the group."
    )
    return [Finding("unknown_suppressed_groups", text, n=len(unknown))]
