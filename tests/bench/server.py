"""
Serve a tenant from memory in a separate process, so that only the client is measured.

Pages are assembled from customer records that were encoded in advance. A PUT request changes the members of a group
and the records of these customers. The path /stats returns the numbers of requests and bytes, and the server's CPU
time.

The command `python -m tests.bench.server --tenant L` prints the base URL.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec
import numpy as np
import numpy.typing as npt

from tests.bench.tenants import TENANT_UID, Tenant, make_tenant

ROOT = f"/v2/tenants/{TENANT_UID}/customer-groups"
PAGE_SIZE_CAP = 500
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)


@dataclass
class Service:
    """Service that returns a tenant's lists by path, and counts the requests."""

    lists: dict[str, tuple[list[bytes], npt.NDArray[np.int32]]]
    code_of: dict[str, int] = field(default_factory=dict)
    cap: int = PAGE_SIZE_CAP
    latency: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    n_bytes: int = 0
    cpu_before: float = field(default_factory=time.process_time)
    counting: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, tenant: Tenant, *, cap: int = PAGE_SIZE_CAP, latency: float = 0.0) -> Service:
        """Return a service with the lists of groups and customers of a tenant."""
        customers, groups = list(tenant.customer_records()), tenant.group_records
        lists = {
            f"{ROOT}/{uid}/customers": (customers, codes)
            for uid, codes in zip(tenant.group_uids, tenant.members, strict=True)
        }
        lists[ROOT] = (groups, np.arange(len(groups), dtype=np.int32))
        code_of = {uid: code for code, uid in enumerate(tenant.customer_uids)}
        return cls(lists, code_of, cap, latency)

    def answer(self, target: str, change: bytes = b"") -> bytes:
        """Return the complete HTTP response to a GET request, or to a PUT request with a change."""
        path, _, query = target.partition("?")
        if path == "/stats":
            return _http("200 OK", [json.dumps(self.stats()).encode()])
        known = path in self.lists
        if known and change:
            self._change(path, json.loads(change))
            answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        else:
            answer = self._page(path, query) if known else _http("404 Not Found", [b'{"message":"not found"}'])
        with self.counting:
            self.requests[path] += 1
            self.n_bytes += len(answer)
        return answer

    def stats(self) -> dict[str, Any]:
        """Return the total number of requests, bytes, and CPU seconds, and the requests per path."""
        own = time.process_time() - self.cpu_before
        return {"requests": self.requests.total(), "bytes": self.n_bytes, "cpu": own, "paths": dict(self.requests)}

    def _change(self, path: str, change: dict[str, list[str]]) -> None:
        add, remove = (
            np.array([self.code_of[uid] for uid in change.get(name, [])], dtype=np.int32)
            for name in ("addCustomerUids", "removeCustomerUids")
        )
        with self.counting:
            records, order = self.lists[path]
            stay = order[~np.isin(order, remove)]
            self.lists[path] = records, np.concatenate([stay, add[~np.isin(add, stay)]])
            group_uid, joining = path.split("/")[-2], set(add.tolist())
            for code in [*add.tolist(), *remove.tolist()]:
                records[code] = _in_group(records[code], group_uid, inside=code in joining)

    def _page(self, path: str, query: str) -> bytes:
        records, order = self.lists[path]
        asked = parse_qs(query)
        number = int(asked.get("pageNumber", ["1"])[0])
        size = min(int(asked.get("pageSize", [self.cap])[0]), self.cap)
        start = max(number - 1, 0) * size
        items = [records[code] for code in order[start : start + size].tolist()]
        end = b'],"paging":{"pageNumber":%d,"pageSize":%d,"totalCount":%d}}' % (number, size, len(order))
        return _http("200 OK", items, b'{"items":[', end)


def _in_group(record: bytes, group_uid: str, *, inside: bool) -> bytes:
    """Return a customer's record after a group was added to or removed from the customer's groups."""
    customer = msgspec.json.decode(record)
    others = [uid for uid in customer["customerGroupUids"] if uid != group_uid]
    return msgspec.json.encode(customer | {"customerGroupUids": [*others, group_uid] if inside else others})


def _http(status: str, items: list[bytes], start: bytes = b"", end: bytes = b"") -> bytes:
    """Return an HTTP response whose body is a list of items, joined only once to avoid copies."""
    length = len(start) + sum(map(len, items)) + max(len(items) - 1, 0) + len(end)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode() + start
    if not items:
        return head + end
    if len(items) == 1:
        return head + items[0] + end
    return b",".join([head + items[0], *items[1:-1], items[-1] + end])


class Connection(socketserver.BaseRequestHandler):
    """Handler of a keep-alive connection, which sends each response after a constant latency."""

    server: Server

    def handle(self) -> None:
        """Respond to requests until the client closes the connection."""
        service, received = self.server.service, b""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := self.request.recv(65_536):
            due = time.monotonic() + service.latency
            received += data
            while (request := _whole_request(received)) is not None:
                target, body, received = request
                answer = service.answer(target, body)
                time.sleep(max(due - time.monotonic(), 0))
                self.request.sendall(answer)


def _whole_request(received: bytes) -> tuple[str, bytes, bytes] | None:
    """Return the target, the body, and the bytes after the first request, or None if the request is incomplete."""
    head, blank, rest = received.partition(b"\r\n\r\n")
    length = int((_LENGTH.search(head) or [0, 0])[1])
    if not blank or len(rest) < length:
        return None
    return head.split(b" ", 2)[1].decode(), rest[:length], rest[length:]


class Server(socketserver.ThreadingTCPServer):
    """Server with one thread per connection."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, service: Service) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.service = service

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection during a response."""


@contextmanager
def running(tenant: str, *, latency: float = 0.0, cap: int = PAGE_SIZE_CAP) -> Iterator[str]:
    """Start a server in a separate process, and yield its base URL."""
    options = ["--tenant", tenant, "--latency", str(latency), "--cap", str(cap)]
    command = [sys.executable, "-m", "tests.bench.server", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())["base_url"]


def stats(base_url: str) -> dict[str, Any]:
    """Return the statistics of a running server."""
    with urllib.request.urlopen(base_url.removesuffix("/v2") + "/stats") as answer:
        return dict(json.load(answer))


def main() -> None:
    """Serve a tenant until stdin is closed."""
    parser = argparse.ArgumentParser(description="Serve a synthetic tenant over HTTP on the loopback interface.")
    parser.add_argument("--tenant", default="S")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="latency of each response in seconds")
    parser.add_argument("--cap", type=int, default=PAGE_SIZE_CAP, help="largest page size")
    options = parser.parse_args()
    service = Service.of(make_tenant(options.tenant), cap=options.cap, latency=options.latency)
    server = Server(options.port, service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = {"base_url": f"http://127.0.0.1:{server.server_address[1]}/v2", "tenant_uid": TENANT_UID}
    sys.stdout.write(json.dumps(address) + "\n")
    sys.stdout.flush()
    sys.stdin.read()  # Stdin is closed when the parent process ends.


if __name__ == "__main__":
    main()
