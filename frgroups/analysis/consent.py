"""Who may be written to, and how: which consent stands for a channel, and who has a contact point there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import BoolArray, Int8Array
from frgroups.internals.validation import as_list
from frgroups.snapshot.snapshot import Snapshot

# In this order the last of several rows of one moment is the most cautious.
GIVEN, UNKNOWN, WITHDRAWN, NONE = range(4)


# A channel, the column that tells whether it has a contact point, and words by which its consent may be known.
_CHANNELS = {
    "email": (
        "has_email",
        ("mail", "e-post", "epost", "newsletter", "nyhetsbrev", "nyhedsbrev", "sähköposti", "uutiskirje"),
    ),
    "mobile": ("has_mobile", ("sms", "mobil", "text message", "tekstiviesti")),
}


@dataclass(frozen=True, eq=False)
class Channel:
    """Who has a contact point and who gives consent, for each customer in uid order."""

    name: str
    consent: str
    contact: BoolArray
    given: BoolArray

    @property
    def reachable(self) -> BoolArray:
        """Who has both."""
        return self.contact & self.given


def reach_channels(snapshot: Snapshot, channels: Iterable[str], consent: Mapping[str, str]) -> list[Channel]:
    """
    The channels that were asked for, with the consent that was named for each or that sounds like it.

    >>> [(one.consent, int(one.reachable.sum())) for one in reach_channels(sample_snapshot(), ["email"], {})]
    [('Newsletter', 120)]
    """
    asked = as_list(channels, "channels")
    if not isinstance(consent, Mapping):
        raise InputError(f"consent is a {type(consent).__name__}; give {{'email': the uid or name of a consent}}.")
    if unknown := [name for name in [*asked, *consent] if name not in _CHANNELS]:
        raise InputError(f"No channel is named {safe_repr(unknown[0])}; there are {', '.join(_CHANNELS)}.")
    if not asked or len(set(asked)) < len(asked):
        raise InputError(
            f"channels={safe_repr(asked)}; name each of {', '.join(_CHANNELS)} at most once, and one at least."
        )
    there = latest_consents(snapshot)
    return [_channel(snapshot, name, _consent(snapshot, there, name, consent.get(name))) for name in asked]


def _channel(snapshot: Snapshot, name: str, consent: Consent | None) -> Channel:
    column = snapshot.customers[_CHANNELS[name][0]]
    if len(column) and column.isna().all():
        raise InputError(
            f"This snapshot does not know who has a contact point for {name}: {column.name} is missing for all "
            f"{len(column):,} customers. Give customers with that column to snapshot_from_frames."
        )
    contact = column.fillna(False).to_numpy(dtype=np.bool_)
    return Channel(name, consent.name if consent else "", contact, consent.given if consent else contact & False)


def _consent(snapshot: Snapshot, there: list[Consent], channel: str, asked: str | None) -> Consent | None:
    """The consent that was named, or the only one that sounds like the channel."""
    if asked is None:
        words = _CHANNELS[channel][1]
        found = [one for one in there if any(word in f"{one.uid}\n{one.name}".casefold() for word in words)]
    else:
        found = [one for one in there if one.uid == asked] or [one for one in there if one.name == asked]
    if len(found) == 1:
        return found[0]
    if not len(snapshot.customers):
        return None
    told = f"consent {safe_repr(asked)}" if asked is not None else f"the consent for {channel}"
    listed = ", ".join(f"{one.name!r} ({one.uid}, given by {int(one.given.sum()):,})" for one in there)
    raise InputError(
        f"{told[0].upper()}{told[1:]} cannot be told: {len(found)} of the {len(there)} consents fit. "
        f"Name it: consent={{{channel!r}: ...}}. There are {listed or 'none: no customer was asked for any'}."
    )


@dataclass(frozen=True, eq=False)
class Consent:
    """One consent of a tenant; `said` is GIVEN, WITHDRAWN, UNTOLD (asked, without a status) or NONE, per customer."""

    uid: str
    name: str
    said: Int8Array

    @property
    def given(self) -> BoolArray:
        """Who gives this consent, in the order of the customers."""
        given: BoolArray = self.said == GIVEN
        return given


def latest_consents(snapshot: Snapshot) -> list[Consent]:
    """
    The consents that any customer of the snapshot was asked for, in uid order.

    Where a customer has several rows for one consent, the newest counts; one without a date is older than all.
    Among rows of one moment a withdrawal counts, so that reach is never told too large. A consent without a uid
    goes by its name.

    >>> [(consent.uid, consent.name, int(consent.given.sum())) for consent in latest_consents(sample_snapshot())]
    [('newsletter', 'Newsletter', 150)]
    """
    rows = snapshot.consents
    name = rows["name"].where(rows["name"] != "")
    told = pd.DataFrame(
        {
            "uid": rows["consent_uid"].where(rows["consent_uid"] != "").fillna(name),
            "name": name,
            "at": rows["created_at"],
            "customer": snapshot.matrix.customer_uids.get_indexer(pd.Index(rows["customer_uid"])),
            "said": _said(rows["status"]),
        }
    )
    told = told[(told["customer"] >= 0) & told["uid"].notna()]
    told = told.sort_values(["uid", "at", "said"], na_position="first", kind="stable")
    return [_latest_statuses(str(uid), own, len(snapshot.customers)) for uid, own in told.groupby("uid", sort=True)]


def _said(status: pd.Series) -> Int8Array:
    said = np.where(status.fillna(False).to_numpy(dtype=np.bool_), GIVEN, WITHDRAWN)
    return np.where(status.isna(), UNKNOWN, said).astype(np.int8)


def _latest_statuses(uid: str, rows: pd.DataFrame, n_customers: int) -> Consent:
    newest = rows.drop_duplicates("customer", keep="last")
    said = np.full(n_customers, NONE, dtype=np.int8)
    said[newest["customer"]] = newest["said"]
    names = rows["name"].dropna()
    return Consent(uid, str(names.iloc[-1]) if len(names) else uid, said)
