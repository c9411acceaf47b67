"""Consents and contact points of customers, by consent and by channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import BoolArray, Int8Array
from frgroups.internals.validation import as_list, check_choice, wrong_type
from frgroups.snapshot.snapshot import Snapshot

# Status of a consent per customer. UNKNOWN: a row without a status. NONE: no row. Among rows with the same timestamp,
# the status that sorts last counts, so a withdrawal wins.
GIVEN, UNKNOWN, WITHDRAWN, NONE = range(4)

# For each channel: the column that states if there is a contact point, and words that identify its consent.
_CHANNELS = {
    "email": (
        "has_email",
        ("mail", "e-post", "epost", "newsletter", "nyhetsbrev", "nyhedsbrev", "sähköposti", "uutiskirje"),
    ),
    "mobile": ("has_mobile", ("sms", "mobil", "text message", "tekstiviesti")),
}


@dataclass(frozen=True, eq=False)
class Channel:
    """Contact point and consent of each customer for one channel, in uid order."""

    name: str
    consent: str
    contact: BoolArray
    given: BoolArray

    @property
    def reachable(self) -> BoolArray:
        """True for each customer with a contact point and a consent."""
        return self.contact & self.given


def reach_channels(snapshot: Snapshot, channels: Iterable[str], consent: Mapping[str, str]) -> list[Channel]:
    """
    Return the given channels, each with its consent.

    `consent` maps a channel to the uid or name of its consent. For a channel that it does not contain, the only
    consent whose uid or name contains a word of the channel is used. InputError if there is not exactly one.

    Examples
    --------
    >>> [channel] = reach_channels(sample_snapshot(), ["email"], {})
    >>> channel.consent, int(channel.reachable.sum())
    ('Newsletter', 120)
    """
    names = as_list(channels, "channels")
    if not isinstance(consent, Mapping):
        raise wrong_type(consent, "consent", "a mapping of channels to consents")
    for name in names:
        check_choice(name, "channels", _CHANNELS)
    for name in consent:
        check_choice(name, "consent", _CHANNELS)
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"`channels` must contain at least one channel and no channel twice, got {safe_repr(names)}."
        )
    consents = latest_consents(snapshot)
    return [
        _build_channel(snapshot, name, _select_consent(snapshot, consents, name, consent.get(name))) for name in names
    ]


def _build_channel(snapshot: Snapshot, name: str, consent: Consent | None) -> Channel:
    """Return a channel; without a consent, no customer is reachable."""
    column = snapshot.customers[_CHANNELS[name][0]]
    if len(column) and column.isna().all():
        raise InputError(
            f"This snapshot does not know who has a contact point for {name}: {column.name} is missing for all "
            f"{len(column):,} customers. Give customers with that column to snapshot_from_frames."
        )
    contact = column.fillna(False).to_numpy(dtype=np.bool_)
    if consent is None:
        return Channel(name, "", contact, np.zeros_like(contact))
    return Channel(name, consent.name, contact, consent.given)


def _select_consent(
    snapshot: Snapshot, consents: list[Consent], channel: str, uid_or_name: str | None
) -> Consent | None:
    """Return the consent with a uid or name, or else the only one that matches the words of the channel."""
    if uid_or_name is None:
        words = _CHANNELS[channel][1]
        matches = [consent for consent in consents if _contains_any(f"{consent.uid}\n{consent.name}", words)]
        problem = (
            f"{len(matches)} of {len(consents)} consents match the channel {channel!r}, which needs exactly one."
        )
    else:
        matches = [consent for consent in consents if consent.uid == uid_or_name]
        if not matches:
            matches = [consent for consent in consents if consent.name == uid_or_name]
        problem = f"{len(matches)} of {len(consents)} consents have the uid or name {safe_repr(uid_or_name)}."
    if len(matches) == 1:
        return matches[0]
    if not len(snapshot.customers):
        return None
    choices = "No customer has a consent."
    if consents:
        described = [
            f"{consent.name!r} (uid {consent.uid}, given by {int(consent.given.sum()):,})" for consent in consents
        ]
        choices = f"The consents are {format_list(described)}. Pass consent={{{channel!r}: uid or name}}."
    raise InputError(f"{problem} {choices}")


def _contains_any(text: str, words: Iterable[str]) -> bool:
    return any(word in text.casefold() for word in words)


@dataclass(frozen=True, eq=False)
class Consent:
    """A consent of a tenant; `status` is GIVEN, UNKNOWN, WITHDRAWN or NONE for each customer, in uid order."""

    uid: str
    name: str
    status: Int8Array

    @property
    def given(self) -> BoolArray:
        """True for each customer who gives this consent."""
        given: BoolArray = self.status == GIVEN
        return given


def latest_consents(snapshot: Snapshot) -> list[Consent]:
    """
    Return the consents of the customers of a snapshot, in uid order.

    If a customer has several rows for a consent, the newest row counts; a row without a date is the oldest. Among
    rows with the same timestamp a withdrawal counts, so that the reach is not overstated. A consent without a uid
    is identified by its name.

    Examples
    --------
    >>> [(consent.uid, consent.name, int(consent.given.sum())) for consent in latest_consents(sample_snapshot())]
    [('newsletter', 'Newsletter', 150)]
    """
    rows = snapshot.consents
    name = rows["name"].where(rows["name"] != "")
    statuses = pd.DataFrame(
        {
            "uid": rows["consent_uid"].where(rows["consent_uid"] != "").fillna(name),
            "name": name,
            "at": rows["created_at"],
            "customer": snapshot.matrix.customer_uids.get_indexer(pd.Index(rows["customer_uid"])),
            "status": _status_codes(rows["status"]),
        }
    )
    statuses = statuses[(statuses["customer"] >= 0) & statuses["uid"].notna()]
    statuses = statuses.sort_values(["uid", "at", "status"], na_position="first", kind="stable")
    n_customers = len(snapshot.customers)
    return [_build_consent(str(uid), own, n_customers) for uid, own in statuses.groupby("uid", sort=True)]


def _status_codes(status: pd.Series) -> Int8Array:
    """Return the status of each row: True is GIVEN, False is WITHDRAWN, missing is UNKNOWN."""
    codes = np.where(status.fillna(False).to_numpy(dtype=np.bool_), GIVEN, WITHDRAWN)
    return np.where(status.isna(), UNKNOWN, codes).astype(np.int8)


def _build_consent(uid: str, rows: pd.DataFrame, n_customers: int) -> Consent:
    """Return the consent of some rows that are sorted by time; the last row of each customer counts."""
    newest = rows.drop_duplicates("customer", keep="last")
    status = np.full(n_customers, NONE, dtype=np.int8)
    status[newest["customer"]] = newest["status"]
    names = rows["name"].dropna()
    return Consent(uid, str(names.iloc[-1]) if len(names) else uid, status)
