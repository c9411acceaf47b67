"""What is known of the customers that a plan moves, apart from names and contact data: its file tells it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from frgroups.snapshot.snapshot import Snapshot

FACT_COLUMNS = ["external_id", "customer_type", "default_store", "pricelist_uid", "groups_now"]
WITHHELD = "(not shown: may be contact data)"
_REPEATING = FACT_COLUMNS[1:]  # In a plan file each value of these stands once.


def customer_facts(snapshot: Snapshot, customer_uids: Iterable[str]) -> pd.DataFrame:
    """
    What a snapshot knows of these customers: columns of text, by customer_uid, "" where it knows nothing.

    >>> customer_facts(sample_snapshot(), ["c-1", "c-999"])["groups_now"].tolist()
    ['All members, VIP', '']
    """
    uids = pd.Index(pd.unique(pd.Series(list(customer_uids), dtype="str")), name="customer_uid")
    found = snapshot.customers.set_index("customer_uid").reindex(uids)
    external = found["external_id"].fillna("")
    store = found["default_store_name"].fillna("")
    return pd.DataFrame(
        {
            # Some tenants use the e-mail address as the external id.
            "external_id": external.mask(external.str.contains("@", regex=False), WITHHELD),
            "customer_type": found["customer_type"].fillna(""),
            "default_store": store.mask(store == "", found["default_store_uid"].fillna("")),
            "pricelist_uid": found["pricelist_uid"].fillna(""),
            "groups_now": pd.Series(_groups_now(snapshot, uids), index=uids, dtype="str"),
        },
        index=uids,
        dtype="str",
    )


def facts_to_dict(known: pd.DataFrame) -> dict[str, Any]:
    """The table as plain values; `facts_from_dict` makes it again."""
    plain = {"customer_uid": known.index.tolist(), "external_id": known["external_id"].tolist()}
    codes = {name: pd.factorize(known[name]) for name in _REPEATING}
    return plain | {name: {"of": at.tolist(), "words": list(words)} for name, (at, words) in codes.items()}


def facts_from_dict(content: dict[str, Any]) -> pd.DataFrame:
    """The table that `facts_to_dict` wrote; ValueError where it is not whole."""
    columns = {"external_id": content["external_id"]}
    for name in _REPEATING:
        words = content[name]["words"]
        if any(not 0 <= at < len(words) for at in content[name]["of"]):
            raise ValueError(f"{name} points to no word")
        columns[name] = [words[at] for at in content[name]["of"]]
    return pd.DataFrame(columns, index=pd.Index(content["customer_uid"], name="customer_uid"), dtype="str")


def _groups_now(snapshot: Snapshot, customer_uids: pd.Index) -> list[str]:
    """The names of the groups of each of these customers; customers in the same groups share one text."""
    codes = snapshot.matrix
    at = codes.customer_uids.get_indexer(customer_uids)
    wanted = np.zeros(codes.n_customers + 1, dtype=bool)
    wanted[at] = True
    kept = np.flatnonzero(wanted[codes.indices])
    kept = kept[np.argsort(codes.indices[kept], kind="stable")]
    customers, groups = codes.indices[kept], codes.group_code[kept]
    starts = np.searchsorted(customers, at, side="left").tolist()
    ends = np.searchsorted(customers, at, side="right").tolist()
    names = [str(name) for name in codes.group_names]
    texts: dict[bytes, str] = {}
    told = []
    for start, end in zip(starts, ends, strict=True):
        mine = groups[start:end]
        key = mine.tobytes()
        if key not in texts:
            texts[key] = ", ".join(names[code] for code in mine)
        told.append(texts[key])
    return told
