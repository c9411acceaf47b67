"""Verdicts that describe how reliably a group or a snapshot was read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from frgroups.internals.formatting import agree, pluralize

Verdict = Literal["consistent", "unverifiable", "drifted"]

# First words of the notes about a contradiction that remains after the list was read again.
# The first string starts the note about pages that contradict the customer records.
# The second string starts the note about a list that had the same problem each time it was read.
_CONTRADICTION = "the records of "
_CONTRADICTIONS = (_CONTRADICTION, "in each of ")
# Part of the note about a group whose pages lack customers, although the records of these customers list the group.
_MISSING = " list this group, but its pages contain "
# Start of the note about rows that the server returned only when the list was requested in reverse order.
_OMISSION = "a request in the reverse sort order returned "

# Verdicts, ordered from best to worst.
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def worst_verdict(verdicts: Iterable[str]) -> Verdict:
    """
    Return the worst of the given verdicts, or "consistent" if there are none.

    Examples
    --------
    >>> worst_verdict(["unverifiable", "consistent"]), worst_verdict(["drifted", "unverifiable"])
    ('unverifiable', 'drifted')
    """
    return VERDICTS[max(map(VERDICTS.index, set(verdicts)), default=0)]


def contradiction_note(n_listed: int, n_rows: int) -> str:
    """
    Return the note for a group whose pages contradict the customer records after the group was read again.

    Parameters
    ----------
    n_listed
        Number of customers whose records list the group.
    n_rows
        Number of customers on the group's pages.

    Examples
    --------
    >>> contradiction_note(119, 100)
    'the records of 119 customers list this group, but its pages contain 100 customers'
    """
    content = "other customers" if n_listed == n_rows else pluralize(n_rows, "customer")
    listed = pluralize(n_listed, "customer")
    return f"{_CONTRADICTION}{listed}{_MISSING}{content}"


def repeated_note(problem: str, n_attempts: int) -> str:
    """
    Return the note for a list if each attempt to read it returned the same rows and had the same problem.

    Examples
    --------
    >>> repeated_note("the server reported a total of 636 rows but returned 500", 4)
    'in each of 4 attempts, the server reported a total of 636 rows but returned 500'
    """
    return f"in each of {n_attempts} attempts, {problem}"


def missing_reference_note(n: int) -> str:
    """
    Return the note for a group with members whose customer records do not list the group.

    Examples
    --------
    >>> missing_reference_note(3)
    'the records of 3 customers do not contain the uid of this group'
    """
    return f"the records of {pluralize(n, 'customer')} do not contain the uid of this group"


def groups_verdict(note: str) -> Verdict:
    """
    Return the verdict of a list of groups: "unverifiable" if there is a note about it, otherwise "consistent".

    Examples
    --------
    >>> groups_verdict(""), groups_verdict("1 record had no uid")
    ('consistent', 'unverifiable')
    """
    return "unverifiable" if note else "consistent"


def unlisted_groups_note(n_groups: int, n_customers: int) -> str:
    """
    Return the note for groups in customer records that are missing from the list of groups.

    Examples
    --------
    >>> unlisted_groups_note(8, 119)
    'the records of 119 customers list 8 groups that are not in the list of groups'
    >>> unlisted_groups_note(1, 1)
    'the records of 1 customer list 1 group that is not in the list of groups'
    """
    return (
        f"the records of {pluralize(n_customers, 'customer')} list {pluralize(n_groups, 'group')} that "
        f"{agree(n_groups, 'is', 'are')} not in the list of groups"
    )


def omitted_rows_note(n: int) -> str:
    """
    Return the note for rows that only a request in the reverse sort order returned.

    Examples
    --------
    >>> omitted_rows_note(1)
    'a request in the reverse sort order returned 1 row that the pages of the list do not contain'
    """
    return f"{_OMISSION}{pluralize(n, 'row')} that the pages of the list do not contain"


def states_missing_rows(note: str) -> bool:
    """
    Return True if a note states that the pages of a list lack rows that other responses contain.

    Examples
    --------
    >>> states_missing_rows(contradiction_note(119, 100)), states_missing_rows(omitted_rows_note(1))
    (True, True)
    >>> states_missing_rows(missing_reference_note(3))
    False
    """
    return note.startswith(_OMISSION) or _MISSING in note


def is_contradiction(note: str) -> bool:
    """
    Return True if a note states a contradiction that remains when the group is read again.

    The note states one of two contradictions. In the first case, the pages contradict the customer records. In the
    second case, each attempt to read the list returned the same rows and the same problem, such as a total that is
    larger than the number of rows.

    Examples
    --------
    >>> is_contradiction(contradiction_note(119, 100)), is_contradiction("3 records had no uid")
    (True, False)
    """
    return note.startswith(_CONTRADICTIONS)
