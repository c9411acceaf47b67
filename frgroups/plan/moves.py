"""Find the customers who move from one group to another in a plan."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from frgroups.internals.formatting import agree, pluralize
from frgroups.plan.group_change import GroupChange

MOVES_COLUMNS = ["customer_uid", "from_group", "to_group", "from_name", "to_name"]
MAX_LISTED = 5


def moves_table(groups: Sequence[GroupChange]) -> pd.DataFrame:
    """
    Return a table of the customers who move between groups, with one row per move.

    A move consists of a group that a customer leaves and a group that the same customer joins. The rows are sorted by
    customer, then by the group that the customer leaves.

    Examples
    --------
    >>> vip = GroupChange("vip", "VIP", ("a", "b"), remove=("a", "b"))
    >>> moves_table([GroupChange("gold", "Gold", (), add=("b", "c")), vip]).to_dict("records")
    [{'customer_uid': 'b', 'from_group': 'vip', 'to_group': 'gold', 'from_name': 'VIP', 'to_name': 'Gold'}]
    """
    leaving = _changes_table("from_group", [(group.uid, group.remove) for group in groups if group.remove])
    joining = _changes_table("to_group", [(group.uid, group.add) for group in groups if group.add])
    moves = leaving.merge(joining, on="customer_uid")
    names = {group.uid: group.name for group in groups}
    moves["from_name"] = moves["from_group"].map(names).astype("str")
    moves["to_name"] = moves["to_group"].map(names).astype("str")
    return moves[MOVES_COLUMNS].sort_values(["customer_uid", "from_group", "to_group"], ignore_index=True)


def format_moves(moves: pd.DataFrame) -> list[str]:
    """
    Describe how many customers move between each pair of groups, starting with the largest number.

    At most `MAX_LISTED` pairs of groups are described. If there are more pairs, the last line contains the number of
    moves between the remaining pairs.

    Examples
    --------
    >>> moves = pd.DataFrame([["c", "vip", "gold", "VIP", "Gold"]], columns=MOVES_COLUMNS)
    >>> format_moves(moves)
    ['1 customer moves from VIP to Gold.']
    """
    pairs = moves.groupby(["from_group", "to_group", "from_name", "to_name"], as_index=False).size()
    pairs = pairs.sort_values(["size", "from_group", "to_group"], ascending=[False, True, True])
    lines = []
    for row in pairs.head(MAX_LISTED).to_dict("records"):
        n = int(row["size"])
        verb = agree(n, "moves", "move")
        lines.append(f"{pluralize(n, 'customer')} {verb} from {row['from_name']} to {row['to_name']}.")
    rest = pairs["size"].iloc[MAX_LISTED:]
    if len(rest):
        n = int(rest.sum())
        pairs_of_groups = pluralize(len(rest), "pair")
        lines.append(f"The plan also contains {pluralize(n, 'move')} between {pairs_of_groups} of other groups.")
    return lines


def _changes_table(column: str, changes: Sequence[tuple[str, Sequence[str]]]) -> pd.DataFrame:
    """Return a table of additions or removals. `column` is the name of the column that contains the group uids."""
    customers = [uid for _, uids in changes for uid in uids]
    groups = pd.Series([uid for uid, _ in changes], dtype="str").repeat([len(uids) for _, uids in changes])
    return pd.DataFrame({"customer_uid": pd.Series(customers, dtype="str"), column: groups.reset_index(drop=True)})
