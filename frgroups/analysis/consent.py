"""Consents of customers, and the channels through which the customers can be contacted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import BoolArray, Int8Array
from frgroups.internals.validation import as_list, check_choice, wrong_type
from frgroups.snapshot.snapshot import Snapshot

# Status codes of a customer's consent.
# UNKNOWN: the customer's newest row has no status.
# NONE: the customer has no row.
# If several rows have the same timestamp, the row with the largest code is used.
# WITHDRAWN is larger than GIVEN, so that a withdrawal takes precedence.
GIVEN, UNKNOWN, WITHDRAWN, NONE = range(4)
# Names of the status codes in rules and profiles. UNKNOWN has no name, because it is treated as a missing value.
STATUS_NAMES = {GIVEN: "given", WITHDRAWN: "withdrawn", NONE: "none"}

# For each channel: the customers column that is True for customers with a contact point, and the channel's keywords.
# If the uid or name of a consent contains one of the keywords, the consent belongs to this channel.
_CHANNELS = {
    "email": (
        "has_email",
        ("mail", "e-post", "epost", "newsletter", "nyhetsbrev", "nyhedsbrev", "sähköposti", "uutiskirje"),
    ),
    "mobile": ("has_mobile", ("sms", "mobil", "text message", "tekstiviesti")),
}

CHANNEL_NAMES = tuple(_CHANNELS)

# Cached results of `latest_consents`. A cached result remains valid, because a Snapshot is immutable.
_latest: WeakKeyDictionary[Snapshot, list[Consent]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Channel:
    """
    A channel, and two boolean arrays with one value per customer, sorted by customer uid.

    `contact` is True for customers who have a contact point, such as an email address. `given` is True for customers
    who give the consent of the channel. `consent` is the name of this consent, or "" if the channel has no consent.
    """

    name: str
    consent: str
    contact: BoolArray
    given: BoolArray

    @property
    def reachable(self) -> BoolArray:
        """A boolean array that is True for each customer who has a contact point and gives consent."""
        return self.contact & self.given


def reach_channels(snapshot: Snapshot, channels: Iterable[str], consent: Mapping[str, str]) -> list[Channel]:
    """
    Return the requested channels, with the contact points and consents of all customers.

    Parameters
    ----------
    snapshot
        The snapshot that contains the customers and their consents.
    channels
        Names of channels, "email" or "mobile".
    consent
        A mapping of channels to the uid or name of a consent. For a channel that is not in the mapping, the consent
        whose uid or name contains a keyword of the channel is used.

    Raises
    ------
    InputError
        If a channel is unknown or repeated, or if the consent of a channel is missing or ambiguous.

    Examples
    --------
    >>> [channel] = reach_channels(sample_snapshot(), ["email"], {})
    >>> channel.consent, int(channel.reachable.sum())
    ('Newsletter', 120)
    """
    names = as_list(channels, "channels")
    check_consent(consent)
    for position, name in enumerate(names):
        check_channel(name, f"channels[{position}]")
    if not names or len(set(names)) < len(names):
        raise InputError(f"`channels` must contain at least one channel and no duplicates, got {safe_repr(names)}.")
    consents = latest_consents(snapshot)
    return [
        _build_channel(snapshot, name, _select_consent(snapshot, consents, name, consent.get(name))) for name in names
    ]


def check_consent(consent: Mapping[str, str]) -> None:
    """Raise InputError if `consent` is not a mapping, or if one of its keys is not a channel."""
    if not isinstance(consent, Mapping):
        raise wrong_type(consent, "consent", "a mapping of channels to consents")
    for name in consent:
        check_channel(name, "channel in consent")


def check_channel(name: object, argument: str, choices: Iterable[str] = CHANNEL_NAMES) -> None:
    """
    Raise InputError if an argument is not one of the allowed channels.

    If the argument is another word for a channel, such as "sms", the error suggests the channel.
    """
    try:
        check_choice(name, argument, choices)
    except InputError as error:
        if not isinstance(name, str):
            raise
        raise InputError(error.message, hint=channel_hint(name)) from None


def channel_hint(text: str) -> str:
    """
    Return a sentence that suggests the channel that a string mentions, or "" if the string mentions no channel.

    Examples
    --------
    >>> channel_hint("sms"), channel_hint("letter")
    ("Use 'mobile' for text messages (SMS).", '')
    """
    sentences = {"email": "Use 'email' for email.", "mobile": "Use 'mobile' for text messages (SMS)."}
    return " ".join(sentences[channel] for channel in mentioned_channels(text))


def channel_consent(snapshot: Snapshot, channel: str, consent: Mapping[str, str]) -> Consent | None:
    """
    Return the consent of a channel, or None if the snapshot contains no customers.

    `reach_channels` describes the parameters and the errors. Unlike `reach_channels`, this function does not check
    whether the snapshot has contact points.

    Examples
    --------
    >>> channel_consent(sample_snapshot(), "email", {}).name
    'Newsletter'
    """
    return _select_consent(snapshot, latest_consents(snapshot), channel, consent.get(channel))


def _build_channel(snapshot: Snapshot, name: str, consent: Consent | None) -> Channel:
    """Create a channel. If `consent` is None, no customer is reachable through the channel."""
    column = snapshot.customers[_CHANNELS[name][0]]
    if len(column) and column.isna().all():
        raise InputError(
            f"The snapshot has no contact points for the channel {name}, because the column {column.name} is "
            f"empty for all {len(column):,} customers.",
            hint="Pass customers with this column to fg.snapshot_from_frames.",
            cli_hint="",
        )
    contact = column.fillna(False).to_numpy(dtype=np.bool_)
    if consent is None:
        return Channel(name, "", contact, np.zeros_like(contact))
    return Channel(name, consent.name, contact, consent.given)


def _select_consent(
    snapshot: Snapshot, consents: list[Consent], channel: str, uid_or_name: str | None
) -> Consent | None:
    """Return the consent with the given uid or name, or the channel's consent if `uid_or_name` is None."""
    if uid_or_name is None:
        words = _CHANNELS[channel][1]
        matches = [consent for consent in consents if _contains_any(f"{consent.uid}\n{consent.name}", words)]
        problem = (
            f"Exactly one consent must match the channel {channel!r}, but {len(matches)} of {len(consents)} consents "
            "match."
        )
    else:
        matches = [consent for consent in consents if consent.uid == uid_or_name]
        if not matches:
            matches = [consent for consent in consents if consent.name == uid_or_name]
        problem = (
            f"Exactly one consent must have the uid or name {safe_repr(uid_or_name)}, but {len(matches)} of "
            f"{len(consents)} consents match."
        )
    if len(matches) == 1:
        return matches[0]
    if not len(snapshot.customers):
        return None
    choices, hint, cli_hint = "No customer has a consent.", "", ""
    if consents:
        described = [
            f"{consent.name!r} (uid {consent.uid}, given by {int(consent.given.sum()):,})" for consent in consents
        ]
        choices = f"The available consents are {format_list(described)}."
        hint = f"Pass consent={{{channel!r}: uid or name}}."
        cli_hint = f"Pass --consent {channel}=UID, where UID is the uid or the name of the consent."
    raise InputError(f"{problem} {choices}", hint=hint, cli_hint=cli_hint)


