"""Measure analysis functions of frgroups, compared with other libraries that compute the same results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from tests.bench.measures import Row, Scale, compared, not_installed
from tests.bench.memberships import stored_snapshot
from tests.bench.runs import Job, Run, check_agreement, rounds

_PACKAGES = {"duckdb", "numba", "pyroaring"}
_NAMES = {
    "self_merge": "pandas self-merge",
    "scipy": "scipy.sparse M.T @ M",
    "duckdb": "DuckDB self-join",
    "numba": "numba loop (the limit)",
    "pyroaring": "pyroaring, every two",
}
_MOST_MB = 1500.0
_MOST_MB_OF_PAIRS = 500.0
_MOST_HASHING_TIMES = 2.0
# The largest ratios of the CPU time to that of SQL.
_SQL_TARGETS = {"sizes": 1.3, "pairs": 1.1, "changes": 1.1}
_ENGINE_FUNCTIONS = {"sizes": "group_sizes", "pairs": "overlap_pairs", "changes": "membership_changes"}
_PAIR_TABLES = ("overlap_pairs", "overlap_pairs_with_universe", "health_report", "duplicate_groups", "subset_groups")


def overlap(scale: Scale) -> Iterator[Row]:
    """Measure overlap counts for many groups that each contain few of the customers."""
    ways = {"self_merge": 1 / 10, "scipy": 1.0, "duckdb": 0.5, "numba": 3.5}
    runs = _counted(scale.sparse, ways, scale.rounds)
    yield from _cpu_rows(scale.sparse, runs, ways)
    names = (f"added memory, overlap counts, {scale.sparse}", _NAMES["self_merge"])
    yield compared(
        names, "MB", *([result.added_mb for result in runs[way]] for way in ("frgroups", "self_merge")), 1 / 15
    )


def dense_overlap(scale: Scale) -> Iterator[Row]:
    """Measure overlap counts for groups that each contain a large part of the customers."""
    ways = {"scipy": 0.25, "pyroaring": 1.3}
    yield from _cpu_rows(scale.dense, _counted(scale.dense, ways, scale.rounds), ways)


def huge_overlap(scale: Scale) -> Iterator[Row]:
    """Measure overlap counts for the largest supported number of memberships."""
    runs = _counted(scale.huge, ["scipy"], scale.rounds)
    yield from _cpu_rows(scale.huge, runs, {"scipy": 0.8})
    added = [result.added_mb for result in runs["frgroups"]]
    names = (f"added memory, overlap counts, {scale.huge}", "limit of 1,500 MB")
    yield compared(names, "MB", added, [_MOST_MB] * len(added), 1.0)


def pairs(scale: Scale) -> Iterator[Row]:
    """Measure overlap_pairs with all measures, p-values, and q-values."""
    names = (f"CPU, overlap_pairs, {scale.sparse}", "the counts and scipy.stats.hypergeom")
    yield _compared(names, "overlap_tables.pairs", "overlap_tables.pairs_by_scipy", scale.sparse, scale.rounds, 2.0)


def combinations(scale: Scale) -> Iterator[Row]:
    """Measure how long it takes to compute the combinations of the twelve largest groups."""
    names = (f"CPU, intersections, 12 largest of {scale.sparse}", "pandas.groupby on booleans")
    # This takes less than a second, so more rounds are needed.
    n = scale.readings
    yield _compared(
        names, "overlap_tables.combinations", "overlap_tables.combinations_by_groupby", scale.sparse, n, 1 / 5
    )


def splits(scale: Scale) -> Iterator[Row]:
    """Measure how long it takes to split customers in random order into two arms."""
    names = (f"CPU, split_customers, customers of {scale.sparse}", "hashlib in a loop")
    # This takes about a second, so more rounds are needed.
    yield _compared(
        names, "splits.by_split_customers", "splits.by_hashlib", scale.sparse, scale.readings, _MOST_HASHING_TIMES
    )


def many_groups(scale: Scale) -> Iterator[Row]:
    """Measure the added memory of the tables of group pairs for many small groups."""
    for shape in scale.many:
        for function in _PAIR_TABLES[: scale.pair_tables]:
            jobs = {"frgroups": Job("many_groups.table", {"function": function, "shape": shape})}
            added = [result.added_mb for result in rounds(jobs, 1)["frgroups"]]
            names = (f"added memory, {function}, {shape} of 5 members", "limit of 500 MB")
            yield compared(names, "MB", added, [_MOST_MB_OF_PAIRS] * len(added), 1.0)


def engine_counts(scale: Scale) -> Iterator[Row]:
    """Measure the functions that count in DuckDB, compared with equivalent SQL statements."""
    for name, target in _SQL_TARGETS.items():
        names = (f"CPU, {_ENGINE_FUNCTIONS[name]} in DuckDB, {scale.sparse}", "SQL in DuckDB")
        if not (find_spec("duckdb") and find_spec("narwhals")):
            yield Row(*names, note=not_installed("duckdb or narwhals"))
            continue
        functions = (f"engine_counts.{name}", f"engine_counts.{name}_by_sql")
        yield _compared(names, *functions, scale.sparse, scale.rounds, target)


def waterfall(scale: Scale) -> Iterator[Row]:
    """Measure assigning customers to twenty audiences with caps, scores, and excluded customers."""
    shape, n = scale.sparse, scale.readings
    names = (f"CPU, waterfall, 20 expressions, {shape}", "numpy.isin on integers")
    yield _compared(names, "audiences.by_waterfall", "audiences.by_isin", shape, n, 1.5)
    names = (f"CPU, waterfall, 20 lists of uids, {shape}", "numpy.isin on uids")
    yield _compared(names, "audiences.by_uid_lists", "audiences.by_isin_of_uids", shape, scale.rounds, 1.5)


def _counted(shape: str, ways: Mapping[str, float] | list[str], n: int) -> dict[str, list[Run]]:
    there = [way for way in ways if way not in _PACKAGES or find_spec(way)]
    options = {"path": stored_snapshot(shape)}
    jobs = {way: Job(f"counting.by_{way}", options) for way in there}
    runs = rounds({"frgroups": Job("counting.by_overlap_matrix", options)} | jobs, n)
    check_agreement(runs)
    return runs


def _cpu_rows(shape: str, runs: Mapping[str, list[Run]], ways: Mapping[str, float]) -> Iterator[Row]:
    for way, target in ways.items():
        names = (f"CPU, overlap counts, {shape}", _NAMES[way])
        if way in runs:
            yield compared(names, "s", *([result.cpu for result in runs[side]] for side in ("frgroups", way)), target)
        else:
            yield Row(*names, note=not_installed(way))


def _compared(names: tuple[str, str], ours: str, peer: str, shape: str, n: int, target: float) -> Row:
    runs = rounds({side: Job(side, {"path": stored_snapshot(shape)}) for side in (ours, peer)}, n)
    check_agreement(runs)
    return compared(names, "s", *([result.cpu for result in runs[side]] for side in (ours, peer)), target)


ANALYSIS = {
    measure.__name__: measure
    for measure in (
        *(overlap, dense_overlap, huge_overlap, pairs, combinations, splits, many_groups, engine_counts, waterfall),
    )
}
