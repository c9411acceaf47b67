"""Profiles that compare the attributes of a group's customers with the attributes of other customers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from frgroups.analysis.attributes import NUMBER, Attribute, AttributeSelection, customer_attributes
from frgroups.analysis.disclosure_control import check_min_count, suppressed_rows
from frgroups.analysis.effect_sizes import cohens_h, p_value_of_means, p_value_of_shares, standardized_difference
from frgroups.analysis.engine_profile import count_profile
from frgroups.analysis.profile_counts import AttributeCounts, SideMoments, Sides, SideSizes, all_in_group
from frgroups.analysis.significance import benjamini_hochberg
from frgroups.engines.frames import is_engine_frame
from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import BoolArray, IntArray
from frgroups.internals.validation import as_list, check_number, check_type
from frgroups.snapshot.customer_masks import align_mask, is_mask
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
    snapshot: Any,
    group: Customers,
    *,
    versus: Customers = "rest",
    attributes: Any = None,
    min_count: int = 5,
    top: int | None = 10,
) -> pd.DataFrame:
    """
    Compare the attributes of a group's customers with the attributes of other customers.

    Parameters
    ----------
    snapshot
        The Snapshot that contains the customers. It can also be a frame of a query engine, such as DuckDB or Spark,
        with the columns customer_group_uid and customer_uid. The engine then counts the customers in the frame.
    group
        A group by uid or unique name, a list of customer uids such as ``fg.members(snapshot, "VIP - staff")``, or a
        boolean Series with the index of `snapshot.customers` or an index of customer uids, in any order. If
        `snapshot` is a frame, only the uid of a group is accepted.
    versus
        The customers to compare with, called the reference:

        - "rest": all other customers in the snapshot
        - "all": all customers in the snapshot
        - another group, list of customer uids, or boolean Series. Customers who are also in `group` are left out of
          the reference. If `snapshot` is a frame, only the uid of a group is accepted.
    attributes
        A list of attribute names. None selects the default attributes: customer_type, country_code, postal_area,
        default_store_name, origin, pricelist_uid, payment_terms, account_manager_uid, has_email, has_mobile,
        has_loyalty_id, has_vat_number, consents, credit_limit, credit_balance, days_since_created_at, and
        n_other_groups. A name can be a column of `snapshot.customers` or one of these derived attributes:

        - postal_area: the country and the first two characters of the postal code
        - consents: one attribute per consent, with the values given, withdrawn, none, and (missing)
        - n_other_groups: the number of other groups that the customer is in
        - days_since_X: the days from the timestamp column X to `snapshot.taken_at`. For example,
          days_since_created_at is the age of the customer record.

        You can also pass a DataFrame with one row per customer and one column per attribute. The column customer_uid
        or the index identifies the customers. If `snapshot` is a frame, `attributes` must be a frame of the same
        engine with the column customer_uid and one row per customer.

        Numbers, timestamps, and durations are compared by their means. All other attributes, and payment_terms, are
        compared by value. Columns that identify persons are rejected, even in a snapshot loaded with
        ``personal=True``.
    min_count
        Counts from 1 to `min_count` - 1 are suppressed, and so are other counts that would reveal these counts. 0
        disables suppression.
    top
        The largest number of values to show per attribute. Values with fewer customers are combined into "(other)".
        None shows all values.

    Returns
    -------
    DataFrame
        The attributes are in the given order. The values of an attribute are sorted by effect size (strongest first),
        followed by "(other)" and by the suppressed values in alphabetical order. The columns are `float64` unless
        stated otherwise:

        - attribute, value, kind (`str`): kind is "category", "flag" (yes or no), or "number". Missing and empty
          values form the value "(missing)". A number has the value "(number)", which represents the customers with a
          known number.
        - n_in, n_ref (`Int64`): the customers with this value in the group and in the reference
        - share_in, share_ref: these counts divided by the number of customers in the group and in the reference
        - index: 100 share_in / share_ref, so 100 means no difference. For "(number)", 100 mean_in / mean_ref.
        - difference_pp: 100 (share_in - share_ref), in percentage points
        - effect_size: Cohen's h [1]_, 2 asin(sqrt(share_in)) - 2 asin(sqrt(share_ref)). 0.2 is small, and 0.8 is
          large. For "(number)", the standardized difference of the means [1]_ [2]_, (mean_in - mean_ref) /
          sqrt((var_in + var_ref) / 2).
        - p_value: the two-sided p-value of the difference between the group and the customers of the reference who
          are not in the group. It is based on the chi-square test, or on Fisher's exact test if an expected count is
          below 5. For "(number)", it is based on Welch's t-test.
        - q_value: p_value adjusted for multiple tests over all visible rows [3]_
        - mean_in, mean_ref, median_in, median_ref: only for "(number)", otherwise NaN
        - suppressed (`bool`): True if the numbers of the row are suppressed

        Values are NaN if a denominator is 0, or if a numeric attribute has no variance. If `snapshot` is a frame, the
        counts are equal to those in memory, and means and medians normally have a relative error of at most 1e-12. In
        a frame, a timestamp is converted to the number of days until the latest timestamp of the attribute
        among the customers in the frame of memberships.

    Raises
    ------
    InputError
        If a customer or an attribute is unknown, an attribute identifies persons, or all customers of `versus` are
        also in the group. For frames, the error is also raised if `snapshot` and `attributes` belong to different
        engines, or if the type of an attribute is not supported.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    See Also
    --------
    compare_groups : Compare the customers who are in only one of two groups.

    Notes
    -----
    **Suppression.** If only one value were suppressed, its count could be computed from the size of the group.
    Therefore, further values are suppressed until at least `min_count` different numbers are possible for each
    suppressed count, even for a reader who knows this rule. If no value of an attribute can be shown, the attribute
    has one row with the value "(suppressed)". If `top` combines values into "(other)", small values are included
    there instead.

    The rule protects each attribute of one table. It does not protect against a comparison of two groups that differ
    in few customers. Nor does it protect attributes that always occur together, such as companies and VAT numbers. If
    one customer has nearly the total amount of an attribute, the mean can reveal this customer's value.

    **Significance.** With many customers, nearly all p-values are tiny. Sort by effect_size first, and then use
    q_value to exclude differences that might be due to chance. The values of an attribute are tested separately,
    although they depend on each other.

    References
    ----------
    .. [1] Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences, 2nd edition.
    .. [2] Austin, P. C. (2011). An introduction to propensity score methods. Multivariate Behavioral Research 46.
    .. [3] Benjamini, Y., and Hochberg, Y. (1995). Controlling the false discovery rate. Journal of the Royal
       Statistical Society B 57.

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
    _check_options(min_count, top)
    if is_engine_frame(snapshot):
        counts, sizes = count_profile(snapshot, group, versus, attributes, min_count=min_count, top=top)
        return _build_profile(counts, sizes, min_count, top)
    inside = _customer_mask(snapshot, group, "group")
    if isinstance(versus, str) and versus in ("rest", "all"):
        sides = Sides(inside, ~inside, with_inside=versus == "all")
        selected = customer_attributes(snapshot, attributes, excluded_groups=_group_uids(snapshot, group))
        return _profile_in_memory(selected, sides, min_count, top)
    others = _customer_mask(snapshot, versus, "versus")
    if others.any() and not (others & ~inside).any():
        raise all_in_group(int(others.sum()))
    selected = customer_attributes(snapshot, attributes, excluded_groups=_group_uids(snapshot, group, versus))
    return _profile_in_memory(selected, Sides(inside, others & ~inside), min_count, top)


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
    Compare the customers who are only in group `a` with the customers who are only in group `b`.

    Customers who are in both groups are left out, because they do not distinguish the groups. To compare a group with
    the rest of a larger group that contains it, use ``group_profile(snapshot, a, versus=b)``.

    Parameters
    ----------
    snapshot
        The snapshot that contains the customers.
    a, b
        The groups to compare, each by uid or unique name, or as a list of customer uids or a boolean Series as in
        `group_profile`.
    attributes, min_count, top
        As in `group_profile`.

    Returns
    -------
    DataFrame
        A table with the columns of `group_profile`. The columns n_in, share_in, mean_in, and median_in refer to the
        customers in `a` but not in `b`. The columns n_ref, share_ref, mean_ref, and median_ref refer to the customers
        in `b` but not in `a`.

    Raises
    ------
    InputError
        If a customer or an attribute is unknown, an attribute identifies persons, or all customers of one group are
        also in the other group.
    GroupNotFoundError
        If a group is unknown, or its name is not unique.

    Examples
    --------
    >>> both = compare_groups(sample_snapshot(), "all", "staff", min_count=0, attributes=["has_email"])
    >>> both[["value", "n_in", "n_ref"]]
      value  n_in  n_ref
    0    no    50      0
    1   yes   200      1
    """
    _check_options(min_count, top)
    in_a, in_b = _customer_mask(snapshot, a, "a"), _customer_mask(snapshot, b, "b")
    for name, inside, others in (("a", in_a, in_b), ("b", in_b, in_a)):
        if inside.any() and not (inside & ~others).any():
            raise InputError(
                f"`{name}` must contain customers who are not in the other group, but all "
                f"{int(inside.sum()):,} customers are in the other group.",
                hint="To compare a group with the rest of a larger group, use group_profile(snapshot, a, versus=b).",
                cli_hint="To compare a group with the rest of a larger group, run frgroups table group_profile.",
            )
    selected = customer_attributes(snapshot, attributes, excluded_groups=_group_uids(snapshot, a, b))
    return _profile_in_memory(selected, Sides(in_a & ~in_b, in_b & ~in_a), min_count, top)


def _customer_mask(snapshot: Snapshot, customers: Customers, name: str) -> BoolArray:
    """Return a mask that is True for each customer in a group, in a list of customer uids, or in another mask."""
    check_type(snapshot, Snapshot, "snapshot")
    matrix = snapshot.matrix
    mask = np.zeros(matrix.n_customers, dtype=np.bool_)
    if isinstance(customers, str):
        mask[matrix.row(matrix.group_code_of(customers))] = True
        return mask
    if is_mask(customers):
        return align_mask(customers, snapshot.customers, f"`{name}`")
    uids = as_list(customers, name)
    invalid = [uid for uid in uids if not isinstance(uid, str)]
    if invalid:
        raise InputError(
            f"`{name}` must be a group or a list of customer uids, but the list contains {safe_repr(invalid[0])}."
        )
    codes = matrix.customer_uids.get_indexer(pd.Index(uids, dtype="str"))
    if n_unknown := int((codes < 0).sum()):
        raise InputError(f"{n_unknown:,} of {len(uids):,} customer uids in `{name}` are not in the snapshot.")
    mask[codes] = True
    return mask


def _group_uids(snapshot: Snapshot, *groups: Customers) -> list[str]:
    """Return the uids of the given groups. Arguments that are lists or masks of customers are ignored."""
    return [snapshot.group_uid(group) for group in groups if isinstance(group, str)]


def _check_options(min_count: int, top: int | None) -> None:
    """Raise InputError if an option of a profile is invalid."""
    check_min_count(min_count)
    if top is not None:
        check_number(top, "top", at_least=1, whole=True)


def _profile_in_memory(
    attributes: Iterable[Attribute], sides: Sides, min_count: int, top: int | None
) -> pd.DataFrame:
    """Create a profile table from the attributes of customers in memory."""
    counts = (AttributeCounts.from_attribute(attribute, sides) for attribute in attributes)
    return _build_profile(counts, sides.sizes, min_count, top)


def _build_profile(
    attributes: Iterable[AttributeCounts], sizes: SideSizes, min_count: int, top: int | None
) -> pd.DataFrame:
    """Create a profile table, and compute the q-values over all rows of the table."""
    rows = [row for counts in attributes for row in _attribute_rows(counts, sizes, min_count, top)]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    return table.assign(q_value=benjamini_hochberg(table["p_value"].to_numpy()))


def _attribute_rows(counts: AttributeCounts, sizes: SideSizes, min_count: int, top: int | None) -> list[Row]:
    """
    Return the profile rows of an attribute.

    Rows with visible values are sorted by effect size. They are followed by the row "(other)" and by suppressed rows.
    """
    n_in, n_others, omitted = counts.n_in, counts.n_others, counts.omitted
    hide = suppressed_rows(n_in, n_others, min_count=min_count, top=top, omitted=omitted)
    labels = [label for label, is_hidden in zip(counts.labels, hide, strict=True) if not is_hidden]
    rows = _share_rows(labels, n_in[~hide], n_others[~hide], sizes)
    rows = sorted((row | _compare_means(counts.moments, row["value"]) for row in rows), key=_strength_key)
    n_values, n_hidden = len(hide) + omitted.n_values, int(hide.sum()) + omitted.n_values
    if n_hidden and not labels:
        rows.append({"value": SUPPRESSED, "suppressed": True})
    elif n_hidden and top is not None and n_values > top:
        n_in_hidden = n_in[hide].sum(keepdims=True) + omitted.n_in
        n_others_hidden = n_others[hide].sum(keepdims=True) + omitted.n_ref
        rows += _share_rows([OTHER], n_in_hidden, n_others_hidden, sizes)
    else:
        hidden = sorted(label for label, is_hidden in zip(counts.labels, hide, strict=True) if is_hidden)
        rows += [{"value": label, "suppressed": True} for label in hidden]
    return [{"attribute": counts.name, "kind": counts.kind} | row for row in rows]


def _share_rows(labels: list[str], n_in: IntArray, n_others: IntArray, sizes: SideSizes) -> list[Row]:
    """Return a profile row for each attribute value, with the shares of the customers who have this value."""
    size_in, size_others = sizes.n_in, sizes.n_others
    n_ref, size_ref = n_others, size_others
    if sizes.with_inside:
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


def _compare_means(moments: SideMoments | None, label: str) -> Row:
    """
    Return the profile columns that compare the group's mean with the reference mean.

    The result is empty for attribute values other than "(number)", because only numbers have a mean.
    """
    if moments is None or label != NUMBER:
        return {}
    inside, others, reference = moments
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
    """Return the key that sorts profile rows by effect size, strongest first and NaN last."""
    # The effect sizes of "yes" and "no" have the same absolute value, except for floating-point errors.
    # The effect sizes are rounded so that these two rows are sorted by value.
    strength = round(abs(row["effect_size"]), 12)
    return np.isnan(strength), -strength, row["value"]