def mentioned_channels(text: str) -> list[str]:
    """
    Return the channels that are mentioned in a string, such as the purpose of a group.

    Examples
    --------
    >>> mentioned_channels("gave the newsletter consent"), mentioned_channels("employees")
    (['email'], [])
    """
    return [name for name, (_, words) in _CHANNELS.items() if _contains_any(text, words)]


def withdrawn_from_channels(snapshot: Snapshot, channels: Iterable[str]) -> BoolArray:
    """
    Return a boolean array that is True for each customer who has withdrawn a consent for at least one channel.

    A consent belongs to a channel if the uid or name of the consent mentions the channel. If no consent belongs to a
    channel, the consents that mention no channel are used, such as a general consent for marketing. The array is
    sorted by customer uid.
    """
    withdrawn = np.zeros(len(snapshot.customers), dtype=np.bool_)
    for consents in _consents_by_channel(snapshot, channels):
        for consent in consents:
            withdrawn |= consent.status == WITHDRAWN
    return withdrawn


def given_for_channels(snapshot: Snapshot, channels: Iterable[str]) -> BoolArray:
    """
    Return a boolean array that is True for each customer who has given consent for every channel.

    The value is False if the customer has given one consent and withdrawn another consent for the same channel. The
    array is sorted by customer uid. `withdrawn_from_channels` documents which consents belong to a channel.
    """
    channels = list(channels)
    given = ~withdrawn_from_channels(snapshot, channels)
    for consents in _consents_by_channel(snapshot, channels):
        given_for_channel = np.zeros_like(given)
        for consent in consents:
            given_for_channel |= consent.given
        given &= given_for_channel
    return given


