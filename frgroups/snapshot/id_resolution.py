"""Find the customer uids of the ids in a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from frgroups.errors import InputError, ListError
from frgroups.internals.formatting import format_list
from frgroups.internals.id_cells import first_invisible, normalize_email
from frgroups.internals.id_parts import hide_words
from frgroups.internals.redaction import repr_id
from frgroups.internals.spreadsheets import Table, normalize_column_name, read_table
from frgroups.internals.suggestions import REMOVE_MISSING, is_missing
from frgroups.internals.validation import check_choice, check_columns, wrong_type
from frgroups.snapshot.id_columns import describe_columns, find_column, read_id_column
from frgroups.snapshot.id_types import reject_emails
from frgroups.snapshot.membership_matrix import READ_AS_STRINGS, check_uids
from frgroups.snapshot.similar_ids import check_similar_ids
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.uid_lookup import is_known

ID_TYPES = ("customer_uid", "external_id")
_BY = ("external_id", "customer_uid", "email", "mobile", "loyalty_id")
_MAX_SHOWN = 5


def resolve_customers(
    snapshot: Snapshot,
    ids: Iterable[str],
    *,
    by: str = "external_id",
    directory: pd.DataFrame | str | Path | None = None,
    allow_similar_ids: bool = False,
) -> pd.DataFrame:
    """
    Find the customer uid for each id in a list.

    Ids are compared exactly, so "0150" does not match "150". If the ids are email addresses, surrounding whitespace
    and the case of the letters A-Z are ignored.

    Parameters
    ----------
    snapshot : Snapshot
        Snapshot that contains the customers.
    ids : iterable of str
        Ids to find, for example the result of `read_list`. Repeated ids are ignored.
    by : str, default "external_id"
        Column of `snapshot.customers` that contains the ids: "external_id" or "customer_uid". If the snapshot was
        loaded with `personal=True`, "email", "mobile", and "loyalty_id" are also valid.
    directory : DataFrame, str or Path, optional
        Additional customers, as a table or as the path of a CSV or Excel file. The columns customer_uid and `by` are
        required. A directory can contain customers that do not belong to any group and are therefore not in the
        snapshot. If several customers of the snapshot have the same id, and the directory contains this id for only
        one of these customers, the id is resolved to this customer.
    allow_similar_ids : bool, default False
        Whether unknown ids may be similar to ids of known customers. Such ids are treated as ids of other customers
        who are not in the snapshot. By default, InputError is raised for an unknown id that contains a known id, or
        that differs from a known id only in case, leading zeros, separators, accents, invisible characters, or
        similar characters such as O and 0. InputError is also raised for a uid in a list of external ids, for an
        external id in a list of uids, and for an email address if no id of type `by` is an email address. If `by` is
        "email" or "mobile", the ids are not checked.

    Returns
    -------
    pandas.DataFrame
        One row per unique id, in the order of `ids`. All columns have the dtype `str`.

        - id : the id.
        - customer_uid : the customer uid, or missing if the id was not resolved.
        - outcome : "resolved", "unknown" (no customer has the id), or "ambiguous" (several customers have the id, or
          the directory contains a different id than the snapshot for the same customer).

    Raises
    ------
    InputError
        `by` is not valid or not in the snapshot, an id is not a string or is blank, an unknown id contains invisible
        characters or is similar to a known id, or a column of `directory` is missing or does not contain strings.
    ListError
        The file of the directory cannot be read, or it lacks a column.

    See Also
    --------
    read_list : Read the ids from a file.

    Examples
    --------
    >>> resolve_customers(sample_snapshot(), ["0001", "0900", "0251"])
         id customer_uid   outcome
    0  0001          c-1  resolved
    1  0900          NaN   unknown
    2  0251        c-251  resolved
    """
    check_choice(by, "by", _BY)
    if directory is not None:
        directory = read_directory(directory, by)
    result = pd.DataFrame({"id": pd.Series(_distinct_ids(ids), dtype="str")})
    known = _known_ids(snapshot, by, directory)
    keys = _normalize_ids(result["id"], by)
    is_shared = known.pairs["key"].duplicated(keep=False)
    is_ambiguous = is_known(keys, known.pairs.loc[is_shared, "key"]) | is_known(keys, known.conflicting)
    uids = keys.map(known.pairs[~is_shared].set_index("key")["customer_uid"]).astype("str").mask(is_ambiguous)
    outcome = pd.Series("unknown", index=result.index, dtype="str").mask(uids.notna(), "resolved")
    result = result.assign(customer_uid=uids, outcome=outcome.mask(is_ambiguous, "ambiguous"))
    unknown = list(result.loc[result["outcome"] == "unknown", "id"])
    if by != "email":
        _check_visible(unknown)
    if not allow_similar_ids:
        if by != "email":
            reject_emails(unknown, known.pairs["key"], by, source="`ids`")
        n_known = len(result) - len(unknown)
        check_similar_ids(known_customers(snapshot, by, directory), unknown, by, source="`ids`", n_known=n_known)
    return result


def describe_ambiguous_ids(
    snapshot: Snapshot, ids: Iterable[str], *, by: str, directory: Directory | None = None
) -> list[str]:
    """
    Return one sentence per ambiguous id that states why `resolve_customers` cannot resolve the id.

    The parameters are the same as those of `resolve_customers`.

    Examples
    --------
    >>> customers = pd.DataFrame({"customer_uid": ["c-1", "c-2"], "external_id": ["0150", "0150"]})
    >>> memberships = customers.assign(customer_group_uid="vip")
    >>> snapshot = snapshot_from_frames(memberships, customers=customers, tenant_uid="t-1", taken_at="2026-11-23")
    >>> describe_ambiguous_ids(snapshot, ["0150"], by="external_id")
    ["2 customers have '0150': c-1 and c-2."]
    """
    listed = list(ids)
    if not listed:
        return []
    keys = _normalize_ids(pd.Series(listed), by)
    pairs = _known_ids(snapshot, by, directory).pairs
    selected = pairs[is_known(pairs["key"], keys)]
    of_customers = pairs[is_known(pairs["customer_uid"], selected["customer_uid"])]
    id_of_customer = of_customers.groupby("customer_uid")["key"].agg(list)
    sentences = []
    for customer_id, key in zip(listed, keys, strict=True):
        uids = list(selected.loc[selected["key"] == key, "customer_uid"])
        shown = repr_id(customer_id)
        if len(uids) > 1:
            sentences.append(f"{len(uids)} customers have {shown}: {format_list(uids, _MAX_SHOWN)}.")
        else:
            both = format_list([repr_id(other) for other in id_of_customer[uids[0]]])
            sentences.append(f"In the snapshot and the directory, customer {uids[0]} has different ids: {both}.")
    return sentences


def detect_id_type(snapshot: Snapshot, ids: pd.Series) -> str | None:
    """
    Return the type of the ids in a list: "customer_uid" or "external_id".

    If the name of the Series is an id type, this type is returned. Otherwise, the type that matches more ids in the
    snapshot is returned. The result is None if an id is the uid of one customer and the external id of another
    customer, because the type is then not clear.

    Examples
    --------
    >>> detect_id_type(sample_snapshot(), pd.Series(["0001", "0002"], name="Kundenummer"))
    'external_id'
    """
    name = normalize_column_name(str(ids.name))
    for kind in ID_TYPES:
        if name == normalize_column_name(kind):
            return kind
    customers = snapshot.customers
    is_of_type = {kind: is_known(ids, customers[kind]) for kind in ID_TYPES}
    both = ids[is_of_type["customer_uid"] & is_of_type["external_id"]]
    if len(both):
        with_id = customers[is_known(customers["external_id"], both)]
        if (with_id["external_id"] != with_id["customer_uid"]).any():
            return None
    return max(ID_TYPES, key=lambda kind: int(is_of_type[kind].sum()))


@dataclass(frozen=True)
class _KnownIds:
    """
    Ids of the customers in the snapshot and in the directory.

    Attributes
    ----------
    pairs
        The unique pairs of an id (column key) and a customer uid.
    conflicting
        Ids that the directory contains for a customer who has another id in the snapshot.
    """

    pairs: pd.DataFrame
    conflicting: pd.Index


def _known_ids(snapshot: Snapshot, by: str, directory: Directory | None) -> _KnownIds:
    pairs = _id_pairs(_customers_with(snapshot, by), by)
    if directory is None:
        return _KnownIds(pairs, pd.Index([], dtype="str"))
    directory_pairs = _id_pairs(read_directory(directory, by), by)
    key_in_snapshot = pairs.drop_duplicates("customer_uid").set_index("customer_uid")["key"]
    snapshot_keys = directory_pairs["customer_uid"].map(key_in_snapshot)
    is_conflict = snapshot_keys.notna() & (snapshot_keys != directory_pairs["key"])
    conflicting = pd.Index(directory_pairs.loc[is_conflict, "key"])
    pairs = _choose_owners(pairs, directory_pairs)
    return _KnownIds(pd.concat([pairs, directory_pairs], ignore_index=True).drop_duplicates(), conflicting)


def _choose_owners(pairs: pd.DataFrame, directory_pairs: pd.DataFrame) -> pd.DataFrame:
    """
    Return the pairs of id and customer in the snapshot, without the pairs that contradict the directory.

    If several customers of the snapshot have the same id, and the directory contains this id for only one of these
    customers, the pairs of the other customers are removed.
    """
    is_shared = pairs["key"].duplicated(keep=False)
    chosen = directory_pairs.drop_duplicates("key", keep=False).set_index("key")["customer_uid"]
    owner = pairs["key"].map(chosen)
    is_chosen = is_shared & (owner == pairs["customer_uid"])
    is_resolved = is_shared & is_known(pairs["key"], pairs.loc[is_chosen, "key"])
    return pairs[~is_resolved | is_chosen]


def known_customers(snapshot: Snapshot, by: str, directory: Directory | None) -> pd.DataFrame:
    """
    Return a table of the snapshot's customers with their ids, extended by the ids and customers of the directory.

    The parameters are the same as those of `resolve_customers`.
    """
    columns = [name for name in ("customer_uid", "external_id", "loyalty_id") if name in snapshot.customers]
    customers = snapshot.customers[columns]
    if directory is None:
        return customers
    pairs = _id_pairs(read_directory(directory, by), by)
    is_new = ~is_known(pairs["customer_uid"], customers["customer_uid"])
    if by in customers:
        is_new |= ~is_known(pairs["key"], customers[by])
    others = pairs[is_new].assign(**{by: pairs["key"]}).drop(columns="key")
    return pd.concat([customers, others], ignore_index=True)


def _check_visible(ids: Iterable[str]) -> None:
    """
    Raise InputError if an unknown id contains an invisible character.

    `read_list` removes invisible characters from both ends of an id. Ids that a caller passes from Python code are
    not changed, so that the caller can match the results with these ids.
    """
    for value in ids:
        invisible = "U+0020" if value != value.strip(" ") else first_invisible(value)
        if invisible:
            raise InputError(
                f"`ids` contains {repr_id(hide_words(value))}, which has the invisible character {invisible}. Remove "
                "the character, or read the file with read_list."
            )


def _distinct_ids(ids: Iterable[str]) -> list[str]:
    if isinstance(ids, str | bytes | pd.DataFrame) or not isinstance(ids, Iterable):
        raise wrong_type(ids, "ids", "a list of strings or one column of a table")
    listed = list(ids)
    for position, value in enumerate(listed):
        if not isinstance(value, str):
            hint = REMOVE_MISSING if is_missing(value) else READ_AS_STRINGS
            raise wrong_type(value, f"ids[{position}]", "a string", hint=hint)
        if not value.strip():
            raise InputError(
                f"`ids[{position}]` must not be blank. Remove the blank ids, or read the file with read_list."
            )
    return list(dict.fromkeys(listed))


def _customers_with(snapshot: Snapshot, by: str) -> pd.DataFrame:
    if by not in snapshot.customers:
        raise InputError(
            f"`by` must be a column of `snapshot.customers`, got {by!r}.",
            hint="Load the snapshot with personal=True, or pass by='external_id' or by='customer_uid'.",
        )
    return snapshot.customers


class CustomerExport:
    """
    Customer export in a CSV or Excel file. The file is read when its data is first needed.

    The file is read only once, even if a command uses the same export to resolve several lists.

    Parameters
    ----------
    path
        The CSV or Excel file.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._columns: dict[str, pd.DataFrame] = {}

    @cached_property
    def _table(self) -> Table:
        return read_table(self._path, None)

    def columns(self, by: str) -> pd.DataFrame:
        """Return a table with the columns customer_uid and `by` of the export."""
        if by not in self._columns:
            self._columns[by] = _directory_columns(self._table, by)
        return self._columns[by]


