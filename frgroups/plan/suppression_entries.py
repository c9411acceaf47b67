"""Entries of a suppression list, and the entries that are in force at one time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache

import pandas as pd

from frgroups.errors import InputError, ListError
from frgroups.internals.formatting import agree, format_list, format_utc
from frgroups.internals.redaction import mask_explicit_contacts, safe_repr
from frgroups.internals.spreadsheets import normalize_column_name
from frgroups.internals.suggestions import did_you_mean, is_missing
from frgroups.internals.validation import check_type
from frgroups.snapshot.membership_matrix import check_uids

# Value of the column source in holdout entries. A holdout entry must have a group and an end.
HOLDOUT = "holdout"
ENTRY_COLUMNS = ("customer_uid", "customer_group_uid", "until", "source", "reason")
_END_EXAMPLES = "a date such as 2026-12-31 or a time such as 2026-12-31T12:00Z"
# Excel and pandas append one of these strings to a date. `parse_end` therefore treats such a value as a date.
_START_OF_DAY = (" 00:00:00", "T00:00:00")
# Columns that determine for which groups and until when an entry is in force.
_SCOPE_COLUMNS = ("customer_group_uid", "until", "source")
# Minimum similarity at which a column name counts as misspelled.
# With this value, "untill" and "customer_group" are similar to column names of a list, but "resource" and
# "customer_group_name" are not.
_SIMILARITY = 0.87
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EndTime:
    """
    End of a suppression entry.

    Attributes
    ----------
    at
        The first time at which the entry is no longer in force.
    day
        The last day on which the entry is in force, in UTC. None if the end is a time.
    """

    at: datetime
    day: date | None = None

    def __str__(self) -> str:
        if self.day is not None:
            return self.day.isoformat()
        return format_utc(self.at)


@lru_cache(maxsize=1_000)
def parse_end(text: str) -> EndTime:
    """
    Parse a date or a time in ISO format, and return the time at which an entry ends.

    A date includes the whole day in UTC. A time without a time zone is in UTC. Raise ValueError for any other text.

    Examples
    --------
    >>> parse_end("2026-12-31").at.isoformat(), parse_end("2026-12-31T12:00+01:00").at.isoformat()
    ('2027-01-01T00:00:00+00:00', '2026-12-31T11:00:00+00:00')
    """
    day = _parse_day(text)
    if day is not None:
        if day >= date.max:
            return EndTime(_LATEST, day)
        return EndTime(datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC), day)
    end = datetime.fromisoformat(text)
    if end.tzinfo is None:
        return EndTime(end.replace(tzinfo=UTC))
    try:
        return EndTime(end.astimezone(UTC))
    except OverflowError:
        raise ValueError(f"{text!r} is not in the years 1 to 9999 in UTC.") from None


def _parse_day(text: str) -> date | None:
    for suffix in _START_OF_DAY:
        text = text.removesuffix(suffix)
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class SuppressionEntry:
    """
    A customer who must not be added to one group, or to any group.

    Attributes
    ----------
    customer_uid
        Uid of the customer.
    customer_group_uid
        Uid of the group. An empty string means all groups.
    until
        End of the entry. None means that the entry has no end.
    source
        The origin of the entry, such as "holdout".
    reason
        Note about the entry.
    """

    customer_uid: str
    customer_group_uid: str = ""
    until: EndTime | None = None
    source: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.is_holdout:
            return
        actions = {}
        if not self.customer_group_uid:
            actions["customer_group_uid"] = "the uid of a group"
        if self.until is None:
            actions["until"] = _END_EXAMPLES
        if actions:
            raise InputError(
                f"`source` is holdout, but {format_list([*actions])} {agree(len(actions), 'is', 'are')} blank. "
                f"A holdout must have a group and an end. Enter {' and '.join(actions.values())}."
            )

    @property
    def is_holdout(self) -> bool:
        """True if the entry is a holdout, which keeps the customer out of a group for a measurement."""
        return self.source.casefold() == HOLDOUT

    def is_in_force(self, at: datetime) -> bool:
        """Return True if the entry has no end, or if it ends after the given time."""
        return self.until is None or at < self.until.at

    @property
    def rank(self) -> tuple[bool, datetime, bool, str]:
        """
        Sort key of the entry. If a customer has several entries, the entry with the highest rank is reported.

        An entry that lasts longer has a higher rank. If two entries have the same end, the entry for all groups has a
        higher rank.
        """
        end = _LATEST if self.until is None else self.until.at
        return self.until is None, end, not self.customer_group_uid, self.source


@dataclass(frozen=True)
class SuppressionList:
    """
    The entries of a suppression list that are in force at one time.

    Attributes
    ----------
    by_group
        The entries by group uid and then by customer uid. Entries that apply to all groups have the group uid "".
    n_expired
        Number of omitted entries that have ended.
    """

    by_group: Mapping[str, Mapping[str, SuppressionEntry]] = field(default_factory=dict)
    n_expired: int = 0

    @classmethod
    def in_force(cls, entries: Iterable[SuppressionEntry], at: datetime) -> SuppressionList:
        """
        Select the entries that are in force at the given time.

        If a customer has several entries for one group, the entry with the highest rank is used. Among entries with
        the same rank, the first entry with a reason is used.

        Examples
        --------
        >>> entries = [SuppressionEntry("c-1", "vip"), SuppressionEntry("c-1", "staff", parse_end("2026-12-31"))]
        >>> listed = SuppressionList.in_force(entries, datetime(2027, 1, 1, tzinfo=UTC))
        >>> listed.group_uids, listed.n_expired
        (['vip'], 1)
        """
        by_group: dict[str, dict[str, SuppressionEntry]] = {}
        n_expired = 0
        for entry in entries:
            if not entry.is_in_force(at):
                n_expired += 1
                continue
            customers = by_group.setdefault(entry.customer_group_uid, {})
            other = customers.get(entry.customer_uid)
            if other is None or _replaces(entry, other):
                customers[entry.customer_uid] = entry
        return cls(by_group, n_expired)

    @property
    def customer_uids(self) -> frozenset[str]:
        """Uids of all customers in the list."""
        return frozenset().union(*self.by_group.values())

    @property
    def group_uids(self) -> list[str]:
        """Sorted uids of the groups in the entries, without the entries for all groups."""
        return sorted(uid for uid in self.by_group if uid)

    def find(self, group_uid: str, customer_uid: str) -> SuppressionEntry | None:
        """
        Return the entry that prevents a customer's addition to a group, or None.

        Examples
        --------
        >>> listed = SuppressionList.in_force([SuppressionEntry("c-1", "vip")], datetime.now(UTC))
        >>> listed.find("vip", "c-1") is None, listed.find("staff", "c-1") is None
        (False, True)
        """
        found = self.by_group.get(group_uid, {}).get(customer_uid)
        general = self.by_group.get("", {}).get(customer_uid)
        if found is None or (general is not None and general.rank > found.rank):
            return general
        return found

    def find_all(self, group_uid: str, customer_uids: Iterable[str]) -> list[SuppressionEntry]:
        """
        Return the entries that prevent additions to a group, in the order of the customers.

        Examples
        --------
        >>> listed = SuppressionList.in_force([SuppressionEntry("c-1", "vip")], datetime.now(UTC))
        >>> len(listed.find_all("vip", ["c-1", "c-2"])), len(listed.find_all("staff", ["c-1", "c-2"]))
        (1, 0)
        """
        general, specific = self.by_group.get("", {}), self.by_group.get(group_uid, {})
        if not general and not specific:
            return []
        found = (self.find(group_uid, uid) for uid in customer_uids if uid in specific or uid in general)
        return [entry for entry in found if entry is not None]


def _replaces(entry: SuppressionEntry, other: SuppressionEntry) -> bool:
    if entry.rank == other.rank:
        return not other.reason
    return entry.rank > other.rank


def entry_columns(header: Iterable[object]) -> list[object]:
    """
    Return the column names of a table. The columns of a suppression list are returned in their standard spelling.

    Case, spaces, underscores, periods, and hyphens are ignored.

    Examples
    --------
    >>> entry_columns(["Customer UID", "Until", "city"])
    ['customer_uid', 'until', 'city']
    """
    known = {normalize_column_name(name): name for name in ENTRY_COLUMNS}
    return [known.get(normalize_column_name(cell), cell) if isinstance(cell, str) else cell for cell in header]


def check_entry_columns(names: Sequence[object], place: str) -> None:
    """
    Raise ListError if a column of a table of entries exists twice, or if a column is probably misspelled.

    Other unknown columns are ignored. If the column until or customer_group_uid were ignored because it is
    misspelled, an entry would last longer or apply to all groups. A column is misspelled if its name is similar to
    one of the columns customer_group_uid, until, and source, and the table does not have this column.

    Parameters
    ----------
    names
        The column names that `entry_columns` returned.
    place
        Description of the table for the error message, for example "The suppression list list.csv".

    Examples
    --------
    >>> check_entry_columns(["customer_uid", "untill"], "`entries`")
    Traceback (most recent call last):
        ...
    frgroups.errors.ListError: `entries` has an unknown column 'untill'. Did you mean 'until'? Rename the column.
    """
    counts = Counter(name for name in names if isinstance(name, str))
    for name in ENTRY_COLUMNS:
        if counts[name] > 1:
            raise ListError(f"{place} has {counts[name]} columns {name!r}. Remove all but one of them.")
    missing = {normalize_column_name(name): name for name in _SCOPE_COLUMNS if name not in counts}
    for name in counts:
        close = get_close_matches(normalize_column_name(name), missing, n=1, cutoff=_SIMILARITY)
        if close and name not in ENTRY_COLUMNS:
            suggestion = did_you_mean([missing[close[0]]])
            raise ListError(f"{place} has an unknown column {safe_repr(name)}.{suggestion} Rename the column.")


def entry_rows(table: pd.DataFrame, name: str) -> list[tuple[Hashable, dict[str, str]]]:
    """
    Return the index label and the cells of each row in a table of entries.

    Missing values become blank cells, and dates become strings. Columns are matched as in `entry_columns`. Columns
    that are not part of a suppression list are left out. `name` is the name of the argument.

    Raises
    ------
    InputError
        The table has no valid column customer_uid, two columns of entries with the same name, or a misspelled column.

    Examples
    --------
    >>> entry_rows(pd.DataFrame({"customer_uid": ["c-1"], "until": [date(2026, 12, 31)]}), "entries")
    [(0, {'customer_uid': 'c-1', 'until': '2026-12-31'})]
    """
    check_type(table, pd.DataFrame, name)
    names = entry_columns(table.columns)
    check_entry_columns(names, f"`{name}`")
    table = table.set_axis(names, axis=1)
    check_uids(table, "customer_uid", name)
    columns = [column for column in ENTRY_COLUMNS if column in table]
    cells = [[_cell_text(value) for value in table[column]] for column in columns]
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*cells, strict=True))
    return list(zip(table.index, rows, strict=True))


def _cell_text(value: object) -> str:
    return "" if is_missing(value) else str(value).strip()


def parse_entries(rows: Iterable[tuple[object, Mapping[str, str]]], place: str) -> list[SuppressionEntry]:
    """
    Convert the rows of a suppression list to entries.

    Parameters
    ----------
    rows
        The row number and the cells of each row, keyed by column name. Missing columns are treated as blank cells.
        Email addresses and phone numbers in sources and reasons are masked.
    place
        Description of the list for error messages, for example "The suppression list list.csv".

    Raises
    ------
    ListError
        The end of an entry is not valid, or a holdout entry has no group or no end. The message contains the row.

    Examples
    --------
    >>> rows = [(2, {"customer_uid": "c-1", "customer_group_uid": "vip", "until": "2026-12-31", "source": "holdout"})]
    >>> [str(entry.until) for entry in parse_entries(rows, "The list")]
    ['2026-12-31']
    """
    entries = []
    for number, cells in rows:
        text = cells.get("until", "")
        try:
            end = parse_end(text) if text else None
        except ValueError:
            raise ListError(
                f"{place}, row {number}, column until: {safe_repr(text)} is not valid. Enter {_END_EXAMPLES}."
            ) from None
        try:
            entry = SuppressionEntry(
                customer_uid=cells["customer_uid"],
                customer_group_uid=cells.get("customer_group_uid", ""),
                until=end,
                source=mask_explicit_contacts(cells.get("source", "")),
                reason=mask_explicit_contacts(cells.get("reason", "")),
            )
        except InputError as error:
            raise ListError(f"{place}, row {number}: {error.message}") from None
        entries.append(entry)
    return entries
