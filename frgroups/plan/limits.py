"""What a plan may not do: limits with numbers, and the findings where a plan breaks them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.timestamps import parse_duration
from frgroups.plan.finding import Finding

_OFF = "none"


_SHARES = ("removal_share", "drift_share")
_AGES = ("snapshot_max_age", "plan_max_age")


@dataclass(frozen=True, slots=True, repr=False)
class Limits:
    """
    How much one plan may change. None is off, 0 is none allowed; a limit is part of the plan's digest.

    A group is blocked when its removals exceed max(removal_floor, min(removals_per_group, removal_share of
    its members)); with both None there is no removal limit, a floor of None counts as 0, and where one of the
    two is 0 nobody may leave, whatever the floor. `removals_per_day` counts those of one group by all plans that
    were applied from this home in the 24 hours before, so that many small plans do not do what a large one may not.
    `emptied_groups` counts groups left without a member. `per_group` maps a uid, or a pattern such as "store_*", to
    the Limits that replace these for that group as a whole; totals and ages are always these.

    >>> Limits(removals_per_group=500).removals_allowed(baseline=1000)
    100.0

    As text they are what differs from the usual ones.

    >>> Limits(removals_per_group=500, per_group={"vip": Limits(emptied_groups=1)})
    Limits(removals_per_group=500, per_group={'vip': Limits(emptied_groups=1)})
    """

    removals_per_group: int | None = 100
    removal_share: float | None = 0.10
    removal_floor: int | None = 2
    removals_per_day: int | None = None
    removals_total: int | None = 500
    emptied_groups: int | None = 0
    additions_per_group: int | None = 1000
    additions_total: int | None = 5000
    drift_share: float | None = 0.10
    drift_floor: int | None = 2
    snapshot_max_age: str | None = "24h"
    plan_max_age: str | None = "7d"
    per_group: Mapping[str, Limits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is None or one.name == "per_group":
                continue
            if one.name in _AGES:
                if not isinstance(value, str):
                    raise _refused(one.name, value, "a duration as text, such as '24h', or None")
                parse_duration(value)
            elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise _refused(one.name, value, "a number of 0 or more, or None to switch it off")
            elif one.name in _SHARES and value > 1:
                raise _refused(one.name, value, "a share between 0 and 1; 10 % is 0.10")
            elif one.name not in _SHARES and value != int(value):
                raise _refused(one.name, value, "a whole number")
            else:  # 100.0 is 100, in the digest too.
                object.__setattr__(self, one.name, float(value) if one.name in _SHARES else int(value))
        own = dict(self.per_group) if isinstance(self.per_group, Mapping) else {"": None}
        if not all(isinstance(key, str) and isinstance(limits, Limits) for key, limits in own.items()):
            raise InputError("The limit per_group is a mapping from group uid or pattern to Limits.")
        object.__setattr__(self, "per_group", own)

    def __repr__(self) -> str:
        usual: dict[str, Any] = {one.name: {} if one.name == "per_group" else one.default for one in fields(self)}
        own = {name: getattr(self, name) for name in usual}
        return f"Limits({', '.join(f'{name}={value!r}' for name, value in own.items() if value != usual[name])})"

    def of(self, group_uid: str) -> Limits:
        """The limits of one group: its own by uid, else the first pattern that matches, else these."""
        key = self._key(group_uid)
        return self if key is None else self.per_group[key]

    def for_groups(self, group_uids: Iterable[str]) -> Limits:
        """
        These limits as far as they count for these groups: without those that none of them has as its own.

        >>> limits = Limits(per_group={"vip": Limits(), "store_*": Limits(removals_per_group=0)})
        >>> list(limits.for_groups(["all", "store_1"]).per_group)
        ['store_*']
        """
        keys = {self._key(uid) for uid in group_uids}
        return replace(self, per_group={key: own for key, own in self.per_group.items() if key in keys})

    def _key(self, group_uid: str) -> str | None:
        if group_uid in self.per_group:
            return group_uid
        return next((key for key in self.per_group if fnmatchcase(group_uid, key)), None)

    def removals_allowed(self, baseline: int) -> float | None:
        """How many of `baseline` members may leave one group; None when nothing limits it."""
        caps = [cap for cap in (self.removals_per_group, _share(self.removal_share, baseline)) if cap is not None]
        if not caps:
            return None
        if 0 in (self.removals_per_group, self.removal_share):
            return 0.0
        return max(float(self.removal_floor or 0), float(min(caps)))

    def removal_rule(self) -> str:
        """
        The removal limit of one group in words.

        >>> Limits().removal_rule()
        '100 a group or 10% of its members, whichever is less, at least 2'
        """
        parts = []
        if self.removals_per_group is not None:
            parts.append(f"{self.removals_per_group:,} a group")
        if self.removal_share is not None:
            parts.append(f"{self.removal_share * 100:.4g}% of its members")
        none_may = 0 in (self.removals_per_group, self.removal_share)
        floor = f", at least {self.removal_floor}" if self.removal_floor and not none_may else ""
        return " or ".join(parts) + (", whichever is less" if len(parts) > 1 else "") + floor

    def drift_allowed(self, baseline: int) -> float | None:
        """How many unplanned changes a group may have had since the snapshot; None when nothing limits it."""
        share = _share(self.drift_share, baseline)
        return None if share is None else max(float(self.drift_floor or 0), share)

    def to_dict(self) -> dict[str, Any]:
        """All values, for the plan file and the digest; the limit of a day only where there is one."""
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "per_group"}
        if self.removals_per_day is None:
            del own["removals_per_day"]
        # Pairs, since the first pattern that matches counts: a JSON object does not keep its order.
        return own | {"per_group": [[key, limits.to_dict()] for key, limits in self.per_group.items()]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Limits:
        """The limits that `document` gave; an unknown name is an error, so that no limit is lost."""
        known = {one.name for one in fields(cls)}
        if unknown := sorted(set(document) - known):
            raise InputError(f"Unknown limits: {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
        own = {key: cls.from_dict(value) for key, value in document.get("per_group") or ()}
        return cls(**{**document, "per_group": own})


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """What limits look at in one group of a plan."""

    uid: str
    name: str
    baseline: int
    adds: int
    removes: int
    removed_before: int = 0  # In the 24 hours before, by what was applied from here; a plan alone does not know.

    @property
    def emptied(self) -> bool:
        """Whether the plan leaves the group without a member."""
        return self.baseline > 0 and self.baseline + self.adds == self.removes


def limit_violations(limits: Limits, groups: list[GroupCounts], *, snapshot_age: timedelta) -> list[Finding]:
    """Every limit that these changes break, all groups looked at."""
    found = [finding for group in groups for finding in _broken_in(limits, group)]
    totals = (
        ("removals_total", "removal", sum(group.removes for group in groups), limits.removals_total),
        ("additions_total", "addition", sum(group.adds for group in groups), limits.additions_total),
        (
            "emptied_groups",
            "group left without a member",
            sum(group.emptied and limits.of(group.uid) is limits for group in groups),
            limits.emptied_groups,
        ),
    )
    found += [
        Finding(rule, f"{pluralize(n, what)} in all; the limit is {limit:,}.", True, n=n, allow=((rule, n),))
        for rule, what, n, limit in totals
        if limit is not None and n > limit
    ]
    if limits.snapshot_max_age is not None and snapshot_age > parse_duration(limits.snapshot_max_age):
        hours = snapshot_age.total_seconds() / 3600
        found.append(
            Finding(
                "snapshot_max_age",
                f"The reading that the plan stands on was {hours:,.0f} h old when the plan was made; the limit is "
                f"{limits.snapshot_max_age}. Load again and plan again.",
                True,
                allow=(("snapshot_max_age", None),),
            )
        )
    return found


def relaxed_limits(findings: Iterable[Finding], limits: Limits) -> Limits:
    """
    Return `limits` with the smallest changes that let these findings through.

    The finding of one group relaxes the limits of that group only.

    >>> wider = (("removals_per_group", 90), ("removal_share", None))
    >>> loss = Finding("removals_per_group", "", True, "vip", 90, wider)
    >>> emptied = Finding("emptied_groups", "", True, n=1, allow=(("emptied_groups", 1),))
    >>> relaxed_limits([loss, emptied], Limits(additions_total=3))
    Limits(emptied_groups=1, additions_total=3, per_group={'vip': Limits(removals_per_group=90, removal_share=None, \
emptied_groups=1, additions_total=3)})
    """
    findings = list(findings)
    for_all = _widest(finding for finding in findings if finding.customer_group_uid is None)
    common = replace(limits, **for_all)
    per_group = {
        uid: replace(common.of(uid), per_group={}, **values) for uid, values in _widest_by_group(findings).items()
    }
    # Exact uids come before the patterns of the original limits.
    others = {key: own for key, own in limits.per_group.items() if key not in per_group}
    return replace(common, per_group=per_group | others)


def limit_options(findings: Iterable[Finding], limits: Limits) -> str:
    """
    Return the options of `frgroups plan` that let these findings through, "" if no option does.

    An option applies to all groups that have no limits of their own. If a group has its own, the text names the
    values to change there.

    >>> finding = Finding("removals_total", "", True, n=600, allow=(("removals_total", 600),))
    >>> limit_options([finding], Limits())
    '--limit removals_total=600'
    """
    of_groups: list[Finding] = []
    of_plan: list[Finding] = []
    for finding in findings:
        uid = finding.customer_group_uid
        has_own_limits = uid is not None and limits.of(uid) is not limits
        if has_own_limits:
            of_groups.append(finding)
        else:
            of_plan.append(finding)
    parts = [" ".join(f"--limit {setting}" for setting in _settings(_widest(of_plan)))]
    for uid, values in _widest_by_group(of_groups).items():
        parts.append(f"{', '.join(_settings(values))} among the limits of group {uid} (register, or --limits)")
    return " and ".join(filter(None, parts))


def _widest_by_group(findings: Iterable[Finding]) -> dict[str, dict[str, Any]]:
    by_group: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.customer_group_uid is not None and finding.allow:
            by_group.setdefault(finding.customer_group_uid, []).append(finding)
    return {uid: _widest(group_findings) for uid, group_findings in by_group.items()}


def _widest(findings: Iterable[Finding]) -> dict[str, Any]:
    widest: dict[str, Any] = {}
    for finding in findings:
        for name, value in finding.allow:
            before = widest.get(name, value)
            widest[name] = None if value is None or before is None else max(value, before)
    return widest


def _settings(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_OFF if value is None else value}" for name, value in values.items()]


def _refused(name: str, value: object, wanted: str) -> InputError:
    return InputError(f"The limit {name} is {wanted}, not {safe_repr(value)}.")


def _broken_in(limits: Limits, group: GroupCounts) -> list[Finding]:
    own = limits.of(group.uid)
    found = []
    allowed = own.removals_allowed(group.baseline)
    if allowed is not None and group.removes > allowed:
        share = f" ({group.removes / group.baseline:.0%})" if group.baseline else ""
        # A floor that counted for nothing while nobody might leave would let through more than this.
        floor = (("removal_floor", 0),) if (own.removal_floor or 0) > group.removes else ()
        found.append(
            Finding(
                "removals_per_group",
                f"{group.name} would lose {group.removes:,} of {pluralize(group.baseline, 'customer')}{share}; "
                f"the limit is {int(allowed):,} here ({own.removal_rule()}).",
                True,
                group.uid,
                group.removes,
                (("removals_per_group", group.removes), ("removal_share", None), *floor),
            )
        )
    late = group.removes + group.removed_before
    if own.removals_per_day is not None and group.removes and late > own.removals_per_day:
        before = f", after {group.removed_before:,} in the 24 hours before" if group.removed_before else ""
        found.append(
            Finding(
                "removals_per_day",
                f"{group.name} would lose {pluralize(group.removes, 'customer')}{before}; "
                f"the limit is {own.removals_per_day:,} a day.",
                True,
                group.uid,
                late,
                (("removals_per_day", late),),
            )
        )
    if own.additions_per_group is not None and group.adds > own.additions_per_group:
        found.append(
            Finding(
                "additions_per_group",
                f"{group.name} would gain {pluralize(group.adds, 'customer')}; "
                f"the limit is {own.additions_per_group:,}.",
                True,
                group.uid,
                group.adds,
                (("additions_per_group", group.adds),),
            )
        )
    if own is not limits and group.emptied and own.emptied_groups == 0:
        message = f"{group.name} would be left without a member; its own limits allow no group to be emptied."
        found.append(Finding("emptied_groups", message, True, group.uid, 1, (("emptied_groups", 1),)))
    return found


def _share(share: float | None, of: int) -> float | None:
    # Rounded, so that 29 % of 100 is 29 and not 28.999999999999996.
    return None if share is None else round(share * of, 6)


def register_limits(limits: Limits, rows: pd.DataFrame) -> Limits:
    """
    These limits, with those that a register has for its groups; a uid in `limits.per_group` goes before the register.

    >>> from frgroups.analysis.register import match_register
    >>> rows = match_register(pd.DataFrame({"group": ["vip"], "protected": [True]}), {"vip": "VIP"})
    >>> register_limits(Limits(), rows).of("vip").additions_per_group
    0
    """
    own = {
        row["customer_group_uid"]: _own(limits.of(row["customer_group_uid"]), row) for row in rows.to_dict("records")
    }
    told = {uid: its for uid, its in own.items() if its is not None}
    return replace(limits, per_group={**told, **limits.per_group})


def _own(limits: Limits, row: Mapping[Hashable, Any]) -> Limits | None:
    """The limits of one group; None where the register has none for it."""
    changed: dict[str, Any] = {}
    removals, additions = (0, 0) if row["protected"] else (row["max_removals"], row["max_additions"])
    if pd.notna(removals):
        changed |= {"removals_per_group": int(removals), "removal_share": None, "removal_floor": None}
    if pd.notna(additions):
        changed |= {"additions_per_group": int(additions)}
    return replace(limits, per_group={}, **changed) if changed else None


_KEYS = [one.name for one in fields(Limits) if one.name != "per_group"]


# Totals and ages are those of the whole plan, whatever the limits of a group say.
_OF_GROUP = [name for name in _KEYS if name not in ("removals_total", "additions_total") and "age" not in name]


def read_limits(path: str | Path) -> Limits:
    r"""
    The limits in a TOML file: keys as in `Limits`, and a table for each group, or pattern of groups, of its own.

    "none" switches a limit off, as None does in Python. What the file does not say is as in `Limits()`; so it is in
    a table of a group too, which replaces the limits of that group as a whole. Of patterns the first that matches
    counts, in the order of the file. Totals and ages are of the whole plan, and no group has them of its own.

        removals_total = 200
        removal_share = "none"

        [per_group.vip]
        removals_per_group = 0

        [per_group."store_*"]
        additions_per_group = 5000

    Raises
    ------
    InputError
        The file is missing or no TOML, a key is unknown (the known ones are named), a value is of another kind.

    >>> path = home() / "limits.toml"
    >>> path.parent.mkdir(parents=True, exist_ok=True)
    >>> _ = path.write_text('removals_total = 200\n[per_group."store_*"]\nremoval_share = "none"\n')
    >>> limits = read_limits(path)
    >>> limits.removals_total, limits.of("store_7").removal_share, limits.of("vip").removal_share
    (200, None, 0.1)
    """
    source = Path(path).expanduser()
    told = _parsed(source)
    groups = told.pop("per_group", {})
    if not isinstance(groups, dict):
        raise InputError(f"{source}: per_group is no table. Write [per_group.UID] above the limits of each group.")
    own = {}
    for uid, values in groups.items():
        where = f"per_group.{uid}"
        if not isinstance(values, dict):
            raise InputError(f"{source}: {where} is no table. Write [{where}] above its limits.")
        own[uid] = _limits(source, where, values, _OF_GROUP)
    return _limits(source, "", told, _KEYS, per_group=own)


def _parsed(source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text(encoding="utf-8-sig"))
    except OSError as error:
        found = "a folder" if source.is_dir() else error.strerror
        raise InputError(f"The limits in {source} cannot be read: {found}. Name a TOML file.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{source} is no TOML: {error}.") from error


def _limits(source: Path, table: str, values: Mapping[str, Any], known: Sequence[str], **more: Any) -> Limits:
    where = f"{source}, [{table}]" if table else f"{source}"
    for key in values:
        if key not in known:
            of_plan = " is of the whole plan: write it above the tables" if key in _KEYS else " is no limit"
            raise InputError(f"{where}: {key}{of_plan}. Known here: {', '.join(known)}.")
    given: dict[str, Any] = {key: None if value == _OFF else value for key, value in values.items()}
    try:
        return Limits(**given, **more)
    except InputError as error:
        raise InputError(f'{where}: {error.message} In TOML, None is "{_OFF}".') from error
