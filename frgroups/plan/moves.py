"""Who leaves one group and joins another in the same plan."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from frgroups.internals.formatting import pluralize
from frgroups.plan.group_change import GroupChange

MOVES_COLUMNS = ["customer_uid", "from_group", "to_group", "from_name", "to_name"]
MAX_LISTED = 5


def moves_table(groups: Sequence[GroupChange]) -> pd.DataFrame:
    """
    Every pair of a group that a customer leaves and one that the same customer joins, in uid order.

    >>> vip = GroupChange("vip", "VIP", ("a", "b"), remove=("a", "b"))
    >>> moves_table([GroupChange("gold", "Gold", (), add=("b", "c")), vip]).to_dict("records")
    [{'customer_uid': 'b', 'from_group': 'vip', 'to_group': 'gold', 'from_name': 'VIP', 'to_name': 'Gold'}]
    """
    leaving = _side("from_group", [(group.uid, group.remove) for group in groups if group.remove])
    joining = _side("to_group", [(group.uid, group.add) for group in groups if group.add])
    moved = leaving.merge(joining, on="customer_uid")
    names = {group.uid: group.name for group in groups}
    moved["from_name"] = moved["from_group"].map(names).astype("str")
    moved["to_name"] = moved["to_group"].map(names).astype("str")
    moved = moved[MOVES_COLUMNS]
    return moved.sort_values(["customer_uid", "from_group", "to_group"], ignore_index=True)


def format_moves(moves: pd.DataFrame) -> list[str]:
    """
    How many move from which group to which, most first, and the rest by number.

    >>> moves = pd.DataFrame([["c", "vip", "gold", "VIP", "Gold"]], columns=MOVES_COLUMNS)
    >>> format_moves(moves)
    ['1 moves from VIP to Gold.']
    """
    pairs = moves.groupby(["from_group", "to_group", "from_name", "to_name"], as_index=False).size()
    pairs = pairs.sort_values(["size", "from_group", "to_group"], ascending=[False, True, True])
    lines = [
        f"{row.size:,} {'moves' if row.size == 1 else 'move'} from {row.from_name} to {row.to_name}."
        for row in pairs.head(MAX_LISTED).itertuples()
    ]
    rest = pairs["size"].iloc[MAX_LISTED:]
    if len(rest):
        lines.append(
            f"{pluralize(int(rest.sum()), 'move')} more between {pluralize(len(rest), 'pair of other groups')}."
        )
    return lines


def _side(column: str, sides: Sequence[tuple[str, Sequence[str]]]) -> pd.DataFrame:
    """A row for each customer of one side of each group."""
    customers = [uid for _, uids in sides for uid in uids]
    groups = pd.Series([uid for uid, _ in sides], dtype="str").repeat([len(uids) for _, uids in sides])
    return pd.DataFrame({"customer_uid": pd.Series(customers, dtype="str"), column: groups.reset_index(drop=True)})
