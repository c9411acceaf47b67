"""Reject a list if its ids do not have the type of the snapshot column with which they are compared."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd

from frgroups.errors import InputError, ListError
from frgroups.internals.formatting import agree, describe_rows
from frgroups.internals.suggestions import EMAILS, EMAILS_IN_CLI, PHONE_NUMBERS, PHONE_NUMBERS_IN_CLI
from frgroups.snapshot.id_columns import is_phone_name
from frgroups.snapshot.uid_lookup import is_known

# This pattern matches a phone number that has a country code or contains spaces. A number without both can be an id.
_PHONE = re.compile(r"(?:\+|00)[1-9](?:[ ()./-]*\d){7,14}|(?=.* )\(?0?\d(?:[ ()./-]{0,2}\d){6,13}")
_PLAIN_PHONE = re.compile(r"\d{7,15}")
_OTHER_TYPES = {"customer_uid": "external_id", "external_id": "customer_uid"}


def reject_emails(
    ids: Iterable[str],
    tenant_ids: pd.Series,
    by: str,
    *,
    source: str,
    rows: Mapping[str, int] | None = None,
    error: type[InputError] = InputError,
) -> None:
    """
    Raise an error if unknown ids are email addresses, but no known id is an email address.

    Parameters
    ----------
    ids
        Unknown ids.
    tenant_ids
        All known ids with which `ids` are compared. If a known id contains an "@", email addresses are accepted.
    by
        Type of `tenant_ids`, for example "customer_uid".
    source
        Argument or file that contains the ids, for the error message.
    rows
        First row number of each id.
    error
        Type of the error.
    """
    emails = [value for value in ids if "@" in value.strip()[1:-1]]
    if not emails or tenant_ids.astype("str").str.contains("@", regex=False).any():
        return
    place = f" in {describe_rows(rows[value] for value in emails)}" if rows else ""
    addresses = agree(len(emails), "an email address", f"{len(emails):,} email addresses")
    raise error(
        f"{source} contains {addresses}{place}, but the ids are compared with {by.replace('_', ' ')}s.",
        hint=EMAILS,
        cli_hint=EMAILS_IN_CLI,
    )


def reject_phone_numbers(
    ids: pd.Series, known: Collection[str], tenant_ids: pd.Series, *, source: str, rows: Mapping[str, int]
) -> None:
    """
    Raise ListError if ids are phone numbers.

    A number without a country code and without spaces is a phone number only if the column name indicates phone
    numbers. An id is not a phone number if its digits form a known id.

    Parameters
    ----------
    ids
        Ids of the list. The name of the Series is the name of the column.
    known
        Ids of known customers in the list.
    tenant_ids
        All known ids with which `ids` are compared. If a known id is a phone number, phone numbers are accepted.
    source
        File that contains the ids.
    rows
        First row number of each id.
    """
    is_plain_phone = _PLAIN_PHONE.fullmatch if is_phone_name(str(ids.name)) else _PHONE.fullmatch
    found = [value for value in ids if value not in known and (_PHONE.fullmatch(value) or is_plain_phone(value))]
    digits = pd.Series([re.sub("[^0-9]", "", value) for value in found], dtype="str")
    has_known_digits = is_known(digits, tenant_ids)
    found = [value for value, has_known in zip(found, has_known_digits, strict=True) if not has_known]
    if not found or tenant_ids.astype("str").str.fullmatch(_PHONE.pattern).any():
        return
    raise ListError(
        f"{source}, {describe_rows(rows[value] for value in found)}: phone numbers are not ids.",
        hint=PHONE_NUMBERS,
        cli_hint=PHONE_NUMBERS_IN_CLI,
    )


def other_type_hints(customers: pd.DataFrame, unknown: Sequence[str], by: str, *, n_known: int) -> tuple[str, str]:
    """
    Return hints for Python and for the command line if most ids of a list have a type other than `by`.

    Otherwise, both hints are empty strings.

    Parameters
    ----------
    customers
        The known customers, with the columns customer_uid and external_id.
    unknown
        Ids of the list that are not in the column `by`.
    by
        Column of `customers` with which the ids were compared.
    n_known
        Number of ids of the list that are in the column `by`.

    Examples
    --------
    >>> other_type_hints(sample_snapshot().customers, ["0001", "0002"], "customer_uid", n_known=0)[1]
    'Most ids are external ids. Pass --ids external_id with --list. For other lists, name the column external_id.'
    """
    other = _OTHER_TYPES.get(by)
    if other is None or other not in customers:
        return "", ""
    n_other = int(is_known(pd.Series(unknown, dtype="str"), customers[other]).sum())
    if n_other <= n_known or 2 * n_other <= len(unknown):
        return "", ""
    most, in_file = f"Most ids are {other.replace('_', ' ')}s.", f"name the column {other}."
    return (
        f'{most} To find their customers, pass by="{other}" to resolve_customers. In a file, {in_file}',
        f"{most} Pass --ids {other} with --list. For other lists, {in_file}",
    )
