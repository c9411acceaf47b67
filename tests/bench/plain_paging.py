"""Load a tenant with the frgroups client by reading all pages in parallel, without verification."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import frgroups as fg
from frgroups.api.schema.records import ROW_OF, Member, Row
from tests.bench.child import Stopwatch
from tests.bench.columns import Columns, page_numbers
from tests.bench.server import TENANT_UID


def load(clock: Stopwatch, *, base_url: str, page_size: int) -> dict[str, int]:
    """Load all pages of all groups. The first page of a group contains its total."""
    with clock, fg.Client(TENANT_UID, "bench", base_url=base_url, page_size=page_size) as client:

        def page(request: tuple[str, int]) -> tuple[str, Sequence[Row], int]:
            response = client.read_customer_page(*request, record=ROW_OF[Member])
            return request[0], response.items, response.total_count

        columns, rest = Columns(), []
        with ThreadPoolExecutor(client.workers) as pool:
            for uid, rows, total in pool.map(page, [(group.uid, 1) for group in client.iter_groups()]):
                columns.take(uid, rows)
                rest += [(uid, number) for number in page_numbers(total, page_size)]
            for uid, rows, _ in pool.map(page, rest):
                columns.take(uid, rows)
        _, _, page_codes, customer_codes = columns.tables()
    return columns.load_facts(page_codes, customer_codes)
