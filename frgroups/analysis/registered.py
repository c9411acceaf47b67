"""What a register says of the groups that there are: which row is whose, what still counts, which limits follow."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd

from frgroups.codes import check_uids
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.limits import Limits
from frgroups.register import KEYS, REGISTER
from frgroups.tables import conform

_DAY = pd.Timedelta(days=1)


def registered(register: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """
    The register with the uid of the group of each row, among these groups {uid: name}.

    Columns: customer_group_uid (missing where no group answers), group (what the register calls it), then those
    of `read_register`. Raises InputError for what is no register, a name that several groups have, or two rows of
    one group.

    >>> register = pd.DataFrame({"group": ["VIP", "gone"], "owner": ["Marketing", "Marketing"]})
    >>> registered(register, {"vip": "VIP"})[["customer_group_uid", "group", "owner"]]
      customer_group_uid group      owner
    0                vip   VIP  Marketing
    1                NaN  gone  Marketing
    """
    if not isinstance(register, pd.DataFrame):
        raise InputError(
            f"register is a {type(register).__name__}; give the table of fg.read_register(path), or one like it."
        )
    key = next((name for name in KEYS if name in register), KEYS[0])
    words = check_uids(register, key, "register").reset_index(drop=True)
    uids = words.where(words.isin(list(names))) if key == KEYS[0] else _uids_of(words, names)
    if (twice := uids.dropna()[uids.dropna().duplicated(keep=False)]).size:
        first = twice.iloc[0]
        told = " and ".join(map(repr, words[uids == first]))
        raise InputError(f"register has {(uids == first).sum()} rows of the group {first!r}: {told}. Keep one.")
    rows = conform(register, REGISTER).drop(columns=[name for name in KEYS if name in register])
    rows["protected"] = rows["protected"].fillna(False).astype("bool")
    rows.insert(0, "customer_group_uid", uids.astype("str"))
    rows.insert(1, "group", words)
    return rows


def ended(rows: pd.DataFrame, at: datetime) -> pd.Series:
    """Which rows of a register no longer count at this moment; the last day still does."""
    return rows["valid_to"] + _DAY <= pd.Timestamp(at)


def begun(rows: pd.DataFrame, at: datetime) -> pd.Series:
    """Which rows of a register count already at this moment, or have no first day."""
    return ~(rows["valid_from"] > pd.Timestamp(at))


def register_limits(limits: Limits, rows: pd.DataFrame) -> Limits:
    """
    These limits, with those that a register has for its groups; a uid in `limits.per_group` goes before the register.

    >>> rows = registered(pd.DataFrame({"group": ["vip"], "protected": [True]}), {"vip": "VIP"})
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


def _uids_of(words: pd.Series, names: Mapping[str, str]) -> pd.Series:
    """The uid of each word that is a uid, or else a unique name."""
    of_name: dict[str, list[str]] = {}
    for uid, name in names.items():
        of_name.setdefault(name, []).append(uid)
    for word in words:
        if word not in names and len(found := of_name.get(word, ())) > 1:
            raise GroupNotFoundError(
                f"The register names {word!r}, but {len(found)} groups have that name: {', '.join(found)}. "
                "Write the uid.",
                close=found,
            )
    return words.map(lambda word: word if word in names else next(iter(of_name.get(word, ())), None)).astype("str")
