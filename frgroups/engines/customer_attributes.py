"""
Counts and statistics of customer attributes, computed by a query engine such as DuckDB.

The customers of a group are compared with other customers. The same Narwhals expressions are used for all engines,
except for the conversion of timestamps to numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from frgroups.engines.frames import (
    CUSTOMER,
    GROUP,
    as_narwhals,
    check_exact,
    collect,
    count_true,
    import_narwhals,
    integers,
    read_columns,
    strings,
)
from frgroups.engines.upload import upload_table
from frgroups.errors import InputError
from frgroups.internals.counts import is_small
from frgroups.internals.typing import IntArray

if TYPE_CHECKING:
    from narwhals.stable.v2 import Expr, LazyFrame

ColumnKind = Literal["category", "flag", "number", "timestamp", "duration"]

_IS_IN, _IS_OTHER, _HAS_ROW = "is_in", "is_other", "has_row"
_US_PER_DAY = 86_400_000_000
_LARGEST = float(np.finfo(np.float64).max)


class AttributeColumn(NamedTuple):
    """Column of a frame of attributes, with the kind of its values and its unique alias in Narwhals expressions."""

    name: str
    kind: ColumnKind
    alias: str


class AttributeFrame(NamedTuple):
    """The attributes of customers, and the number of rows and of distinct customers in the frame."""

    frame: LazyFrame[Any]
    columns: list[AttributeColumn]
    n_rows: int
    n_customers: int


class SideCounts(NamedTuple):
    """
    The numbers of customers in a group and in the reference with which the group is compared.

    Attributes
    ----------
    n_in, n_versus, n_others
        The numbers of customers in the group, in the reference, and in the reference but not in the group.
    n_matched
        The number of customers who have a row of attributes.
    latest
        The latest value of each timestamp column among all customers in the frame of memberships, in microseconds
        since 1970. The keys are the aliases of the columns.
    """

    n_in: int
    n_versus: int
    n_others: int
    n_matched: int
    latest: dict[str, int]


class ValueCounts(NamedTuple):
    """
    The collected values of a category or flag, and the numbers of customers with each value.

    Attributes
    ----------
    labels
        The collected values.
    n_in, n_others
        For each collected value, the numbers of customers in the group, and in the reference but not in the group.
    n_values
        The number of all values, including values that were not collected.
    n_small
        The number of values for which `n_in` or `n_others` is small. See `ComparedCustomers.count_values`.
    """

    labels: list[str]
    n_in: IntArray
    n_others: IntArray
    n_values: int
    n_small: int


class NumberStatistics(NamedTuple):
    """
    Statistics of the known numbers of an attribute. `n` is the count of the known numbers.

    A statistic that is not defined is NaN, such as the variance of one number.
    """

    n: int
    mean: float
    median: float
    variance: float
    smallest: float
    largest: float


def read_attributes(data: Any, name: str, numeric_categories: Collection[str]) -> AttributeFrame:
    """
    Check the uids of a frame of attributes, and determine the kind of each column.

    Parameters
    ----------
    data
        Frame with the column customer_uid and one column per attribute.
    name
        Name of the argument that contains the frame, for error messages.
    numeric_categories
        Names of numeric columns that are treated as categories.

    Raises
    ------
    InputError
        If customer_uid does not exist or is not valid, if the type or the name of another column is not supported, or
        if the engine treats different values of a column as equal, for example because of a collation.
    """
    nw = import_narwhals()
    read_columns(data, [CUSTOMER], name)
    frame = as_narwhals(data)
    schema = frame.collect_schema()
    is_spark = frame.implementation.is_spark_like()
    columns = []
    for n, column in enumerate(column for column in schema.names() if column != CUSTOMER):
        kind = _column_kind(column, schema[column], name, numeric_categories, is_spark)
        columns.append(AttributeColumn(column, kind, f"value_{n}"))
    sizes = collect(
        frame.group_by(CUSTOMER)
        .agg(nw.len().alias("n_rows"))
        .select(nw.col("n_rows").sum(), nw.len().alias("n_customers"))
    )
    texts = [column.name for column in columns if column.kind == "category"]
    if texts:
        check_exact(frame.select(nw.col(*texts).cast(nw.String)), texts, name)
    values = [
        _as_value(nw.col(column.name), column.kind, schema[column.name], frame.implementation).alias(column.alias)
        for column in columns
    ]
    rows = frame.select(nw.col(CUSTOMER).cast(nw.String).alias("row_of_customer"), *values, nw.lit(1).alias(_HAS_ROW))
    return AttributeFrame(rows, columns, int(integers(sizes, "n_rows")[0]), int(integers(sizes, "n_customers")[0]))


class ComparedCustomers:
    """
    Customers of a group and of its reference in a query engine, with their attributes.

    Parameters
    ----------
    memberships
        Frame with the columns customer_group_uid and customer_uid, as returned by `read_memberships`.
    attributes
        The attributes of the customers. Customers without a row have missing values.
    group_uid
        Uid of the group.
    versus_uid
        Uid of another group, whose members are the reference. None selects all customers in `memberships`.
    """

    def __init__(
        self, memberships: LazyFrame[Any], attributes: AttributeFrame, group_uid: str, versus_uid: str | None
    ) -> None:
        self._nw = import_narwhals()
        self._columns = attributes.columns
        nw = self._nw
        is_other = nw.lit(1) if versus_uid is None else _has_group(versus_uid)
        customers = memberships.with_columns(_has_group(group_uid).alias(_IS_IN), is_other.alias(_IS_OTHER))
        self._customers = (
            customers.group_by(CUSTOMER)
            .agg(nw.col(_IS_IN).max(), nw.col(_IS_OTHER).max())
            .join(attributes.frame, left_on=CUSTOMER, right_on="row_of_customer", how="left")
        )

    def count_sides(self) -> SideCounts:
        """Count the customers in the group and in the reference, and find the latest timestamps. Collect one row."""
        nw = self._nw
        is_in, is_other = nw.col(_IS_IN) == 1, nw.col(_IS_OTHER) == 1
        times = [column.alias for column in self._columns if column.kind == "timestamp"]
        table = collect(
            self._customers.select(
                count_true(is_in).alias("n_in"),
                count_true(is_other).alias("n_versus"),
                count_true(is_other & ~is_in).alias("n_others"),
                nw.col(_HAS_ROW).sum().alias("n_matched"),
                *(nw.col(alias).max() for alias in times),
            )
        )
        n_in, n_versus, n_others, n_matched = (int(integers(table, name)[0]) for name in table.column_names[:4])
        return SideCounts(
            n_in, n_versus, n_others, n_matched, {alias: int(integers(table, alias)[0]) for alias in times}
        )

    def count_values(self, missing: str, min_count: int, top: int | None) -> dict[str, ValueCounts]:
        """
        Count the customers with each value of the categories and flags.

        Parameters
        ----------
        missing
            Label of the customers whose value is null or empty.
        min_count
            Counts from 1 to `min_count` - 1 are small.
        top
            Number of values to collect per attribute. Values without a small count are collected first, in descending
            order of their numbers of customers. Values with the same number of customers are sorted by label. None
            collects all values.

        Returns
        -------
        dict
            The counts of each attribute. The keys are the aliases of the columns.
        """
        aliases = [column.alias for column in self._columns if column.kind in ("category", "flag")]
        if not aliases:
            return {}
        counts = self._value_counts(aliases, missing, min_count)
        if top is not None:
            counts = counts.filter(self._nw.col("position") <= top)
        table = collect(counts.select("attribute", "label", "n_in", "n_others", "n_values", "n_small"))
        labels = strings(table, "label")
        attributes, n_in, n_others, n_values, n_small = (
            integers(table, name) for name in ("attribute", "n_in", "n_others", "n_values", "n_small")
        )
        result = {}
        for n, alias in enumerate(aliases):
            rows = np.flatnonzero(attributes == n)
            rows = rows[labels.take(rows).argsort()]
            first = rows[0]
            result[alias] = ValueCounts(
                list(labels.take(rows)), n_in[rows], n_others[rows], int(n_values[first]), int(n_small[first])
            )
        return result

    def measure_numbers(self, latest: dict[str, int]) -> dict[str, tuple[NumberStatistics, ...]]:
        """
        Compute the statistics of each numeric attribute. One row is collected.

        The keys of the result are the aliases of the columns. Each value contains the statistics of the customers in
        the group, of the other customers in the reference, and of all these customers. Durations are in days. A
        timestamp is converted to the number of days until the latest timestamp of the attribute. See `latest` in
        `SideCounts`.
        """
        nw = self._nw
        aliases = [column.alias for column in self._columns if column.kind not in ("category", "flag")]
        if not aliases:
            return {}
        days = {
            column.alias: (latest[column.alias] - nw.col(column.alias)).cast(nw.Float64) / _US_PER_DAY
            for column in self._columns
            if column.kind == "timestamp"
        }
        is_in = nw.col(_IS_IN) == 1
        statistics = []
        for alias in aliases:
            number = days.get(alias, nw.col(alias))
            sides = (nw.when(is_in).then(number), nw.when(~is_in).then(number), number)
            for side, values in enumerate(sides):
                statistics += [
                    values.count().alias(f"{alias}_{side}_n"),
                    values.mean().alias(f"{alias}_{side}_mean"),
                    values.median().alias(f"{alias}_{side}_median"),
                    values.var(ddof=1).alias(f"{alias}_{side}_variance"),
                    values.min().alias(f"{alias}_{side}_smallest"),
                    values.max().alias(f"{alias}_{side}_largest"),
                ]
        row = collect(self._both_sides().select(*statistics))
        return {alias: tuple(_read_statistics(row, f"{alias}_{side}") for side in range(3)) for alias in aliases}

    def _value_counts(self, aliases: Sequence[str], missing: str, min_count: int) -> LazyFrame[Any]:
        """
        Return one row per value of each attribute.

        The column `attribute` contains the position in `aliases`, and `label` contains the value. The column
        `position` numbers the values of an attribute from 1, in the order that `count_values` describes. The other
        columns are the numbers in `ValueCounts`.
        """
        nw = self._nw
        # A cross join repeats each customer for each attribute, so that one query counts all attributes.
        # The method `unpivot` is not used, because Narwhals does not support it for a DuckDB connection that is not
        # the default connection.
        numbers = upload_table(pa.table({"attribute": range(len(aliases))}), self._customers)
        values = [nw.when(nw.col("attribute") == n).then(nw.col(alias)) for n, alias in enumerate(aliases)]
        value = nw.coalesce(*values)
        label = nw.when(value != "").then(value).otherwise(nw.lit(missing)).alias("label")
        has_small_count = is_small(nw.col("n_in"), min_count) | is_small(nw.col("n_others"), min_count)
        order = ["is_small", "minus_n", "label"]
        return (
            self._both_sides()
            .select(_IS_IN, *aliases)
            .join(numbers, how="cross")
            .select(_IS_IN, "attribute", label)
            .group_by("attribute", "label")
            .agg(nw.col(_IS_IN).sum().alias("n_in"), (1 - nw.col(_IS_IN)).sum().alias("n_others"))
            .with_columns(
                nw.lit(1).alias("one"),
                nw.when(has_small_count).then(1).otherwise(0).alias("is_small"),
                (-nw.col("n_in") - nw.col("n_others")).alias("minus_n"),
            )
            .with_columns(
                nw.col("one").sum().over("attribute").alias("n_values"),
                nw.col("is_small").sum().over("attribute").alias("n_small"),
                nw.col("one").cum_sum().over("attribute", order_by=order).alias("position"),
            )
        )

    def _both_sides(self) -> LazyFrame[Any]:
        """Return the customers who are in the group or in the reference."""
        nw = self._nw
        return self._customers.filter((nw.col(_IS_IN) == 1) | (nw.col(_IS_OTHER) == 1))


def _column_kind(
    column: str, dtype: Any, name: str, numeric_categories: Collection[str], is_spark: bool
) -> ColumnKind:
    """Return the kind of a column, or raise InputError if its type or its name is not supported."""
    nw = import_narwhals()
    if column == "*" or (column.startswith("^") and column.endswith("$")):
        # Query engines interpret such a name as a pattern that selects several columns.
        raise InputError(
            f"The name of the column {column!r} of `{name}` is not supported in a query engine.",
            hint="Rename the column.",
        )
    if is_spark and ("." in column or "`" in column):
        # Narwhals passes the name to Spark, which would interpret a name with these characters as an expression.
        raise InputError(
            f"The name of the column {column!r} of `{name}` contains a dot or a backtick, which is not supported in "
            "Spark.",
            hint="Rename the column.",
        )
    if dtype == nw.Boolean:
        return "flag"
    if dtype.is_numeric():
        return "category" if column in numeric_categories else "number"
    if dtype in (nw.String, nw.Categorical, nw.Enum, nw.Date):
        return "category"
    if dtype == nw.Duration:
        return "duration"
    if dtype == nw.Datetime:
        if is_spark and dtype.time_zone is None:
            raise InputError(
                f"The column {column!r} of `{name}` contains timestamps without a time zone, which are not supported "
                "in Spark.",
                hint="Cast the column to TIMESTAMP.",
            )
        return "timestamp"
    raise InputError(
        f"The column {column!r} of `{name}` has the type {dtype}, which is not supported in a query engine.",
        hint="Convert the column to strings, numbers, or timestamps, or remove it.",
    )


def _as_value(column: Expr, kind: ColumnKind, dtype: Any, engine: Any) -> Expr:
    """
    Convert a column to the values that are compared.

    Categories and flags become strings, durations become days, and timestamps become microseconds since 1970.
    """
    nw = import_narwhals()
    values: Expr
    if kind == "flag":
        values = nw.when(column).then(nw.lit("yes")).otherwise(nw.when(~column).then(nw.lit("no")))
    elif kind == "category" and dtype.is_float():
        values = nw.when(~column.is_nan()).then(column.cast(nw.String))
    elif kind == "category":
        values = column.cast(nw.String)
    elif kind == "duration":
        values = column.dt.total_microseconds().cast(nw.Float64) / _US_PER_DAY
    elif kind == "number":
        numbers = column.cast(nw.Float64)
        # NaN and infinity become missing values.
        # The condition is False for NaN, because all engines sort NaN after all other numbers.
        values = nw.when((numbers <= _LARGEST) & (numbers >= -_LARGEST)).then(numbers)
    elif engine.is_spark_like():
        # Narwhals cannot convert timestamps to microseconds in Spark, so the timestamps are converted to seconds.
        # The error of this conversion is less than half a microsecond, so rounding returns the exact value.
        values = (column.cast(nw.Float64) * 1_000_000).round().cast(nw.Int64)
    elif engine.is_duckdb():
        # Narwhals translates this method to DuckDB's function epoch_us, which also accepts timestamps.
        # 1970-01-01 is not subtracted, because the result would depend on the daylight saving time of the
        # connection's time zone.
        values = column.dt.total_microseconds()
    else:
        values = column.dt.timestamp("us")
    return values


def _has_group(group_uid: str) -> Expr:
    nw = import_narwhals()
    is_member: Expr = nw.when(nw.col(GROUP) == group_uid).then(1).otherwise(0)
    return is_member


def _read_statistics(row: pa.Table, prefix: str) -> NumberStatistics:
    values = [row[f"{prefix}_{name}"][0].as_py() for name in NumberStatistics._fields[1:]]
    n = int(integers(row, f"{prefix}_n")[0])
    return NumberStatistics(n, *(np.nan if value is None else float(value) for value in values))
