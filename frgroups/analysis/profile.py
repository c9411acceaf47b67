"""Profiles of groups: attributes of the customers of a group, compared with other customers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.attributes import NUMBER, Attribute, AttributeSelection, customer_attributes
from frgroups.analysis.disclosure_control import check_min_count, suppressed_rows
from frgroups.analysis.effect_sizes import (
    Moments,
    cohens_h,
    p_value_of_means,
    p_value_of_shares,
    standardized_difference,
)
from frgroups.analysis.significance import benjamini_hochberg
from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.internals.validation import as_list, check_number, check_type
from frgroups.snapshot.snapshot import Snapshot

Row = dict[str, Any]

OTHER, SUPPRESSED = "(other)", "(suppressed)"


Customers = str | Iterable[str]

_COLUMNS = {
    **dict.fromkeys(["attribute", "value", "kind"], "str"),
    **{"n_in": "Int64", "share_in": "float64", "n_ref": "Int64", "share_ref": "float64"},
    **dict.fromkeys(["index", "difference_pp", "effect_size", "p_value", "q_value"], "float64"),
    **dict.fromkeys(["mean_in", "mean_ref", "median_in", "median_ref"], "float64"),
    "suppressed": "bool",
}


def group_profile(
    snapshot: Snapshot,
    group: Customers,
    *,
    versus: Customers = "rest",
    attributes: AttributeSelection = None,
    min_count: int = 5,
    top: int | None = 10,
) -> pd.DataFrame:
    """
    Compare the attributes of the customers of a group with those of other customers.

    Parameters
    ----------
    group
        A group by uid or unique name; or customer uids, such as `fg.members(snapshot, "VIP - staff")` gives.
    versus
        Whom to compare with: "rest" (all customers seen who are not in the group), "all" (all customers seen), or
        another group or customers, as `group`: those of them who are not in the group.
    attributes
        Names, in the order wanted: columns of `snapshot.customers`, and postal_area (country and the first two
        characters of the postal code), consents (one attribute for each: given, withdrawn or none),
        n_other_groups, and days_since_X, the days from a column X of moments to taken_at (days_since_created_at
        is how long someone has been a customer). None takes the usual ones, all but city and postal_code.
        Or a table of your own with a row per customer, on an index or a column of customer uids: its columns.
        Numbers and moments are compared by their means, all else (payment_terms too) by value. What names a
        person is refused, in a snapshot loaded with personal=True too.
    min_count
        A count of 1 to min_count - 1 customers is not shown, see below; 0 shows everything.
    top
        So many values of an attribute, those with the most customers; None takes all. The others are "(other)".

    Returns
    -------
    DataFrame
        Attributes in the order asked for; within one the strongest effect first, then "(other)", then suppressed
        values in the order of the alphabet. `float64` unless said otherwise:

        - attribute, value, kind (`str`): kind is "category", "flag" (yes or no) or "number". A missing or empty
          value is "(missing)", a row like any other. Of a number, the row "(number)" is about those who have one.
        - n_in, n_ref (`Int64`): the customers with this value in the group, and in the reference
        - share_in, share_ref: of all in the group, and in the reference
        - index: 100 share_in / share_ref; 100 is the same. Of "(number)" 100 mean_in / mean_ref
        - difference_pp: 100 (share_in - share_ref), in percentage points
        - effect_size: Cohen's h (1988), 2 asin(sqrt(share_in)) - 2 asin(sqrt(share_ref)); 0.2 is small, 0.8 large.
          Of "(number)" the standardised difference of the means (Cohen 1988, Austin 2011),
          (mean_in - mean_ref) / sqrt((var_in + var_ref) / 2)
        - p_value: two-sided, against the reference without the group: chi-square of two shares, or Fisher's exact
          test where it expects a count below 5; of "(number)" Welch's t (1947)
        - q_value: p after Benjamini & Hochberg (1995) over all rows of the table that are shown
        - mean_in, mean_ref, median_in, median_ref: of "(number)", else NaN
        - suppressed (`bool`): whether the numbers of this row are left out

        NaN where a denominator is 0 or nothing varies.

    Notes
    -----
    *Suppression.* What is left out could be computed from the size of the group, so further values are left out
    until it cannot: any reader, even one who knows this rule, is left with at least `min_count` numbers that each
    of them could be (see `suppressed_rows`). An attribute of which nothing can be shown has one row, "(suppressed)".
    Where `top` cuts, small values go to "(other)" instead. This protects each attribute of one table: the tables of
    two groups that differ in few customers can still be subtracted, attributes that always go together (companies
    and VAT numbers) be set side by side, and a mean can tell much of one customer with nearly all of the money.

    *Significance.* Among many customers nearly every p is tiny. Look at effect_size first and q_value second. The
    values of one attribute are tested one by one, and depend on each other.

    Raises
    ------
    InputError
        An unknown group, customer or attribute; an attribute that names persons; nobody in `versus` who is not in
        the group.

    Examples
    --------
    >>> snapshot = sample_snapshot()
    >>> companies = snapshot.customers.query("customer_type == 'B2B'")["customer_uid"]
    >>> profile = group_profile(snapshot, companies, attributes=["has_email", "has_mobile", "credit_limit"])
    >>> profile[["attribute", "value", "n_in", "n_ref", "index", "suppressed"]]
          attribute         value  n_in  n_ref  index  suppressed
    0     has_email            no    10     40  602.5       False
    1     has_email           yes     0    201    0.0       False
    2    has_mobile  (suppressed)  <NA>   <NA>    NaN        True
    3  credit_limit      (number)    10    241    NaN       False
    """
    inside = _customer_mask(snapshot, group, "group")
    if isinstance(versus, str) and versus in ("rest", "all"):
        sides = _Sides(inside, ~inside, with_inside=versus == "all")
        selected = customer_attributes(snapshot, attributes, excluded_groups=_group_uids(snapshot, group))
        return _build_profile(selected, sides, min_count, top)
    others = _customer_mask(snapshot, versus, "versus")
    if others.any() and not (others & ~inside).any():
        raise InputError(
            f"All {int(others.sum()):,} customers of versus are in the group too, so nobody is left to compare with."
        )
    selected = customer_attributes(snapshot, attributes, excluded_groups=_group_uids(snapshot, group, versus))
    return _build_profile(selected, _Sides(inside, others & ~inside), min_count, top)


def compare_groups(
    snapshot: Snapshot,
    a: Customers,
    b: Customers,
    *,
    attributes: AttributeSelection = None,
    min_count: int = 5,
    top: int | None = 10,
) -> pd.DataFrame:
    """
    Compare the customers who are only in group `a` with those who are only in group `b`.

    Customers in both are left out: they cannot tell the groups apart, and no test takes one person for two. To
    compare a group with the rest of a larger one it is part of, use ``group_profile(snapshot, a, versus=b)``.

    Parameters and columns are those of `group_profile`: n_in, share_in and mean_in are of `a` without `b`, n_ref,
    share_ref and mean_ref of `b` without `a`.

    Raises
    ------
    InputError
        As `group_profile`; and where all customers of one group are in the other too.

    Examples
    --------
    >>> both = compare_groups(sample_snapshot(), "all", "staff", min_count=0, attributes=["has_email"])
    >>> both[["value", "n_in", "n_ref"]]
      value  n_in  n_ref
    0    no    50      0
    1   yes   200      1
    """
    in_a, in_b = _customer_mask(snapshot, a, "a"), _customer_mask(snapshot, b, "b")
    for name, inside, others in (("a", in_a, in_b), ("b", in_b, in_a)):
        if inside.any() and not (inside & ~others).any():
            raise InputError(
                f"All {int(inside.sum()):,} customers of {name} are in the other group too, nothing is left. "
                "group_profile(snapshot, part, versus=larger) compares a group with the rest of a larger one."
            )
    selected = customer_attributes(snapshot, attributes, excluded_groups=_group_uids(snapshot, a, b))
    return _build_profile(selected, _Sides(in_a & ~in_b, in_b & ~in_a), min_count, top)


def _customer_mask(snapshot: Snapshot, customers: Customers, name: str) -> BoolArray:
    """Return True for each customer of the snapshot who is in a group or in a list of customer uids."""
    check_type(snapshot, Snapshot, "snapshot")
    matrix = snapshot.matrix
    mask = np.zeros(matrix.n_customers, dtype=np.bool_)
    if isinstance(customers, str):
        mask[matrix.member_codes(customers)] = True
        return mask
    uids = as_list(customers, name)
    invalid = [uid for uid in uids if not isinstance(uid, str)]
    if invalid:
        raise InputError(
            f"{name} holds {safe_repr(invalid[0])}; give a group by uid or name, or customer uids, which are text."
        )
    codes = matrix.customer_uids.get_indexer(pd.Index(uids, dtype="str"))
    if n_unknown := int((codes < 0).sum()):
        raise InputError(f"{n_unknown:,} of the {len(uids):,} customer uids of {name} are not in this snapshot.")
    mask[codes] = True
    return mask


def _group_uids(snapshot: Snapshot, *groups: Customers) -> list[str]:
    return [snapshot.group_uid(group) for group in groups if isinstance(group, str)]


def _build_profile(attributes: Iterable[Attribute], sides: _Sides, min_count: int, top: int | None) -> pd.DataFrame:
    check_min_count(min_count)
    if top is not None:
        check_number(top, "top", at_least=1, whole=True)
    rows = [row for attribute in attributes for row in _attribute_rows(attribute, sides, min_count, top)]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    return table.assign(q_value=benjamini_hochberg(table["p_value"].to_numpy()))


@dataclass(frozen=True, eq=False)
class _Sides:
    """Two disjoint sets of customers to compare, so that they can be tested for a difference."""

    inside: BoolArray
    others: BoolArray
    with_inside: bool = False  # whether the reference contains both sets

    @property
    def reference(self) -> BoolArray:
        """The customers with whom the group is compared."""
        if self.with_inside:
            return self.inside | self.others
        return self.others


def _attribute_rows(attribute: Attribute, sides: _Sides, min_count: int, top: int | None) -> list[Row]:
    """Return the rows of an attribute: the strongest effect first, then "(other)", then suppressed values."""
    n_labels = len(attribute.labels)
    n_in = np.bincount(attribute.code[sides.inside], minlength=n_labels)
    n_others = np.bincount(attribute.code[sides.others], minlength=n_labels)
    occurring = np.flatnonzero(n_in + n_others)
    hide = suppressed_rows(n_in[occurring], n_others[occurring], min_count=min_count, top=top)
    visible, hidden = occurring[~hide], occurring[hide]
    rows = _share_rows([attribute.labels[code] for code in visible], n_in[visible], n_others[visible], sides)
    rows = sorted((row | _compare_means(attribute, row["value"], sides) for row in rows), key=_strength_key)
    if len(hidden) and not len(visible):
        rows.append({"value": SUPPRESSED, "suppressed": True})
    elif len(hidden) and top is not None and len(occurring) > top:
        n_in_hidden, n_others_hidden = n_in[hidden].sum(keepdims=True), n_others[hidden].sum(keepdims=True)
        rows += _share_rows([OTHER], n_in_hidden, n_others_hidden, sides)
    else:
        labels = sorted(attribute.labels[code] for code in hidden)
        rows += [{"value": label, "suppressed": True} for label in labels]
    return [{"attribute": attribute.name, "kind": attribute.kind} | row for row in rows]


def _share_rows(labels: list[str], n_in: IntArray, n_others: IntArray, sides: _Sides) -> list[Row]:
    """Return a row for each label that compares the shares of the customers with this label."""
    size_in, size_others = int(sides.inside.sum()), int(sides.others.sum())
    n_ref, size_ref = n_others, size_others
    if sides.with_inside:
        n_ref, size_ref = n_in + n_others, size_in + size_others
    with np.errstate(divide="ignore", invalid="ignore"):
        share_in, share_ref = n_in / np.float64(size_in), n_ref / np.float64(size_ref)
        columns = {
            "value": labels,
            "n_in": n_in,
            "share_in": share_in,
            "n_ref": n_ref,
            "share_ref": share_ref,
            "index": 100 * np.where(share_ref > 0, share_in / share_ref, np.nan),
            "difference_pp": 100 * (share_in - share_ref),
            "effect_size": cohens_h(share_in, share_ref),
            "p_value": p_value_of_shares(n_in, size_in, n_others, size_others),
        }
    return [dict(zip(columns, row, strict=True), suppressed=False) for row in zip(*columns.values(), strict=True)]


def _compare_means(attribute: Attribute, label: str, sides: _Sides) -> Row:
    """Return the columns of the row "(number)", which compares means; nothing for another row."""
    if attribute.numbers is None or label != NUMBER:
        return {}
    known = attribute.code == attribute.labels.index(NUMBER)
    inside = Moments.from_values(attribute.numbers[sides.inside & known])
    reference = Moments.from_values(attribute.numbers[sides.reference & known])
    others = Moments.from_values(attribute.numbers[sides.others & known])
    return {
        "index": 100 * inside.mean / reference.mean if reference.mean > 0 else np.nan,
        "difference_pp": np.nan,
        "effect_size": standardized_difference(inside, reference),
        "p_value": p_value_of_means(inside, others),
        "mean_in": inside.mean,
        "mean_ref": reference.mean,
        "median_in": inside.median,
        "median_ref": reference.median,
    }


def _strength_key(row: Row) -> tuple[bool, float, str]:
    # Rounded, because the effects of yes and no are equal except for rounding errors.
    strength = round(abs(row["effect_size"]), 12)
    return np.isnan(strength), -strength, row["value"]
