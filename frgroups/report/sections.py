"""Compute the sections of a report: each with a summary, a chart, a table, and the Python calls that produce them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from frgroups import plot
from frgroups.analysis.campaigns import campaign_reach
from frgroups.analysis.changes import group_changes, membership_changes
from frgroups.analysis.clusters import leaf_order
from frgroups.analysis.describe import describe
from frgroups.analysis.disclosure_control import suppress_counts
from frgroups.analysis.duplicates import duplicate_groups
from frgroups.analysis.health import SEVERITIES, health_report
from frgroups.analysis.overlap import overlap_matrix, overlap_pairs
from frgroups.analysis.reach import ANY, reachability
from frgroups.analysis.sizes import group_sizes
from frgroups.analysis.table_rows import (
    sort_largest_first,
    sort_most_changed_first,
    unique_names,
    with_known_changes,
)
from frgroups.errors import InputError
from frgroups.history.size_history import size_history
from frgroups.internals.column_formats import MISSING
from frgroups.internals.counts import is_small
from frgroups.internals.formatting import agree, format_day_span, format_list, format_percentage, pluralize
from frgroups.plot.axes import select_largest
from frgroups.report.charts import MAX_ROWS, Chart, draw_chart, height_of_rows
from frgroups.report.content import Bar, Content, Section
from frgroups.report.published_findings import published_findings
from frgroups.report.row_order import PAIR_DETAILS
from frgroups.report.show import show
from frgroups.review.customer_names import lookup_names
from frgroups.snapshot.membership_matrix import MembershipMatrix
from frgroups.snapshot.snapshot import Snapshot
from frgroups.snapshot.verdicts import VERDICTS
from frgroups.store.retention import is_from_host, list_snapshots

MAX_CUSTOMERS = 1_000
MAX_STORED = 30
_NEAR_DUPLICATES = 0.9
_MAX_HEATMAP_GROUPS = 20
_MAX_DUPLICATE_GROUPS = 12
_SUPPRESSED = "suppressed"
_NO_GROUPS = "The snapshot contains no groups."
_VERDICT_NOTE = (
    "consistent: all members of the group were read. drifted: the group changed while it was read, so some members "
    "can be missing. unverifiable: it is unknown whether all members were read."
)
_NEXT_REPORT = "frgroups load && frgroups report --since DATE"
_ONE_SNAPSHOT = "Only one snapshot of the tenant is available. The {} known after the tenant is loaded again later."
_N_REACH_GROUPS = 8
_CHANNEL_TEXTS = {"mobile": "mobile (SMS)"}
_PAIR_MEASURES = ("share_of_a", "share_of_b", "jaccard", "overlap_coefficient", "expected", "lift", "pmi", "phi")
_PAIR_TESTS = ("p_over", "p_under", "q_value")


@dataclass(frozen=True)
class ReportData:
    """The validated arguments of `save_report`. If `personal` is True, `uids` is also True."""

    snapshot: Snapshot
    before: Snapshot | None
    register: pd.DataFrame | None
    uids: bool
    personal: bool
    min_count: int
    groups: tuple[str, ...] | None = None


def report_sections(data: ReportData) -> Iterator[Section]:
    """Yield the sections of a report. A section that cannot be computed contains the reason as its summary."""
    for key, title, compute in _SECTIONS:
        try:
            summary, contents = compute(data)
        except InputError as error:
            summary, contents = f"This section cannot be computed. {error}", []
        yield Section(key, title, summary, tuple(contents))


_Result = tuple[str, list[Content]]


def _verdict(data: ReportData) -> _Result:
    reads = data.snapshot.reads
    counts = reads["verdict"].value_counts()
    n_consistent = int(counts.get("consistent", 0))
    if reads.empty:
        summary = _NO_GROUPS
    elif (reads["how"] == "given").all():
        summary = "The snapshot was created from tables and not read from a tenant, so it cannot be verified."
    else:
        summary = (
            f"The verdict is {data.snapshot.verdict}: {n_consistent:,} of {pluralize(len(reads), 'group')} "
            f"{agree(n_consistent, 'is', 'are')} verified as complete."
        )
    is_problem = (reads["verdict"] != "consistent") & (reads["how"] != "given")
    problems = reads.loc[is_problem, ["customer_group_uid", "how", "verdict"]]
    table = None
    if len(problems):
        table = show(problems, MAX_ROWS, snapshot=data.snapshot)
    bars = _bars({verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS})
    return summary, [Content("snapshot.reads", bars=bars, table=table, note=_VERDICT_NOTE)]


def _sizes(data: ReportData) -> _Result:
    sizes = suppress_counts(
        group_sizes(data.snapshot),
        data.min_count,
        totals=["n_members"],
        parts=["n_exclusive"],
        differences=[("n_members", "n_exclusive")],
        derived={
            "share_exclusive": ["n_exclusive"],
            "share_of_customers": ["n_members"],
            "share_of_universe": ["n_members"],
        },
    )
    published = sizes[sizes["n_members"].notna()]
    call = "fg.group_sizes(snapshot); fg.plot.sizes(snapshot)"
    if sizes.empty:
        return _NO_GROUPS, [Content(call)]
    n_customers = count_customers(data.snapshot)
    summary = (
        f"The snapshot contains {pluralize(len(sizes), 'group')} and {pluralize(n_customers, 'customer')} who "
        f"{agree(n_customers, 'is', 'are')} in at least one group."
    )
    if len(published):
        largest = sort_largest_first(published, "n_members").iloc[0]
        summary += f" The largest group is {largest['name']} with {pluralize(largest['n_members'], 'member')}."
    drawn = published.assign(n_exclusive=published["n_exclusive"].fillna(0).astype("int64"))
    drawn = drawn.astype({"n_members": "int64"})
    chart = draw_chart(
        lambda ax: plot.sizes(drawn, top=MAX_ROWS, ax=ax),
        describe(published),
        height=height_of_rows(min(len(drawn), MAX_ROWS)),
    )
    note = f"The column share_of_customers refers to these {pluralize(n_customers, 'customer')}. "
    note += _suppression_note(sizes)
    if published["n_exclusive"].isna().any():
        note += " In the chart, a suppressed number of members in no other group is drawn as 0."
    note += _omission_note(len(sizes) - len(published))
    table = show(sizes, MAX_ROWS)
    return summary, [Content(call, chart, table=table, note=note)]


def count_customers(snapshot: Snapshot) -> int:
    """
    Return the number of customers who are in at least one group.

    Examples
    --------
    >>> count_customers(sample_snapshot())
    251
    """
    return len(np.unique(snapshot.matrix.indices))


def _growth(data: ReportData) -> _Result:
    stored = _stored_between(data)
    series: list[Snapshot | str | Path] = [*stored, data.snapshot]
    if data.before is not None:
        series.insert(0, data.before)
    history = suppress_counts(
        size_history(series), data.min_count, totals=["n_members"], parts=["n_joined", "n_left"]
    )
    # Omit groups with suppressed sizes from the chart, because a gap in the line of a group would suggest that the
    # group did not exist at that time.
    is_hidden = history["customer_group_uid"].isin(history.loc[history["n_members"].isna(), "customer_group_uid"])
    drawn = history[~is_hidden].astype({"n_members": "int64"})
    if history.empty:
        return _NO_GROUPS, []
    # Use the times of the snapshots where possible, because a snapshot without groups has no rows in `history`.
    first = history["taken_at"].min() if data.before is None else pd.Timestamp(data.before.taken_at)
    last = pd.Timestamp(data.snapshot.taken_at)
    if first == last:
        return _ONE_SNAPSHOT.format("growth is"), [Content(_NEXT_REPORT, language="Command line")]
    table = _compare_ends(drawn, first, last)
    is_kept = table["status"] == "kept"
    growth = (table["n_last"] - table["n_first"])[is_kept]
    counts = table["status"].value_counts()
    n_equal = int((growth == 0).sum())
    summary = (
        f"{pluralize(int((growth > 0).sum()), 'group')} grew, {int((growth < 0).sum()):,} shrank, "
        f"{n_equal:,} {agree(n_equal, 'has', 'have')} the same size, {int(counts.get('new', 0)):,} "
        f"{agree(int(counts.get('new', 0)), 'is', 'are')} new, and {int(counts.get('deleted', 0)):,} "
        f"{agree(int(counts.get('deleted', 0)), 'was', 'were')} deleted "
        f"{format_day_span(first, last)}."
    )
    chart = None
    if drawn["taken_at"].nunique() > 1:
        chart = draw_chart(lambda ax: plot.history(drawn, ax=ax), describe(drawn), width=9.0)
    call = "history = fg.size_history([before, snapshot]); fg.plot.history(history)"
    if stored:
        call = f"history = fg.size_history({_origin(data)}); fg.plot.history(history)"
    note = ""
    if n_hidden := history.loc[is_hidden, "customer_group_uid"].nunique():
        note = f"{pluralize(n_hidden, 'group')} with suppressed sizes {agree(n_hidden, 'is', 'are')} omitted."
    shown = show(_with_plain_status(table), MAX_ROWS, sort="n_last")
    return summary, [Content(call, chart, table=shown, note=note)]


def _with_plain_status(table: pd.DataFrame) -> pd.DataFrame:
    """
    Return a table in which the status "kept" is replaced by "existing".

    Readers could misunderstand "kept" as "the size of the group has not changed". If no group is new or deleted, the
    column `status` is omitted.
    """
    if table["status"].eq("kept").all():
        return table.drop(columns="status")
    return table.assign(status=table["status"].replace("kept", "existing"))


def _compare_ends(history: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """
    Compare the first and the last snapshot of a size history.

    If only one of the two snapshots contains a group, the group is new or deleted, as in `group_changes`, and has 0
    members in the other snapshot. A group that is only in snapshots between the two is omitted.
    """
    exists = history[history["status"] != "deleted"]
    sizes = {
        time: exists[exists["taken_at"] == time].set_index("customer_group_uid")["n_members"]
        for time in (first, last)
    }
    names = history.drop_duplicates("customer_group_uid", keep="last").set_index("customer_group_uid")["name"]
    names = names[names.index.isin(sizes[first].index.union(sizes[last].index))]
    status = np.where(names.index.isin(sizes[first].index), "deleted", "new")
    status = np.where(names.index.isin(sizes[first].index.intersection(sizes[last].index)), "kept", status)
    n_first, n_last = (sizes[time].reindex(names.index, fill_value=0) for time in (first, last))
    return pd.DataFrame(
        {
            "customer_group_uid": names.index,
            "name": names.array,
            "n_first": n_first.array,
            "n_last": n_last.array,
            "growth_rate": ((n_last - n_first) / n_first.where(n_first > 0)).array,
            "status": status,
        }
    )


def _stored_between(data: ReportData) -> list[str]:
    """
    Return the folders of the newest stored snapshots that are older than `data.snapshot`.

    If `data.before` is given, the snapshots are also newer than `data.before`.
    """
    stored = list_snapshots(tenant_uid=data.snapshot.tenant_uid)
    is_between = is_from_host(stored, data.snapshot.base_url) & (stored["taken_at"] < data.snapshot.taken_at)
    if data.before is not None:
        is_between &= stored["taken_at"] > data.before.taken_at
    return list(stored.loc[is_between, "path"].tail(MAX_STORED))


def _overlap(data: ReportData) -> _Result:
    pairs = _suppressed_pairs(overlap_pairs(data.snapshot, min_both=1), data.min_count)
    summary = f"{pluralize(len(pairs), 'pair')} of groups {agree(len(pairs), 'has', 'have')} members in common"
    published = pairs[~pairs[_SUPPRESSED]]
    if len(published):
        top = published.iloc[int(published["jaccard"].to_numpy(dtype=float).argmax())]
        similarity = "They have exactly the same members"
        if top["jaccard"] < 1:
            similarity = f"Of all their members, {format_percentage(top['jaccard'])} are in both groups"
        summary += f". The most similar groups are {top['name_a']} and {top['name_b']}. {similarity}"
    call = "fg.overlap_pairs(snapshot, min_both=1); fg.plot.overlap_heatmap(snapshot)"
    if pairs.empty:
        return "No two groups have members in common.", [Content(call)]
    chart, note = _heatmap(data, select_largest(data.snapshot.matrix, _MAX_HEATMAP_GROUPS))
    table = show(pairs.drop(columns=list(PAIR_DETAILS)), MAX_ROWS)
    return f"{summary}.", [Content(call, chart, table=table, note=note + _suppression_note(pairs))]


def _suppressed_pairs(pairs: pd.DataFrame, min_count: int) -> pd.DataFrame:
    derived = {name: ["n_a", "n_b", "n_both"] for name in (*_PAIR_MEASURES, *_PAIR_TESTS) if name in pairs}
    parts = [name for name in ("n_both", "n_either") if name in pairs]
    return suppress_counts(pairs, min_count, totals=["n_a", "n_b"], parts=parts, derived=derived)


def _heatmap(data: ReportData, matrix: MembershipMatrix) -> tuple[Chart, str]:
    """Return a heatmap in which similar groups are next to each other, and a note on suppressed cells."""
    ordered = matrix.take_groups(leaf_order(matrix))
    names = unique_names(ordered.group_uids, ordered.group_names)
    labels = [names[uid] for uid in ordered.group_uids]
    counts = overlap_matrix(ordered).to_numpy()
    is_hidden = is_small(counts, data.min_count)
    # Also hide the cells of small groups, because their Jaccard index would reveal small numbers of common members.
    is_small_group = is_small(ordered.sizes, data.min_count)
    is_hidden |= (is_small_group[:, None] | is_small_group[None, :]) & (counts > 0)
    values = overlap_matrix(ordered, measure="jaccard").mask(is_hidden).set_axis(labels, axis=0)
    values = values.set_axis(labels, axis=1)
    values.attrs["measure"] = "jaccard"
    size = 3.5 + 0.26 * max(len(labels), 6)
    chart = draw_chart(
        lambda ax: plot.overlap_heatmap(values, top=None, ax=ax), describe(values), width=size + 1.0, height=size
    )
    note = (
        "In the chart, similar groups are next to each other. The color scale is not linear, so that small values "
        "are visible. The diagonal is blank. "
    )
    if is_hidden[~np.eye(len(labels), dtype=bool)].any():
        note += f"{MISSING} means suppressed (from 1 to {data.min_count - 1} customers). "
    return chart, note


def _duplicates(data: ReportData) -> _Result:
    pairs = _suppressed_pairs(duplicate_groups(data.snapshot, min_jaccard=_NEAR_DUPLICATES), data.min_count)
    call = f"pairs = fg.duplicate_groups(snapshot, min_jaccard={_NEAR_DUPLICATES})"
    if pairs.empty:
        return "No two groups have the same or nearly the same members.", [Content(call)]
    summary = (
        f"{pluralize(len(pairs), 'pair')} of groups {agree(len(pairs), 'has', 'have')} the same or nearly the same "
        f"members. Of all members of such a pair, at least {format_percentage(_NEAR_DUPLICATES)} are in both groups."
    )
    uids = pd.unique(pd.concat([pairs["group_a"], pairs["group_b"]], ignore_index=True))[:_MAX_DUPLICATE_GROUPS]
    chart, note = _heatmap(data, data.snapshot.matrix.select(list(uids)))
    call += "; fg.plot.overlap_heatmap(snapshot, {*pairs['group_a'], *pairs['group_b']})"
    return summary, [Content(call, chart, table=show(pairs, MAX_ROWS), note=note + _suppression_note(pairs))]


def _health(data: ReportData) -> _Result:
    findings = health_report(data.snapshot, register=data.register)
    counts: dict[str, int] = {severity: int((findings["severity"] == severity).sum()) for severity in SEVERITIES}
    numbers = [f"{n:,} of {severity} severity" for severity, n in counts.items()]
    summary = "The health report has no findings."
    if len(findings):
        summary = f"The health report has {pluralize(len(findings), 'finding')}: {', '.join(numbers)}."
    call = "fg.health_report(snapshot)" if data.register is None else "fg.health_report(snapshot, register=register)"
    return summary, [Content(call, bars=_bars(counts), findings=published_findings(findings, data.min_count))]


def _reach(data: ReportData) -> _Result:
    contents = []
    summary = ""
    if data.snapshot.groups.empty:
        return _NO_GROUPS, []
    try:
        summary, content = _consent_reach(data)
        contents.append(content)
    except InputError as error:
        summary = f"The reach by consent cannot be computed. {error}"
        if data.snapshot.consents.empty:
            summary = "The reach by consent cannot be computed, because no customer in the snapshot has a consent."
    if data.register is not None and data.register.get("discount_percent", pd.Series()).notna().any():
        contents.append(_campaign_reach(data, data.register))
    return summary, contents


def _consent_reach(data: ReportData) -> tuple[str, Content]:
    reach = reachability(data.snapshot, data.groups, min_count=data.min_count)
    reach = suppress_counts(reach, data.min_count, totals=["n_members"])
    published = reach[reach["n_members"].notna()].astype({"n_members": "int64"})
    any_channel = published[(published["channel"] == ANY) & published["n_reachable"].notna()]
    summary = "No group has a published number of members who can be contacted."
    if len(any_channel):
        largest = sort_largest_first(any_channel, "n_members").iloc[0]
        share = format_percentage(largest["n_reachable"] / max(largest["n_members"], 1))
        summary = (
            f"Of the {pluralize(largest['n_members'], 'member')} of {largest['name']}, {largest['n_reachable']:,} "
            f"({share}) can be contacted by email or SMS."
        )
    n_groups = _N_REACH_GROUPS if data.groups is None else max(reach["customer_group_uid"].nunique(), 1)
    n_rows = min(published["customer_group_uid"].nunique(), n_groups) * max(published["channel"].nunique(), 1)
    chart = draw_chart(
        lambda ax: plot.reach(published, top=n_groups, ax=ax),
        describe(published, top=n_groups),
        width=9.0,
        height=height_of_rows(n_rows),
    )
    groups = "" if data.groups is None else f", {list(reach['customer_group_uid'].unique())}"
    call = f"fg.reachability(snapshot{groups}); fg.plot.reach(snapshot{groups})"
    table = show(reach.drop(columns="consent"), 3 * n_groups)
    return summary, Content(call, chart, table=table, note=_consent_note(reach) + _suppression_note(reach))


def _consent_note(reach: pd.DataFrame) -> str:
    """Return a note that lists each channel with its consent, or "" if no channel has a consent."""
    channels = reach[reach["channel"] != ANY].drop_duplicates("channel").dropna(subset="consent")
    if channels.empty:
        return ""
    consents = [
        f"{_CHANNEL_TEXTS.get(channel, channel)} with the consent {consent}"
        for channel, consent in zip(channels["channel"], channels["consent"], strict=True)
    ]
    return f"Channels: {format_list(consents)}. {ANY} means at least one of the channels. "


def _campaign_reach(data: ReportData, register: pd.DataFrame) -> Content:
    campaigns = suppress_counts(
        campaign_reach(data.snapshot, register),
        data.min_count,
        totals=["n_members"],
        parts=["n_shadowed", "n_effective"],
    )
    counts = ["n_members", "n_shadowed", "n_effective"]
    published = campaigns[~campaigns[_SUPPRESSED]].astype(dict.fromkeys(counts, "int64")).reset_index(drop=True)
    chart = draw_chart(
        lambda ax: plot.campaign_reach(published, top=MAX_ROWS, ax=ax),
        describe(published),
        height=height_of_rows(min(len(published), MAX_ROWS)),
    )
    note = _suppression_note(campaigns) + _omission_note(len(campaigns) - len(published))
    call = "fg.campaign_reach(snapshot, register); fg.plot.campaign_reach(snapshot, register)"
    return Content(call, chart, table=show(campaigns, MAX_ROWS), note=note)


def _changes(data: ReportData) -> _Result:
    before = data.before
    if before is None:
        return _unknown_changes(data)
    changes = suppress_counts(
        group_changes(before, data.snapshot),
        data.min_count,
        totals=["n_old", "n_new"],
        parts=["n_joined", "n_left"],
        differences=[("n_old", "n_left")],
        derived={"net": ["n_old", "n_new"], "growth_rate": ["n_old", "n_new"], "churn_rate": ["n_old", "n_left"]},
    )
    is_changed = changes[["n_joined", "n_left"]].ne(0).fillna(True).any(axis=1)
    summary = (
        f"{int(is_changed.sum()):,} of {pluralize(len(changes), 'group')} changed "
        f"{format_day_span(before.taken_at, data.snapshot.taken_at)}."
    )
    n_rows = len(sort_most_changed_first(with_known_changes(changes)))
    call = "fg.group_changes(before, snapshot); fg.plot.changes(before, snapshot)"
    contents = [Content(call)]
    if is_changed.any():
        chart = draw_chart(
            lambda ax: plot.changes(changes, top=MAX_ROWS, ax=ax),
            describe(changes),
            height=height_of_rows(min(n_rows, MAX_ROWS)),
        )
        table = show(_with_plain_status(changes[is_changed]), MAX_ROWS)
        contents = [Content(call, chart, table=table, note=_suppression_note(changes))]
    if data.uids:
        contents.append(_customers_who_changed(data, before))
    return summary, contents


def _unknown_changes(data: ReportData) -> _Result:
    """Return the reason why a report contains no changes, and the Python call that computes the changes."""
    if not _stored_between(data):
        return _ONE_SNAPSHOT.format("changes are"), [Content(_NEXT_REPORT, language="Command line")]
    call = f"before = fg.read_snapshot({_origin(data)}, at='DATE'); fg.group_changes(before, snapshot)"
    return "No older snapshot was selected for a comparison, so the report contains no changes.", [Content(call)]


def _origin(data: ReportData) -> str:
    """Return Python keyword arguments for `read_snapshot` that select the tenant's stored snapshots."""
    return f"tenant_uid={data.snapshot.tenant_uid!r}, base_url={data.snapshot.base_url!r}"


