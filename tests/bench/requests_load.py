"""Load a tenant with requests and pd.json_normalize, one page at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd
import requests

from tests.bench.child import Stopwatch, load_facts
from tests.bench.server import TENANT_UID


def load(clock: Stopwatch, *, base_url: str, page_size: int) -> dict[str, int]:
    """Load all groups page by page, and convert each page to a DataFrame."""
    with clock, requests.Session() as session:
        url = f"{base_url}/tenants/{TENANT_UID}/customer-groups"
        frames = []
        for items in pages(session, url, page_size):
            for uid in pd.json_normalize(items)["customerGroupUid"]:
                for customers in pages(session, f"{url}/{uid}/customers", page_size):
                    frames.append(pd.json_normalize(customers).assign(customerGroupUid=uid))
        rows = pd.concat(frames, ignore_index=True)
        memberships = rows[["customerGroupUid", "customerUid"]]
        customers = rows.drop(columns="customerGroupUid").drop_duplicates("customerUid", ignore_index=True)
    return load_facts(memberships["customerGroupUid"], memberships["customerUid"], len(customers))


def pages(session: requests.Session, url: str, page_size: int) -> Iterator[list[dict[str, object]]]:
    """Yield the items of each page of a list."""
    number, seen, total = 1, 0, 1
    while seen < total:
        answer = session.get(url, params={"pageNumber": number, "pageSize": page_size}, timeout=60)
        # answer.json() would use the slower simplejson if it is installed, for example as a dependency of dlt.
        page = json.loads(answer.content)
        total = page["paging"]["totalCount"]
        seen += len(page["items"])
        number += 1
        yield page["items"]