Directory = pd.DataFrame | CustomerExport | str | Path


def read_directory(directory: Directory, by: str) -> pd.DataFrame:
    """Return a table with the columns customer_uid and `by` of a directory. Rows without an id are omitted."""
    if isinstance(directory, str | Path):
        directory = CustomerExport(directory)
    if isinstance(directory, CustomerExport):
        directory = directory.columns(by)
    uids = check_uids(directory, "customer_uid", "directory")
    if by == "customer_uid":
        return pd.DataFrame({by: uids})
    check_columns(directory.columns, [by], "directory")
    has_id = directory[by].notna() & (directory[by] != "")
    ids = check_uids(directory.loc[has_id], by, "directory")
    return pd.DataFrame({"customer_uid": uids.loc[ids.index], by: ids})


def _directory_columns(table: Table, by: str) -> pd.DataFrame:
    header = table.rows[0][1]
    columns: dict[str, list[str]] = {}
    for name in ("customer_uid", by):
        position = find_column(header, name, table.source)
        if position is None:
            raise ListError(f"The directory {table.source} needs a column {name!r}. {describe_columns(header)}")
        columns[name] = [cell for _, cell in read_id_column(table, position)]
    return pd.DataFrame(columns, dtype="str")


def _id_pairs(customers: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the unique pairs of a normalized id and a customer uid. Customers that have no id are omitted."""
    keys = _normalize_ids(customers[by], by)
    pairs = pd.DataFrame({"key": keys, "customer_uid": customers["customer_uid"].astype("str")})
    return pairs[pairs["key"].notna() & (pairs["key"] != "")].drop_duplicates(ignore_index=True)


def _normalize_ids(ids: pd.Series, by: str) -> pd.Series:
    strings = ids.astype("str")
    if by == "email":
        return strings.map(normalize_email, na_action="ignore")
    return strings
