"""Serve a sandbox on 127.0.0.1, in a thread or in a child process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Any, Protocol

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.base_urls import SANDBOX_SERVER
from frgroups.sandbox.asgi_app import Application
from frgroups.sandbox.store import Store

HOST = "127.0.0.1"
SECONDS_TO_START = 30


class Server(Protocol):
    """HTTP server that listens on `port` until it is stopped."""

    port: int

    def stop(self) -> None:
        """Stop the server and release its resources."""


class ThreadServer:
    """Server that runs in a daemon thread with its own event loop, so that asynchronous code can use the server."""

    def __init__(self, path: Path, control_token: str, port: int) -> None:
        self._listener = listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._store = Store(path)
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(
            target=self._run, args=(Application(self._store, control_token),), name="frgroups-sandbox", daemon=True
        )
        self._thread.start()
        if not self._ready.wait(SECONDS_TO_START):
            raise FrgroupsError(f"The sandbox did not start within {SECONDS_TO_START} seconds.")

    def _run(self, application: Application) -> None:
        async def run() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()

            def end() -> None:
                loop.call_soon_threadsafe(stop.set)

            self._stop = end
            await serve(application, self._listener, stop, self._ready.set)

        asyncio.run(run())

    def stop(self) -> None:
        """Stop the thread and close the database."""
        self._stop()
        self._thread.join(SECONDS_TO_START)
        self._store.close()


class ProcessServer:
    """
    Server in a child process.

    The child process exits when its standard input is closed. The standard input is also closed when the parent
    process exits.
    """

    def __init__(self, path: Path, control_token: str, port: int) -> None:
        # Standard error is written to a file, because an unread pipe would block the child process when the pipe is
        # full.
        self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "frgroups.sandbox"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        # The settings are sent through the pipe, because other users of the machine can read command-line arguments.
        settings = json.dumps({"path": str(path.resolve()), "control_token": control_token, "port": port})
        reply = self._send_settings(settings)
        if "port" not in reply:
            raise _not_listening(port, reply["error"])
        self.port: int = reply["port"]

    def _send_settings(self, settings: str) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(settings + "\n")
            self._child.stdin.flush()
        line = self._child.stdout.readline()
        if line:
            reply: dict[str, Any] = json.loads(line)
            if "error" in reply:
                self._end()
            return reply
        raise FrgroupsError(f"The child process of the sandbox did not start.\n{indent(self._end(), '  ')}")

    def stop(self) -> None:
        """Close the standard input of the child process and wait until the process exits."""
        self._end()

    def _end(self) -> str:
        try:
            self._child.communicate(timeout=SECONDS_TO_START)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
        with self._stderr:
            self._stderr.seek(0)
            return self._stderr.read().strip()


def serve_parent() -> None:
    """
    Run the sandbox server in the child process.

    The first line of standard input contains the settings. The server runs until standard input is closed.
    """
    # Only the parent process handles Ctrl-C in a terminal or notebook. The child process ignores the signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = json.loads(sys.stdin.readline())
    try:
        listener = listen(settings["port"])
    except InputError as error:
        sys.stdout.write(json.dumps({"error": getattr(error, "reason", error.message)}) + "\n")
        return
    with contextlib.closing(Store(settings["path"])) as store:
        application = Application(store, settings["control_token"])

        async def run() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()

            def watch() -> None:
                sys.stdin.read()
                loop.call_soon_threadsafe(stop.set)

            def ready() -> None:
                sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
                sys.stdout.flush()

            threading.Thread(target=watch, daemon=True).start()
            await serve(application, listener, stop, ready)

        asyncio.run(run())


def listen(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1. Port 0 selects a free port."""
    listener = socket.socket()
    if os.name == "posix":
        # On Windows, SO_REUSEADDR would allow two sandboxes to use the same port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Without TCP_NODELAY, each response body waits about 40 ms for the client's delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _not_listening(port, getattr(error, "strerror", None) or str(error).rstrip(".")) from error
    return listener


def _not_listening(port: int, reason: str) -> InputError:
    text = f"The sandbox cannot listen on port {port}: {reason}."
    return InputError(
        text, hint="Pass port=0 to use a free port.", cli_hint="Pass --port 0 to use a free port.", reason=reason
    )


async def serve(
    application: Application, listener: socket.socket, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    """Serve requests until `stop` is set, then close all connections without waiting for running requests."""
    config = uvicorn.Config(
        application,
        http=_Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=60,
        server_header=False,
        headers=[("Server", SANDBOX_SERVER)],
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    ready()
    while not stop.is_set():
        # Update the Date header once per second.
        await server.on_tick(0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1)
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    await asyncio.sleep(0)


class _Connection(H11Protocol):
    """HTTP connection that passes its transport to the application, so that faults can close the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}