def _consents_by_channel(snapshot: Snapshot, channels: Iterable[str]) -> list[list[Consent]]:
    """Return one list of consents per channel. See `withdrawn_from_channels` for the consents of a channel."""
    consents = latest_consents(snapshot)
    mentioned = [mentioned_channels(f"{consent.uid}\n{consent.name}") for consent in consents]
    by_channel = []
    for channel in channels:
        relevant = [consent for consent, names in zip(consents, mentioned, strict=True) if channel in names]
        general = [consent for consent, names in zip(consents, mentioned, strict=True) if not names]
        by_channel.append(relevant or general)
    return by_channel


def _contains_any(text: str, words: Iterable[str]) -> bool:
    """Return True if a string contains at least one of the words. Case is ignored."""
    return any(word in text.casefold() for word in words)


@dataclass(frozen=True, eq=False)
class Consent:
    """A consent with the status of each customer (GIVEN, UNKNOWN, WITHDRAWN, or NONE), sorted by customer uid."""

    uid: str
    name: str
    status: Int8Array

    @property
    def given(self) -> BoolArray:
        """A boolean array that is True for each customer who gives this consent."""
        given: BoolArray = self.status == GIVEN
        return given


def latest_consents(snapshot: Snapshot) -> list[Consent]:
    """
    Return the consents in a snapshot, sorted by uid, with the latest status of each customer.

    If a customer has several rows for a consent, the newest row is used. Rows without a timestamp are treated as
    older than all other rows. If a given and a withdrawn row have the same timestamp, the consent is treated as
    withdrawn, so that the reach is not overstated. A consent without a uid is identified by its name. The result is
    cached for each snapshot, because the rules of a plan and the findings of each mailing group use the same
    consents.

    Examples
    --------
    >>> [(consent.uid, consent.name, int(consent.given.sum())) for consent in latest_consents(sample_snapshot())]
    [('newsletter', 'Newsletter', 150)]
    """
    if snapshot not in _latest:
        _latest[snapshot] = _find_latest(snapshot)
    return list(_latest[snapshot])


def _find_latest(snapshot: Snapshot) -> list[Consent]:
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
    """Convert the status column to codes: GIVEN for True, WITHDRAWN for False, UNKNOWN for missing values."""
    codes = np.where(status.fillna(False).to_numpy(dtype=np.bool_), GIVEN, WITHDRAWN)
    return np.where(status.isna(), UNKNOWN, codes).astype(np.int8)


def _build_consent(uid: str, rows: pd.DataFrame, n_customers: int) -> Consent:
    """Create a consent from rows that are sorted by time. The last row of each customer is used."""
    newest = rows.drop_duplicates("customer", keep="last")
    status = np.full(n_customers, NONE, dtype=np.int8)
    status[newest["customer"]] = newest["status"]
    status.flags.writeable = False
    names = rows["name"].dropna()
    return Consent(uid, str(names.iloc[-1]) if len(names) else uid, status)