def _customers_who_changed(data: ReportData, before: Snapshot) -> Content:
    """Return the customers who joined or left a group. The table contains uids and, if requested, names."""
    changes = membership_changes(before, data.snapshot)
    listed = changes.head(MAX_CUSTOMERS)
    columns = ["name", "change", "customer_uid"]
    names = {**before.matrix.names_by_uid, **data.snapshot.matrix.names_by_uid}
    table = listed.assign(name=listed["customer_group_uid"].map(names))
    if data.personal:
        known = pd.Series(lookup_names(data.snapshot, listed["customer_uid"]), index=listed.index, dtype="str")
        if "firstname" in before.customers:
            earlier = pd.Series(lookup_names(before, listed["customer_uid"]), index=listed.index, dtype="str")
            known = known.where(known != "", earlier)
        table["customer_name"] = known
        columns.append("customer_name")
    note = ""
    if len(changes) > MAX_CUSTOMERS:
        note = f"The table contains the first {MAX_CUSTOMERS:,} of {len(changes):,} changes."
    shown = show(table, None, sort=False, columns=columns)
    return Content("fg.membership_changes(before, snapshot)", table=shown, note=note)


def _suppression_note(table: pd.DataFrame) -> str:
    n = int(table[_SUPPRESSED].sum())
    return (
        f"{pluralize(n, 'row')} of the complete table {agree(n, 'contains', 'contain')} suppressed counts."
        if n
        else ""
    )


def _omission_note(n: int) -> str:
    return f" The chart and its heading omit {pluralize(n, 'row')} with suppressed counts." if n else ""


def _bars(counts: dict[str, int]) -> tuple[Bar, ...]:
    longest = max([*counts.values(), 1])
    return tuple(Bar(label, n, round(100 * n / longest, 1)) for label, n in counts.items())


_SECTIONS: tuple[tuple[str, str, Callable[[ReportData], _Result]], ...] = (
    ("verdict", "Verdict", _verdict),
    ("sizes", "Group sizes", _sizes),
    ("growth", "Growth", _growth),
    ("overlap", "Overlap", _overlap),
    ("duplicates", "Duplicates", _duplicates),
    ("health", "Health", _health),
    ("reach", "Reach", _reach),
    ("changes", "Changes", _changes),
)
