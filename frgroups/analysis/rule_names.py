"""Names in segment rules that are computed from the memberships and the consents of a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from frgroups.analysis.consent import CHANNEL_NAMES, NONE, STATUS_NAMES, UNKNOWN, channel_consent, reach_channels
from frgroups.analysis.rule_values import Values
from frgroups.analysis.sizes import count_groups
from frgroups.errors import GroupNotFoundError
from frgroups.internals.suggestions import expression_hints
from frgroups.internals.typing import BoolArray
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.snapshot import Snapshot

IN_GROUP = "in_group"
_REACHABLE = "reachable_"
_CONSENT = "consent_"


class ComputedNames:
    """
    The names that a rule can use in addition to the columns.

    - n_groups: number of the customer's groups
    - reachable_email and reachable_mobile: booleans that are never missing. A customer without a contact point or a
      consent cannot be contacted, as in `reachability`.
    - consent_email and consent_mobile: "given", "withdrawn", or "none", or a missing value if the consent has no
      status. Contact points are not considered.

    Parameters
    ----------
    snapshot
        The snapshot that contains the customers.
    consent
        The consent of each channel, as in `segment`.
    groups
        The groups that the function in_group can refer to. None uses the groups of the snapshot.
    member_mask
        For in_group, a function that takes a group uid and returns a mask of the group's members. None uses the
        members in the snapshot.

    Examples
    --------
    >>> names = ComputedNames(sample_snapshot(), {"mobile": "newsletter"})
    >>> int(names.values("reachable_email").data.sum()), int(names.in_group("VIP", "in_group('VIP')").data.sum())
    (120, 2)
    """

    def __init__(
        self,
        snapshot: Snapshot,
        consent: Mapping[str, str],
        groups: MembershipMatrix | None = None,
        member_mask: Callable[[str], BoolArray] | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._groups = snapshot.matrix if groups is None else groups
        self._member_mask = member_mask or snapshot.matrix.member_mask
        self._consent = consent
        self._functions: dict[str, Callable[[str], Values]] = {"n_groups": self._count_groups}
        self._functions |= {f"{_REACHABLE}{channel}": self._reachable for channel in CHANNEL_NAMES}
        self._functions |= {f"{_CONSENT}{channel}": self._consent_status for channel in CHANNEL_NAMES}

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def values(self, name: str) -> Values:
        """Return the value of a computed name for each customer."""
        return self._functions[name](name)

    def in_group(self, group: str, label: str) -> Values:
        """Return one boolean per customer, True for members of the group with the given uid or unique name."""
        try:
            return _known_booleans(self._member_mask(self._groups.group_uid(group)), label)
        except GroupNotFoundError as error:
            if not expression_hints(group)[0]:
                raise
            raise GroupNotFoundError(
                error.message,
                hint="To combine groups in a rule, write for example in_group('VIP') and not in_group('Staff').",
                close=error.close,
                n_matches=error.n_matches,
            ) from None

    def _count_groups(self, name: str) -> Values:
        n_groups = count_groups(self._snapshot.matrix)
        return Values("number", n_groups, np.ones(len(n_groups), dtype=np.bool_), f"name {name}")

    def _reachable(self, name: str) -> Values:
        [channel] = reach_channels(self._snapshot, [name.removeprefix(_REACHABLE)], self._consent)
        return _known_booleans(channel.reachable, f"name {name}")

    def _consent_status(self, name: str) -> Values:
        consent = channel_consent(self._snapshot, name.removeprefix(_CONSENT), self._consent)
        if consent is None:
            empty = np.zeros(0, dtype=np.bool_)
            return Values("text", empty.astype(object), empty, f"name {name}")
        names = np.array([STATUS_NAMES.get(code, "") for code in range(NONE + 1)], dtype=object)
        return Values("text", names[consent.status], consent.status != UNKNOWN, f"name {name}")


def _known_booleans(data: BoolArray, label: str) -> Values:
    return Values("boolean", data, np.ones(len(data), dtype=np.bool_), label)
