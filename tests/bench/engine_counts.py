"""Count memberships in DuckDB with frgroups, and with equivalent SQL statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import frgroups as fg
from tests.bench.child import Stopwatch

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Repeated memberships are counted once, as in frgroups.
_SIZES = """
    WITH m AS (SELECT DISTINCT customer_group_uid, customer_uid FROM memberships),
    n AS (SELECT customer_uid, count(*) AS n_groups FROM m GROUP BY customer_uid)
    SELECT customer_group_uid, count(*) AS n_members, count(*) FILTER (n_groups = 1) AS n_exclusive
    FROM m JOIN n USING (customer_uid) GROUP BY customer_group_uid
"""
_PAIRS = """
    WITH m AS (SELECT DISTINCT customer_group_uid AS g, customer_uid AS c FROM memberships),
    s AS (SELECT g, count(*) AS n FROM m GROUP BY g),
    p AS (
        SELECT a.g AS group_a, b.g AS group_b, count(*) AS n_both
        FROM m AS a JOIN m AS b ON a.c = b.c AND a.g < b.g GROUP BY ALL
    )
    SELECT group_a, group_b, a.n AS n_a, b.n AS n_b, n_both
    FROM p JOIN s AS a ON a.g = group_a JOIN s AS b ON b.g = group_b
"""
_CHANGES = """
    WITH joined AS (FROM later EXCEPT FROM memberships), gone AS (FROM memberships EXCEPT FROM later)
    SELECT *, 'joined' AS change, true AS still_seen FROM joined
    UNION ALL
    SELECT *, 'left', customer_uid IN (SELECT customer_uid FROM later) FROM gone
"""


def sizes(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Count the members of each group with `group_sizes`."""
    connection = _connect(path)
    with clock:
        table = fg.group_sizes(connection.table("memberships"))
    return _facts(table, "n_members", "n_exclusive")


def sizes_by_sql(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Count the members and the exclusive members of each group with SQL."""
    connection = _connect(path)
    with clock:
        table = connection.sql(_SIZES).df()
    return _facts(table, "n_members", "n_exclusive")


def pairs(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Compute the table of group pairs with `overlap_pairs`."""
    connection = _connect(path)
    with clock:
        table = fg.overlap_pairs(connection.table("memberships"), min_both=1)
    return _facts(table, "n_a", "n_b", "n_both")


def pairs_by_sql(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Compute the sizes and the common customers of each pair of groups with a self-join in SQL."""
    connection = _connect(path)
    with clock:
        table = connection.sql(_PAIRS).df()
    return _facts(table, "n_a", "n_b", "n_both")


def changes(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Compute the differences between two tables with `membership_changes`."""
    connection = _connect(path)
    with clock:
        table = fg.membership_changes(connection.table("memberships"), connection.table("later")).df()
    return _facts(table, "still_seen")


def changes_by_sql(clock: Stopwatch, *, path: str) -> dict[str, int]:
    """Compute the differences between two tables with EXCEPT in SQL."""
    connection = _connect(path)
    with clock:
        table = connection.sql(_CHANGES).df()
    return _facts(table, "still_seen")


def _connect(path: str) -> duckdb.DuckDBPyConnection:
    """Return a database with the memberships in mixed order, and later memberships of which 1% differ."""
    import duckdb

    connection = duckdb.connect()
    snapshot = fg.read_snapshot(path).memberships
    connection.register("snapshot", snapshot)
    connection.execute("CREATE TABLE memberships AS FROM snapshot ORDER BY hash(customer_group_uid, customer_uid)")
    # A change of the last character of the uid adds customers who are in no group of the earlier table.
    connection.execute("""
        CREATE TABLE later AS SELECT customer_group_uid, CASE WHEN hash(customer_uid, customer_group_uid) % 100 = 0
        THEN left(customer_uid, -1) || 'x' ELSE customer_uid END AS customer_uid FROM memberships
    """)
    connection.unregister("snapshot")
    fg.group_sizes(connection.sql("FROM memberships LIMIT 1"))  # Load the modules that are imported on first use.
    return connection


def _facts(table: pd.DataFrame, *columns: str) -> dict[str, Any]:
    """Return the facts that are compared: the number of rows and the sums of columns."""
    sums = sum(place * int(table[column].sum()) for place, column in enumerate(columns, start=1))
    return {"memberships": len(table), "customers": 0, "digest": sums}
