"""Load a tenant with a blocking socket and the frgroups page decoder, as a lower bound for the cost of a load."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from frgroups.api.schema.codec import decode_page
from frgroups.api.schema.records import ROW_OF, Group, Member, Page, Record
from tests.bench.child import Stopwatch
from tests.bench.columns import Columns, page_numbers
from tests.bench.server import TENANT_UID

LARGEST = 8 << 20


class Line:
    """Keep-alive connection that requests one page at a time and relies on the Content-Length header."""

    def __init__(self, base_url: str) -> None:
        url = urlsplit(base_url)
        self.host, self.root = url.netloc, f"{url.path}/tenants/{TENANT_UID}/customer-groups"
        self.socket = socket.create_connection((url.hostname, url.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(LARGEST)

    def page(self, path: str, number: int, size: int, record: type[Record]) -> Page[Record]:
        """Return a decoded page."""
        target = f"{self.root}{path}?pageNumber={number}&pageSize={size}"
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        view = memoryview(self.buffer)
        have = self.socket.recv_into(view)
        start = self.buffer.index(b"\r\n\r\n", 0, have) + 4
        stated = self.buffer.index(b"Content-Length: ", 0, start) + 16
        end = start + int(self.buffer[stated : self.buffer.index(b"\r", stated)])
        while have < end:
            have += self.socket.recv_into(view[have:])
        return decode_page(view[start:end], record)


def load(clock: Stopwatch, *, base_url: str, page_size: int) -> dict[str, int]:
    """Load all groups page by page, without verification."""
    with clock:
        line, columns, row = Line(base_url), Columns(), ROW_OF[Member]
        groups = line.page("", 1, page_size, Group)
        uids = [group.uid for group in groups.items]
        for number in page_numbers(groups.total_count, page_size):
            uids += line.page("", number, page_size, Group).uids
        for uid in uids:
            first = line.page(f"/{uid}/customers", 1, page_size, row)
            columns.take(uid, first.items)
            for number in page_numbers(first.total_count, page_size):
                columns.take(uid, line.page(f"/{uid}/customers", number, page_size, row).items)
        _, _, page_codes, customer_codes = columns.tables()
    return columns.load_facts(page_codes, customer_codes)
