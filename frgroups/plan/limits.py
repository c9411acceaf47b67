"""Limits of a plan."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import agree, pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.timestamps import parse_duration
from frgroups.internals.validation import check_number

# Value that disables a limit in files and command-line options. In Python, None disables a limit.
OFF = "none"
SHARE_LIMITS = ("removal_share", "removal_share_total", "drift_share")
AGE_LIMITS = ("snapshot_max_age", "plan_max_age")
# Limits that apply to the complete plan. The separate limits of a group therefore do not replace these limits.
PLAN_LIMITS = ("removals_total", "removal_share_total", "removal_floor_total", "additions_total", *AGE_LIMITS)
# `Limits.to_dict` omits these limits if they are off.
# Plan files from versions without these limits therefore keep their digests.
_OMITTED_IF_OFF = ("removals_per_day", "removal_share_total", "removal_floor_total")


@dataclass(frozen=True, slots=True, repr=False)
class Limits:
    """
    Maximum changes of a plan.

    A plan that exceeds a limit is blocked. None disables a limit. If `removals_per_group`, `removal_share` or
    `removal_share_total` is 0, no removal is allowed, regardless of the floor. The limits are part of the plan's
    digest.

    Parameters
    ----------
    removals_per_group : int or None, default 100
        Maximum number of removals from one group.
    removal_share : float or None, default 0.10
        Maximum number of removals from one group, as a share (0-1) of its members.
    removal_floor : int or None, default 2
        Number of removals from one group that is allowed even if it exceeds `removals_per_group` or `removal_share`.
        None is the same as 0.
    removals_per_day : int or None, default None
        Maximum number of removals from one group within 24 hours. Removals by all plans that were applied from this
        data folder are counted.
    removals_total : int or None, default 500
        Maximum number of removals from all groups together.
    removal_share_total : float or None, default 0.25
        Maximum number of removals from all groups together, as a share (0-1) of the memberships of the groups from
        which the plan removes members. This limit blocks a plan that removes a few members from each of many small
        groups.
    removal_floor_total : int or None, default 20
        Number of removals from all groups together that is allowed even if it exceeds `removal_share_total`. None is
        the same as 0.
    emptied_groups : int or None, default 0
        Maximum number of groups that lose all members.
    additions_per_group : int or None, default 1000
        Maximum number of additions to one group.
    additions_total : int or None, default 5000
        Maximum number of additions to all groups together.
    drift_share : float or None, default 0.10
        Maximum number of changes that others have made to one group since the snapshot, as a share (0-1) of its
        members. None disables the limit, regardless of `drift_floor`.
    drift_floor : int or None, default 2
        Number of changes by others that is allowed even if it exceeds `drift_share`. None is the same as 0.
    snapshot_max_age : str or None, default "24h"
        Maximum age of the snapshot when the plan is created, such as "30min", "24h" or "7d".
    plan_max_age : str or None, default "7d"
        Maximum age of the plan when it is applied.
    per_group : mapping of str to Limits, optional
        Limits of single groups, by uid or by a pattern such as "store_*". These limits replace all limits for the
        group except the totals and the ages, which apply to the complete plan and cannot have other values for a
        group. A uid takes precedence over patterns. If several patterns match, the first pattern is used.

    Raises
    ------
    InputError
        A value is invalid, for example a negative number, or `per_group` contains limits that have no effect.

    Notes
    -----
    A group is blocked if its removals exceed
    ``max(removal_floor, min(removals_per_group, removal_share * members))``. If `removals_per_group` and
    `removal_share` are both None, removals are not limited. If one of them is 0, no removal is allowed, and the floor
    is ignored.

    A plan is blocked if all its removals together exceed
    ``max(removal_floor_total, removal_share_total * memberships)``. The memberships are those of the groups
    from which the plan removes members, before the plan is applied.

    Examples
    --------
    >>> Limits(removals_per_group=500).removals_allowed(baseline=1000)
    100.0

    The representation contains only the values that differ from the defaults.

    >>> Limits(removals_per_group=500, per_group={"vip": Limits(emptied_groups=1)})
    Limits(removals_per_group=500, per_group={'vip': Limits(emptied_groups=1)})
    """

    removals_per_group: int | None = 100
    removal_share: float | None = 0.10
    removal_floor: int | None = 2
    removals_per_day: int | None = None
    removals_total: int | None = 500
    removal_share_total: float | None = 0.25
    removal_floor_total: int | None = 20
    emptied_groups: int | None = 0
    additions_per_group: int | None = 1000
    additions_total: int | None = 5000
    drift_share: float | None = 0.10
    drift_floor: int | None = 2
    snapshot_max_age: str | None = "24h"
    plan_max_age: str | None = "7d"
    per_group: Mapping[str, Limits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in LIMIT_NAMES:
            object.__setattr__(self, name, _validated_value(name, getattr(self, name)))
        object.__setattr__(self, "per_group", _validated_per_group(self.per_group))
        for key, limits in self.per_group.items():
            self._check_group_limits(key, limits)

    def _check_group_limits(self, key: str, limits: Limits) -> None:
        """
        Raise InputError if the limits of a group contain a limit that has no effect.

        Totals and ages have no effect for a group. A total or an age is therefore accepted only if it is None, the
        default, or the value of the complete plan. Because of this rule, `replace(limits, ...)` returns valid limits
        for a group.
        """
        if limits.per_group:
            raise InputError(f"The limits of {key!r} in `per_group` must not contain `per_group`.")
        defaults = {limit.name: limit.default for limit in fields(self)}
        for name in PLAN_LIMITS:
            value = getattr(limits, name)
            if value not in (None, defaults[name], getattr(self, name)):
                raise InputError(
                    f"The limits of {key!r} in `per_group` must not contain `{name}`, got {value!r}. The limit "
                    f"applies to the complete plan. Set {name}={value!r} in the limits of the plan."
                )

    def __repr__(self) -> str:
        defaults = {limit.name: limit.default for limit in fields(self)} | {"per_group": {}}
        values = {name: getattr(self, name) for name in defaults}
        changed = [f"{name}={value!r}" for name, value in values.items() if value != defaults[name]]
        return f"Limits({', '.join(changed)})"

    def of(self, group_uid: str) -> Limits:
        """
        Return the limits that apply to a group.

        Parameters
        ----------
        group_uid : str
            Uid of the group.

        Returns
        -------
        Limits
            The limits in `per_group` for the uid, or for the first matching pattern. If there are none, the result is
            this object.

        Examples
        --------
        >>> limits = Limits(per_group={"store_*": Limits(removals_per_group=5)})
        >>> limits.of("store_1").removals_per_group, limits.of("vip").removals_per_group
        (5, 100)
        """
        key = self._matching_key(group_uid)
        if key is None:
            return self
        return self.per_group[key]

    def own_limits(self, group_uid: str) -> Limits:
        """
        Return the limits that apply to a group as an object that can be a value in `per_group`.

        Parameters
        ----------
        group_uid : str
            Uid of the group.

        Returns
        -------
        Limits
            The limits of the group. The totals and ages have their defaults, because they have no effect in
            `per_group`.

        Examples
        --------
        >>> Limits(removals_per_group=5, removals_total=7).own_limits("vip")
        Limits(removals_per_group=5)
        """
        own = self.of(group_uid)
        return Limits(**{name: getattr(own, name) for name in GROUP_LIMIT_NAMES})

    def for_groups(self, group_uids: Iterable[str]) -> Limits:
        """
        Return a copy of the limits with only those entries of `per_group` that apply to the given groups.

        Parameters
        ----------
        group_uids : iterable of str
            Uids of the groups.

        Returns
        -------
        Limits
            A copy with fewer entries in `per_group`.

        Examples
        --------
        >>> limits = Limits(per_group={"vip": Limits(), "store_*": Limits(removals_per_group=0)})
        >>> list(limits.for_groups(["all", "store_1"]).per_group)
        ['store_*']
        """
        keys = {self._matching_key(uid) for uid in group_uids}
        return replace(self, per_group={key: limits for key, limits in self.per_group.items() if key in keys})

    def _matching_key(self, group_uid: str) -> str | None:
        if group_uid in self.per_group:
            return group_uid
        return next((key for key in self.per_group if fnmatchcase(group_uid, key)), None)

    @property
    def allows_no_removal(self) -> bool:
        """True if `removals_per_group` or `removal_share` is 0. In this case, `removal_floor` is ignored."""
        return 0 in (self.removals_per_group, self.removal_share)

    def removals_allowed(self, baseline: int) -> float | None:
        """
        Return the maximum number of removals from a group.

        Parameters
        ----------
        baseline : int
            Number of members when the plan is created.

        Returns
        -------
        float or None
            The maximum number of customers, which can be a fraction. None if removals are not limited.

        Examples
        --------
        >>> Limits(removal_share=0.25).removals_allowed(250)
        62.5
        """
        candidates = (self.removals_per_group, _share_of(self.removal_share, baseline))
        maxima = [maximum for maximum in candidates if maximum is not None]
        if not maxima:
            return None
        if self.allows_no_removal:
            return 0.0
        return max(float(self.removal_floor or 0), float(min(maxima)))

    def total_removals_allowed(self, n_memberships: int) -> float | None:
        """
        Return the maximum number of removals from all groups together according to `removal_share_total`.

        Parameters
        ----------
        n_memberships : int
            Number of members of the groups from which the plan removes members, before the plan is applied.

        Returns
        -------
        float or None
            The maximum number of removals, which can be a fraction. None if the limit is off.

        Examples
        --------
        >>> Limits().total_removals_allowed(300), Limits().total_removals_allowed(12)
        (75.0, 20.0)
        """
        share = _share_of(self.removal_share_total, n_memberships)
        if share is None or self.removal_share_total == 0:
            return share
        return max(float(self.removal_floor_total or 0), share)

    def removal_rule(self) -> str:
        """
        Describe the maximum number of removals from one group.

        Returns
        -------
        str
            The limits `removals_per_group`, `removal_share` and `removal_floor` as a phrase.

        Examples
        --------
        >>> Limits().removal_rule()
        '10% of the members, but never more than 100; 2 removals are always allowed'
        """
        constant = self._constant_removals()
        if constant is not None:
            return pluralize(constant, "customer")
        if self.removal_share is None:
            return "off"
        text = f"{format_limit_share(self.removal_share)} of the members"
        if self.removals_per_group is not None:
            text += f", but never more than {self.removals_per_group:,}"
        if self.removal_floor:
            verb = agree(self.removal_floor, "is", "are")
            text += f"; {pluralize(self.removal_floor, 'removal')} {verb} always allowed"
        return text

    def _constant_removals(self) -> int | None:
        """Return the maximum number of removals per group, or None if it depends on the number of members."""
        floor = self.removal_floor or 0
        if self.allows_no_removal:
            return 0
        if self.removals_per_group is None:
            return None
        if self.removal_share is None or self.removals_per_group <= floor:
            return max(self.removals_per_group, floor)
        return None

    def drift_allowed(self, baseline: int) -> float | None:
        """
        Return the maximum drift of a group.

        Drift is the number of changes that others have made to the group since the snapshot was taken.

        Parameters
        ----------
        baseline : int
            Number of members in the snapshot.

        Returns
        -------
        float or None
            The maximum number of changes, which can be a fraction. None if these changes are not limited.

        Examples
        --------
        >>> Limits(drift_share=0.1, drift_floor=2).drift_allowed(250)
        25.0
        """
        share = _share_of(self.drift_share, baseline)
        if share is None:
            return None
        return max(float(self.drift_floor or 0), share)

    def to_dict(self) -> dict[str, Any]:
        """
        Convert the limits to a dictionary, which is used in the plan file and the plan digest.

        Returns
        -------
        dict
            The value of each limit by name, and a list of pairs under "per_group". `removals_per_day`,
            `removal_share_total`, and `removal_floor_total` are only included if they are not None.

        Examples
        --------
        >>> Limits().to_dict()["removals_total"]
        500
        """
        values = {name: getattr(self, name) for name in LIMIT_NAMES}
        for name in _OMITTED_IF_OFF:
            if values[name] is None:
                del values[name]
        # Convert `per_group` to a list of pairs. The first matching pattern is used, and JSON objects have no order.
        return values | {"per_group": [[key, limits.to_dict()] for key, limits in self.per_group.items()]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Limits:
        """
        Create a Limits object from a dictionary that `to_dict` returned.

        Parameters
        ----------
        document : mapping
            A dictionary that `to_dict` returned.

        Returns
        -------
        Limits
            The same limits.

        Raises
        ------
        InputError
            The dictionary contains an unknown name or an invalid value.

        Examples
        --------
        >>> Limits.from_dict(Limits(removals_total=200).to_dict())
        Limits(removals_total=200)
        """
        pairs = document.get("per_group") or []
        is_valid = isinstance(pairs, list) and all(
            isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[1], Mapping) for pair in pairs
        )
        if not is_valid:
            raise InputError("`per_group` must be a list of pairs [group uid or pattern, dictionary of limits].")
        names = {*LIMIT_NAMES, "per_group"}
        unknown = sorted(map(str, set(document) - names))
        if unknown:
            raise InputError(f"Unknown limits: {', '.join(unknown)}. The limits are {', '.join(sorted(names))}.")
        per_group = {str(key): cls.from_dict(values) for key, values in pairs}
        return cls(**{**dict.fromkeys(_OMITTED_IF_OFF), **document, "per_group": per_group})


LIMIT_NAMES = tuple(limit.name for limit in fields(Limits) if limit.name != "per_group")
GROUP_LIMIT_NAMES = tuple(name for name in LIMIT_NAMES if name not in PLAN_LIMITS)


def is_wider(name: str, value: Any, usual: Any) -> bool:
    """
    Return True if a value of a limit allows more changes than the value `usual`. None disables a limit.

    Examples
    --------
    >>> is_wider("removals_total", 600, 500), is_wider("removal_floor", None, 2), is_wider("plan_max_age", "8d", "7d")
    (True, False, True)
    """
    if name.startswith(("removal_floor", "drift_floor")):
        return bool((value or 0) > (usual or 0))
    if usual is None or value is None:
        return usual is not None
    if name in AGE_LIMITS:
        return parse_duration(value) > parse_duration(usual)
    return bool(value > usual)


def _validated_value(name: str, value: Any) -> Any:
    """
    Validate the value of a limit and convert it to its canonical type.

    The conversion is needed because the values 100.0 and 100 must result in the same plan digest.
    """
    if value is None:
        return None
    if name in AGE_LIMITS:
        if not isinstance(value, str):
            raise InputError(f"`{name}` must be a duration such as '24h', or None, got {safe_repr(value)}.")
        parse_duration(value)
        return value
    if name in SHARE_LIMITS:
        check_number(value, name, at_least=0, at_most=1)
        return float(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    check_number(value, name, at_least=0, whole=True)
    return int(value)


def _validated_per_group(per_group: Any) -> dict[str, Limits]:
    is_valid = isinstance(per_group, Mapping) and all(
        isinstance(key, str) and isinstance(limits, Limits) for key, limits in per_group.items()
    )
    if not is_valid:
        raise InputError("`per_group` must be a dictionary {group uid or pattern: Limits object}.")
    return dict(per_group)


def format_limit_share(share: float) -> str:
    """
    Format a share between 0 and 1 as a percentage with at most four decimals.

    Examples
    --------
    >>> format_limit_share(0.1), format_limit_share(0.29), format_limit_share(0.00125)
    ('10%', '29%', '0.125%')
    """
    return f"{round(100 * share, 4):g}%"


def format_removals_allowed(limits: Limits, baseline: int) -> str:
    """
    Format the maximum number of removals from a group.

    If the maximum depends on the number of members, the limit that determines the maximum is added in parentheses.

    Examples
    --------
    >>> format_removals_allowed(Limits(), 300), format_removals_allowed(Limits(removal_share=None), 300)
    ('30 (10% of 300 members)', '100')
    >>> format_removals_allowed(Limits(), 12), format_removals_allowed(Limits(), 5000)
    ('2 (the minimum for one group)', '100 (the maximum for one group)')
    """
    allowed = int(limits.removals_allowed(baseline) or 0)
    if limits._constant_removals() is not None:
        return f"{allowed:,}"
    share = _share_of(limits.removal_share, baseline) or 0.0
    if limits.removal_floor and allowed == limits.removal_floor >= min(share, limits.removals_per_group or share):
        return f"{allowed:,} (the minimum for one group)"
    if limits.removals_per_group is not None and share > limits.removals_per_group:
        return f"{allowed:,} (the maximum for one group)"
    return f"{allowed:,} ({format_limit_share(limits.removal_share or 0)} of {pluralize(baseline, 'member')})"


def format_total_removals_allowed(limits: Limits, n_memberships: int) -> str:
    """
    Format the maximum number of removals from all groups together, and the limit that determines it in parentheses.

    Examples
    --------
    >>> format_total_removals_allowed(Limits(), 300)
    '75 (25% of 300 memberships)'
    >>> format_total_removals_allowed(Limits(), 77)
    '20 (the minimum for all groups)'
    >>> format_total_removals_allowed(Limits(removal_share_total=0), 300)
    '0'
    """
    share = limits.removal_share_total
    if not share:
        return "0"
    text = f"{int(limits.total_removals_allowed(n_memberships) or 0):,}"
    floor = limits.removal_floor_total or 0
    if floor and floor >= (_share_of(share, n_memberships) or 0):
        return f"{text} (the minimum for all groups)"
    return f"{text} ({format_limit_share(share)} of {pluralize(n_memberships, 'membership')})"


def _share_of(share: float | None, n: int) -> float | None:
    if share is None:
        return None
    # Round the product. Otherwise, 29 changes would exceed 0.29 * 100, which is 28.999999999999996.
    return round(share * n, 6)


def register_limits(limits: Limits, rows: pd.DataFrame) -> Limits:
    """
    Add the limits in a group register to the limits of a plan.

    Limits for the uid of a group in `limits.per_group` take precedence over the register.

    Examples
    --------
    >>> from frgroups.analysis.register import match_register
    >>> rows = match_register(pd.DataFrame({"group": ["vip"], "protected": [True]}), {"vip": "VIP"})
    >>> register_limits(Limits(), rows).of("vip").additions_per_group
    0
    """
    per_group: dict[str, Limits] = {}
    for row in rows.to_dict("records"):
        uid = row["customer_group_uid"]
        values = _register_values(row)
        if values:
            per_group[uid] = replace(limits.own_limits(uid), **values)
    return replace(limits, per_group={**per_group, **limits.per_group})


def _register_values(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return the limits that are set in one row of a group register."""
    removals, additions = row["max_removals"], row["max_additions"]
    if row["protected"]:
        removals = additions = 0
    values: dict[str, Any] = {}
    if pd.notna(removals):
        values |= {"removals_per_group": int(removals), "removal_share": None, "removal_floor": None}
    if pd.notna(additions):
        values["additions_per_group"] = int(additions)
    return values
