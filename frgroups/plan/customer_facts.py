"""
Describe the customers of a plan without their names and contact data.

The review page shows the table of customer attributes, and the plan file stores it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from frgroups.snapshot.snapshot import Snapshot

FACT_COLUMNS = ["external_id", "customer_type", "default_store", "pricelist_uid", "groups_now"]
WITHHELD = "(hidden, because it might be contact data)"
# These columns have few distinct values.
# Therefore, a plan file stores each distinct value once, and an integer code per customer.
_REPEATING = FACT_COLUMNS[1:]


def customer_facts(snapshot: Snapshot, customer_uids: Iterable[str]) -> pd.DataFrame:
    """
    Return a table of customer attributes without names and contact data.

    The index of the table is customer_uid. All columns are strings, and missing values are empty strings.

    Examples
    --------
    >>> customer_facts(sample_snapshot(), ["c-1", "c-999"])["groups_now"].tolist()
    ['All members, VIP', '']
    """
    uids = pd.Index(pd.unique(pd.Series(list(customer_uids), dtype="str")), name="customer_uid")
    rows = snapshot.customers.set_index("customer_uid").reindex(uids)
    external = rows["external_id"].fillna("")
    store = rows["default_store_name"].fillna("")
    return pd.DataFrame(
        {
            # Some tenants use the email address as the external id. These values are replaced by `WITHHELD`.
            "external_id": external.mask(external.str.contains("@", regex=False), WITHHELD),
            "customer_type": rows["customer_type"].fillna(""),
            "default_store": store.mask(store == "", rows["default_store_uid"].fillna("")),
            "pricelist_uid": rows["pricelist_uid"].fillna(""),
            "groups_now": pd.Series(_group_names(snapshot, uids), index=uids, dtype="str"),
        },
        index=uids,
        dtype="str",
    )


def facts_to_dict(facts: pd.DataFrame) -> dict[str, Any]:
    """
    Convert a table of customer facts to JSON values.

    Use `facts_from_dict` to convert the JSON values back to a table.
    """
    content: dict[str, Any] = {"customer_uid": facts.index.tolist(), "external_id": facts["external_id"].tolist()}
    for name in _REPEATING:
        codes, words = pd.factorize(facts[name])
        content[name] = {"of": codes.tolist(), "words": list(words)}
    return content


def facts_from_dict(content: dict[str, Any]) -> pd.DataFrame:
    """
    Convert the JSON values that `facts_to_dict` returned back to a table.

    Raise ValueError if an integer code is out of range, if a customer occurs twice, or if the columns have different
    lengths.
    """
    if len(set(content["customer_uid"])) < len(content["customer_uid"]):
        raise ValueError("The customer attributes contain a customer twice.")
    columns = {"external_id": content["external_id"]}
    for name in _REPEATING:
        codes, words = content[name]["of"], content[name]["words"]
        if any(not 0 <= code < len(words) for code in codes):
            raise ValueError(f"The column {name} contains an integer code that does not refer to a value.")
        columns[name] = [words[code] for code in codes]
    return pd.DataFrame(columns, index=pd.Index(content["customer_uid"], name="customer_uid"), dtype="str")


def _group_names(snapshot: Snapshot, customer_uids: pd.Index) -> list[str]:
    """
    Return the names of each customer's groups as a comma-separated string.

    Customers with the same groups share one string object, which saves memory.
    """
    matrix = snapshot.matrix
    customer_codes = matrix.customer_uids.get_indexer(customer_uids)
    # A customer who is not in the snapshot has the code -1.
    # The array has one additional element at the end, so that this code does not select another customer.
    is_requested = np.zeros(matrix.n_customers + 1, dtype=bool)
    is_requested[customer_codes] = True
    memberships = np.flatnonzero(is_requested[matrix.indices])
    memberships = memberships[np.argsort(matrix.indices[memberships], kind="stable")]
    customers, groups = matrix.indices[memberships], matrix.group_code[memberships]
    starts = np.searchsorted(customers, customer_codes, side="left").tolist()
    ends = np.searchsorted(customers, customer_codes, side="right").tolist()
    names = [str(name) for name in matrix.group_names]
    text_of_groups: dict[bytes, str] = {}
    texts = []
    for start, end in zip(starts, ends, strict=True):
        group_codes = groups[start:end]
        key = group_codes.tobytes()
        if key not in text_of_groups:
            text_of_groups[key] = ", ".join(names[code] for code in group_codes)
        texts.append(text_of_groups[key])
    return texts
