"""Select the snapshots of servers on this machine, and find sandboxes that have ended."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from frgroups.api.defaults import DEFAULT_PORTS
from frgroups.internals.base_urls import canonical_base_url
from frgroups.internals.paths import parse_tenant_folder
from frgroups.store.folders import is_on_this_machine
from frgroups.store.manifest import MANIFEST, StoredSnapshot

_CONNECT_TIMEOUT = 5.0  # Timeout in seconds.


def is_of_ended_sandbox(root: Path, stored: Sequence[StoredSnapshot]) -> bool:
    """
    Return True if the folder of a tenant and host belongs to a sandbox that has ended.

    `stored` contains all readable snapshots in the folder. The result is False unless all of them are from a
    `Sandbox`, because a tenant behind a proxy on this machine has a similar folder.
    """
    if not stored or not all(snapshot.manifest.get("from_sandbox") for snapshot in stored):
        return False
    _, host = parse_tenant_folder(root.name)
    # Try both schemes, because the folder name does not contain the scheme.
    # If the URL has no port, the scheme determines the port.
    urls = f"http://{host}", f"https://{host}"
    with suppress(ValueError):  # The folder name does not contain a host with a valid port.
        return all(is_on_this_machine(url) and _refuses_connections(url) for url in urls)
    return False


def _refuses_connections(base_url: str) -> bool:
    """
    Return True if no server is running at a base URL.

    If the connection fails because of a timeout or another error, the result is False, because a server might be
    running.
    """
    url = urlsplit(base_url)
    address = url.hostname or "", url.port or DEFAULT_PORTS[url.scheme]
    try:
        socket.create_connection(address, timeout=_CONNECT_TIMEOUT).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def select_default_tenant(stored: Sequence[StoredSnapshot]) -> list[StoredSnapshot]:
    """
    Return the snapshots to consider if the caller does not pass a host.

    The result contains all snapshots of servers on other machines. If there are no such snapshots, it contains the
    snapshots of one tenant on this machine: the tenant with the most recently stored snapshot. The time of storage is
    compared instead of the timestamp of the snapshot, because the clock of a sandbox can be slow.
    """
    others = [snapshot for snapshot in stored if not is_on_this_machine(snapshot.manifest["base_url"])]
    if others or not stored:
        return others
    last = max(stored, key=_stored_at)
    return [snapshot for snapshot in stored if _tenant_of(snapshot) == _tenant_of(last)]


def _tenant_of(snapshot: StoredSnapshot) -> tuple[str, str]:
    return snapshot.manifest["tenant_uid"], canonical_base_url(snapshot.manifest["base_url"])


def _stored_at(snapshot: StoredSnapshot) -> int:
    """Return the time in nanoseconds at which a snapshot was stored, or 0 if another process has removed it."""
    with suppress(OSError):
        return (snapshot.path / MANIFEST).stat().st_mtime_ns
    return 0
