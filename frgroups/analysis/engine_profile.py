"""Count the attribute values for a group profile in a query engine, such as DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from frgroups.analysis.attributes import DAYS_SINCE, MISSING, NUMBER, NUMERIC_CATEGORIES, Kind, check_names
from frgroups.analysis.customer_tables import no_known_customer, repeated_customers
from frgroups.analysis.disclosure_control import OmittedValues
from frgroups.analysis.effect_sizes import Moments
from frgroups.analysis.profile_counts import AttributeCounts, SideMoments, SideSizes, all_in_group
from frgroups.engines.customer_attributes import (
    AttributeColumn,
    AttributeFrame,
    ComparedCustomers,
    NumberStatistics,
    ValueCounts,
    read_attributes,
)
from frgroups.engines.frames import (
    CUSTOMER,
    GROUP,
    as_narwhals,
    check_same_engine,
    collect,
    distinct,
    is_engine_frame,
    read_memberships,
    strings,
)
from frgroups.engines.removed_snapshots import explain_removed_snapshots
from frgroups.internals.validation import wrong_type
from frgroups.snapshot.membership_matrix import MembershipMatrix

_NUMBER_LABELS = (NUMBER, MISSING)


@explain_removed_snapshots()
def count_profile(
    memberships: Any, group: Any, versus: Any, attributes: Any, *, min_count: int, top: int | None
) -> tuple[list[AttributeCounts], SideSizes]:
    """
    Count the customers with each attribute value, in a group and in its reference.

    The function collects at most one row per group, `top` rows per category or flag attribute, and five other rows
    from the query engine.

    Parameters
    ----------
    memberships
        Frame with the columns customer_group_uid and customer_uid.
    group
        Uid of the group.
    versus
        Uid of another group, "rest", or "all".
    attributes
        Frame of the same query engine, with the column customer_uid and one column per attribute.
    min_count, top
        The options of `group_profile`, which determine the values that are collected.

    Returns
    -------
    tuple
        The counts of each attribute, and the numbers of customers in the group and among the other customers.

    Raises
    ------
    InputError
        If an argument has the wrong type, the attributes are not valid, or all customers in the reference are in the
        group.
    GroupNotFoundError
        If a group is unknown.
    """
    for name, customers in (("group", group), ("versus", versus)):
        if not isinstance(customers, str):
            raise wrong_type(
                customers,
                name,
                "the uid of a group if `snapshot` is a frame of a query engine",
                hint="Lists of customers can only be compared if `snapshot` is a Snapshot.",
            )
    if not is_engine_frame(attributes):
        raise wrong_type(
            attributes,
            "attributes",
            "a frame of the same query engine as `snapshot`",
            hint="Pass a frame with the column customer_uid and one column per attribute. Convert a DataFrame with "
            "duckdb.from_df(table) or polars.from_pandas(table).lazy().",
        )
    check_same_engine(memberships, attributes, ("snapshot", "attributes"))
    check_names(name for name in as_narwhals(attributes).columns if name != CUSTOMER)
    frame = read_memberships(memberships, "snapshot")
    uids = strings(collect(distinct(frame, GROUP)), GROUP).sort_values()
    groups = MembershipMatrix.without_members(uids, uids)
    group_uid = groups.group_uid(group)
    is_all = versus in ("rest", "all")
    versus_uid = None if is_all else groups.group_uid(versus)
    attribute_frame = read_attributes(attributes, "attributes", NUMERIC_CATEGORIES)
    n_rows = attribute_frame.n_rows
    n_repeated = n_rows - attribute_frame.n_customers
    if n_repeated:
        raise repeated_customers("attributes", n_repeated, n_rows)
    compared = ComparedCustomers(frame, attribute_frame, group_uid, versus_uid)
    sides = compared.count_sides()
    if not is_all and not sides.n_others:
        raise all_in_group(sides.n_versus)
    if n_rows and not sides.n_matched:
        raise no_known_customer("attributes", n_rows, "in the snapshot")
    sizes = SideSizes(sides.n_in, sides.n_others, with_inside=versus == "all")
    values = compared.count_values(MISSING, min_count, top)
    numbers = compared.measure_numbers(sides.latest)
    return list(_read_counts(attribute_frame, sizes, values, numbers)), sizes


def _read_counts(
    attribute_frame: AttributeFrame,
    sizes: SideSizes,
    values: dict[str, ValueCounts],
    numbers: dict[str, tuple[NumberStatistics, ...]],
) -> Iterator[AttributeCounts]:
    """Convert the query results to one AttributeCounts per attribute, in the order of the attribute columns."""
    for column in attribute_frame.columns:
        if column.alias in numbers:
            yield _read_number(column, sizes, numbers[column.alias])
        else:
            yield _read_values(column, sizes, values[column.alias])


def _read_values(column: AttributeColumn, sizes: SideSizes, values: ValueCounts) -> AttributeCounts:
    omitted = OmittedValues(
        values.n_values - len(values.labels),
        sizes.n_in - int(values.n_in.sum()),
        sizes.n_others - int(values.n_others.sum()),
        has_small=values.n_small > 0,
    )
    kind: Kind = "flag" if column.kind == "flag" else "category"
    return AttributeCounts(column.name, kind, values.labels, values.n_in, values.n_others, omitted=omitted)


def _read_number(
    column: AttributeColumn, sizes: SideSizes, statistics: tuple[NumberStatistics, ...]
) -> AttributeCounts:
    name = column.name
    if column.kind == "timestamp":
        name = DAYS_SINCE + name.removeprefix(DAYS_SINCE)
    inside, others, both = map(_read_moments, statistics)
    n_in = np.array([inside.n, sizes.n_in - inside.n])
    n_others = np.array([others.n, sizes.n_others - others.n])
    occurring = np.flatnonzero(n_in + n_others)
    return AttributeCounts(
        name,
        "number",
        [_NUMBER_LABELS[code] for code in occurring],
        n_in[occurring],
        n_others[occurring],
        SideMoments(inside, others, both if sizes.with_inside else others),
    )


def _read_moments(statistics: NumberStatistics) -> Moments:
    """Convert statistics from a query engine to Moments. If all values are equal, the moments are exact."""
    if statistics.n and statistics.smallest == statistics.largest:
        return Moments.from_equal_values(statistics.n, statistics.smallest)
    return Moments(statistics.n, statistics.mean, statistics.median, statistics.variance)
