"""Charts with a row of bars for each group: its members, and who joined and left."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from frgroups.analysis.changes import group_changes
from frgroups.analysis.sizes import group_sizes
from frgroups.errors import InputError
from frgroups.plot.axes import (
    BLUE,
    INK,
    ORANGE,
    SKY,
    beside,
    count_axis,
    empty_chart,
    is_table,
    legend,
    name_rows,
    new_axes,
    percent,
    room,
    titled,
)
from frgroups.plot.labels import display_names


def sizes(data: Any, *, top: int | None = 30, ax: Axes | None = None) -> Axes:
    """
    The members of each group as bars, the largest first, with the part that is in no other group.

    `data` is a Snapshot, memberships, or the table of `group_sizes`.

    >>> from frgroups import plot
    >>> ax = plot.sizes(sample_snapshot())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['All members', 'VIP', 'Staff']
    """
    table = data if is_table(data, "n_members") else group_sizes(data)
    order = table.sort_values(["n_members", "customer_group_uid"], ascending=[False, True])
    shown = order.head(len(order) if top is None else top)
    names = display_names(shown["customer_group_uid"], shown["name"])
    ax = ax or new_axes(8.0, 1.4 + 0.26 * max(len(shown), 2))
    if shown.empty:
        return empty_chart(ax, "Members of each group", "no groups")
    y = np.arange(len(shown))
    alone = shown["n_exclusive"].to_numpy()
    total = shown["n_members"].to_numpy()
    ax.barh(y, alone, color=BLUE, label="in no other group")
    ax.barh(y, total - alone, left=alone, color=SKY, label="in other groups too")
    for at, n in zip(y, total, strict=True):
        beside(ax, f"{n:,}", n, at)
    ax.set_xlim(0, max(total.max(), 1) / (1 - _room_of(ax, total.max())))
    name_rows(ax, names)
    count_axis(ax, "customers")
    legend(ax)
    cut = ""
    if len(shown) < len(table):
        share = total.sum() / max(int(table["n_members"].sum()), 1)
        cut = f"the {len(shown):,} largest of {len(table):,} groups, {percent(share)} of all memberships"
    return titled(ax, "Members of each group", cut)


def changes(
    data: Any,
    new: Any = None,
    *,
    top: int | None = 30,
    ax: Axes | None = None,
) -> Axes:
    """
    Who joined and who left each group, as bars to the right and to the left, the most changed first.

    `data` is the table of `group_changes`, or the older snapshot with the newer one as `new`.

    >>> from frgroups import plot
    >>> ax = plot.changes(sample_snapshot().memberships[:-1], sample_snapshot())
    >>> [text.get_text() for text in ax.texts]
    ['+1']
    """
    if isinstance(data, tuple) and len(data) == 2 and new is None:
        data, new = data
    if new is None and not is_table(data, "n_joined"):
        raise InputError("plot.changes takes the table of group_changes, or two snapshots: (old, new).")
    table = data if new is None else group_changes(data, new)
    moved = table.assign(n_moved=table["n_joined"] + table["n_left"]).query("n_moved > 0")
    order = moved.sort_values(["n_moved", "customer_group_uid"], ascending=[False, True])
    shown = order.head(len(order) if top is None else top)
    ax = ax or new_axes(8.0, 1.5 + 0.26 * max(len(shown), 2))
    heading = "Customers who joined and left"
    if shown.empty:
        return empty_chart(ax, heading, f"no change in {len(table):,} groups" if len(table) else "no groups")
    names = display_names(shown["customer_group_uid"], shown["name"])
    notes = {"new": " (new)", "deleted": " (deleted)"}
    names = [name + notes.get(status, "") for name, status in zip(names, shown["status"], strict=True)]
    joined, left = shown["n_joined"].to_numpy(), shown["n_left"].to_numpy()
    y = np.arange(len(shown))
    ax.barh(y, joined, color=BLUE, label="joined")
    ax.barh(y, -left, color=ORANGE, label="left")
    ax.axvline(0, color=INK, linewidth=0.8)
    for at, gain, loss in zip(y, joined, left, strict=True):
        if gain:
            beside(ax, f"+{gain:,}", gain, at)
        if loss:
            beside(ax, f"−{loss:,}", -loss, at, left=True)
    part = _room_of(ax, 10 * max(joined.max(), left.max()))
    reach = part / (1 - 2 * part) * (joined.max() + left.max())
    ax.set_xlim(-left.max() - reach, joined.max() + reach)
    name_rows(ax, names)
    count_axis(ax, "customers who left (to the left) and joined (to the right)")
    legend(ax)
    cut = f"{len(moved):,} of {len(table):,} groups changed"
    if len(shown) < len(moved):
        cut += f"; the {len(shown):,} that changed most"
    return titled(ax, heading, cut)


def _room_of(ax: Axes, number: int) -> float:
    """The part of the width that this number takes beside its bar."""
    return room(ax, len(f"{number:,}") + 1.5)
