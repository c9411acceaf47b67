"""Load a tenant with generic tools: dlt, and a client that is generated from the OpenAPI document."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.child import Stopwatch, load_facts
from tests.bench.server import TENANT_UID

CONTRACT = Path(__file__).parents[1] / "published_contract.json"
GENERATED = "flow_retail_client"


def load_by_dlt(clock: Stopwatch, *, base_url: str, page_size: int) -> dict[str, int]:
    """Load groups and customers into Parquet files with dlt. Nested lists are stored as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DLT_DATA_DIR": folder, "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
        import dlt
        import pandas as pd
        from dlt.sources.rest_api import rest_api_source

        pages = {"type": "page_number", "base_page": 1, "page_param": "pageNumber", "total_path": None}
        ask = {"data_selector": "items", "paginator": pages}
        groups = {
            "name": "groups",
            "endpoint": ask | {"path": "customer-groups", "params": {"pageSize": page_size}},
        }
        customers = {
            "name": "customers",
            "include_from_parent": ["customerGroupUid"],
            "endpoint": ask
            | {
                "path": "customer-groups/{group}/customers",
                "params": {
                    "pageSize": page_size,
                    "group": {"type": "resolve", "resource": "groups", "field": "customerGroupUid"},
                },
            },
        }
        with clock:
            source = rest_api_source(
                {"client": {"base_url": f"{base_url}/tenants/{TENANT_UID}/"}, "resources": [groups, customers]},
                max_table_nesting=0,
            )
            store = dlt.destinations.filesystem(bucket_url=Path(folder, "store").as_uri())
            pipeline = dlt.pipeline("bench", destination=store, pipelines_dir=folder, dataset_name="tenant")
            pipeline.run(source, loader_file_format="parquet")
        rows = pd.read_parquet(Path(folder, "store", "tenant", "customers"))
    return load_facts(rows["_groups_customer_group_uid"], rows["customer_uid"], rows["customer_uid"].nunique())


def load_by_generated_client(clock: Stopwatch, *, base_url: str, page_size: int) -> dict[str, int]:
    """Load groups and customers one page at a time with a client from openapi-python-client."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        _generate(Path(folder, GENERATED))
        sys.path.insert(0, folder)
        package = importlib.import_module(GENERATED)
        calls = f"{GENERATED}.api.customer_group"
        list_groups = importlib.import_module(f"{calls}.get_customer_groups").sync
        list_customers = importlib.import_module(f"{calls}.get_customer_groups_customers").sync
    with clock, package.Client(base_url=base_url, raise_on_unexpected_status=True) as client:
        rows = []
        for group in _items(list_groups, TENANT_UID, client=client, page_size=page_size):
            uid = group.customer_group_uid
            for customer in _items(list_customers, TENANT_UID, uid, client=client, page_size=page_size):
                rows.append(customer.to_dict() | {"customerGroupUid": uid})
        frame = pd.DataFrame(rows)
        memberships = frame[["customerGroupUid", "customerUid"]]
        customers = frame.drop(columns="customerGroupUid").drop_duplicates("customerUid", ignore_index=True)
    return load_facts(memberships["customerGroupUid"], memberships["customerUid"], len(customers))


def _generate(target: Path) -> None:
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", CONTRACT, "--meta", "none"]
    config = target.with_suffix(".json")
    config.write_text('{"post_hooks": []}')
    subprocess.run([*command, "--output-path", target, "--config", config], check=True, capture_output=True)


def _items(call, *path, client, page_size):
    number, seen, total = 1, 0, 1
    while seen < total:
        page = call(*path, client=client, page_number=number, page_size=page_size)
        yield from page.items
        number, seen, total = number + 1, seen + len(page.items), page.paging.total_count
