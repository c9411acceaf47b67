"""Describe where the customers of a plan come from: a list, a group expression, a rule, or a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from frgroups.internals.formatting import agree, escape_invisible, format_list, pluralize
from frgroups.internals.redaction import mask_explicit_contacts

OriginKind = Literal["list", "expression", "rule", "table"]

_MAX_SHOWN = 10


@dataclass(frozen=True, slots=True)
class CustomerOrigin:
    """
    Origin of the customers of one group in a plan.

    The digest of the plan does not cover the origin, because it does not affect the requests.

    Attributes
    ----------
    kind
        "list", "expression", "rule", or "table" (customers that were passed in Python).
    text
        File name of the list, group expression, or rule. Whitespace is collapsed, and email addresses and
        international phone numbers are masked. "" for a table.
    n_customers
        Number of different customers.
    n_rows
        Number of rows of a list that contain an id, including repeated ids. 0 for the other kinds.
    n_in_other_groups
        Number of selected customers who are assigned to a group with a higher priority instead of this group.
    unused_columns
        Names of the list columns that were not read. The names are masked in the same way as `text`.

    Examples
    --------
    >>> print(CustomerOrigin("list", "vip_may.csv", n_customers=1198, n_rows=1204))
    vip_may.csv, 1,204 rows with 1,198 different customers
    """

    kind: OriginKind
    text: str = ""
    n_customers: int = 0
    n_rows: int = 0
    n_in_other_groups: int = 0
    unused_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _masked(self.text))
        object.__setattr__(self, "unused_columns", tuple(map(_masked, self.unused_columns)))

    @property
    def texts(self) -> tuple[str, ...]:
        """The strings that a user has written: the file name, expression, or rule, and the column names."""
        return (self.text, *self.unused_columns)

    def redact(self, redact: Callable[[str], str]) -> CustomerOrigin:
        """Return a copy in which the strings in `texts` are replaced by the results of the function `redact`."""
        return replace(self, text=redact(self.text), unused_columns=tuple(map(redact, self.unused_columns)))

    def __str__(self) -> str:
        text = self._source_text()
        n = self.n_in_other_groups
        if n:
            text += f", {n:,} of whom {agree(n, 'belongs', 'belong')} to groups with a higher priority"
        return text

    def _source_text(self) -> str:
        text = escape_invisible(self.text)
        customers = pluralize(self.n_customers, "customer")
        if self.kind == "list":
            text = f"{text}, {pluralize(self.n_rows, 'row')}"
            if self.n_rows != self.n_customers:
                noun = agree(self.n_customers, "customer", "customers")
                text = f"{text} with {self.n_customers:,} different {noun}"
            if self.unused_columns:
                names = format_list([escape_invisible(name) for name in self.unused_columns], _MAX_SHOWN)
                text = f"{text} (columns not used: {names})"
            return text
        if self.kind == "expression":
            return f"the groups {text}, {customers}"
        if self.kind == "rule":
            return f"the rule {text}, {customers}"
        return f"a table, {customers}"


def list_origin(path: Path, *, n_customers: int, n_rows: int, unused_columns: tuple[str, ...] = ()) -> CustomerOrigin:
    """Return the origin of customers in a list. Only the file name is stored, because folders can contain names."""
    return CustomerOrigin("list", path.name, n_customers, n_rows, unused_columns=unused_columns)


def origin_texts(origins: Mapping[str, Sequence[CustomerOrigin]]) -> list[str]:
    """Return the strings in the attribute `texts` of all customer origins."""
    return [text for of_group in origins.values() for origin in of_group for text in origin.texts]


def _masked(text: str) -> str:
    return mask_explicit_contacts(" ".join(text.split()))


def origin_text(origins: Sequence[CustomerOrigin]) -> str:
    """
    Return the origins of one group's customers as a phrase, or "" if the origins are not known.

    Examples
    --------
    >>> origin_text([CustomerOrigin("list", "vip.csv", 3, 3), CustomerOrigin("expression", "vip - staff", 12)])
    'From: vip.csv, 3 rows; the groups vip - staff, 12 customers'
    """
    return f"From: {'; '.join(map(str, origins))}" if origins else ""
