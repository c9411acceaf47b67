"""ASGI application of the sandbox with faults, a request log, and control routes."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections import deque
from typing import Any

import msgspec
from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from frgroups.sandbox.faults import Behavior, Fault, FaultInjector
from frgroups.sandbox.request_validation import ValidatedRequest
from frgroups.sandbox.service import Service, json_response
from frgroups.sandbox.store import Store

LOG_LENGTH = 10_000
PAGE = "<!doctype html><title>Sign in</title><p>Please sign in to continue.</p>"


class Application:
    """
    ASGI application that serves a sandbox.

    Requests with a path that starts with /_sandbox/ control the sandbox. These requests require the control token and
    are not logged.
    """

    def __init__(self, store: Store, control_token: str) -> None:
        self.service = Service(store)
        self.control_token = control_token
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request."""
        # Ignore the cancellation of waiting requests when the server stops.
        with contextlib.suppress(asyncio.CancelledError):
            body = await _read_body(receive)
            if body is None:
                return
            request = ValidatedRequest.from_scope(scope, body)
            if request.segments[:1] == ("_sandbox",):
                await self._control(request)(scope, receive, send)
                return
            await self._respond(request, scope, receive, send)

    async def _respond(self, request: ValidatedRequest, scope: Scope, receive: Receive, send: Send) -> None:
        injector = self.service.injector
        fault = injector.next_fault(request.method, request.target)
        if fault is not None and fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
        response = self._response(request, fault)
        cut = fault is not None and fault.kind in ("cut_before", "cut_after")
        # The request is logged before the response is sent, so that a client that has received the response finds the
        # request in the log.
        self.log.append(
            {
                "method": request.method,
                "path": request.target,
                "status": None if cut else response.status_code,
                "sent": request.body.decode("utf-8", "replace"),
            }
        )
        if injector.behavior.latency:
            await asyncio.sleep(injector.behavior.latency)
        if cut:
            await _cut_connection(scope, receive)
        elif fault is not None and fault.kind == "cut_during":
            await response(scope, receive, _send_half(send))
            await _cut_connection(scope, receive)
        else:
            await response(scope, receive, send)

    def _response(self, request: ValidatedRequest, fault: Fault | None) -> Response:
        match fault:
            case Fault(kind="cut_before"):
                return Response()
            case Fault(kind="status", status=status):
                return _fault_response(fault, status)
            case Fault(kind="html"):
                return HTMLResponse(PAGE)
            case Fault(kind="redirect", location=location):
                return Response(status_code=302, headers={"Location": location})
        response = self.service.handle(request)
        match fault:
            case Fault(kind="status_after", status=status):
                return _fault_response(fault, status)
            case Fault(kind="garbage"):
                body = bytes(response.body)
                return Response(body[: len(body) // 2], response.status_code, media_type="application/json")
        return response

    def _control(self, request: ValidatedRequest) -> Response:
        token = request.headers.get("x-sandbox-control", "")
        if not hmac.compare_digest(token.encode(), self.control_token.encode()):
            return json_response(403, {"message": "The control token is missing or wrong."})
        match request.method, request.segments[1:]:
            case "GET", ("requests",):
                return json_response(200, list(self.log))
            case "DELETE", ("requests",):
                self.log.clear()
                return Response(status_code=204)
            case "PUT", ("behavior",):
                self.service.injector = FaultInjector(msgspec.json.decode(request.body, type=Behavior))
                return Response(status_code=204)
        return json_response(404, {"message": "The control route does not exist."})


def _fault_response(fault: Fault, status: int) -> Response:
    headers = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = fault.retry_after
    if status in (204, 304):
        return Response(status_code=status, headers=headers)
    return json_response(status, {"message": f"The sandbox injected a fault with status {status}."}, headers)


async def _read_body(receive: Receive) -> bytes | None:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            # The client closed the connection before the request was complete.
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _send_half(send: Send) -> Send:
    """Wrap an ASGI send function so that only the first half of the body is sent."""

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message["body"]
            message = {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return send_half


async def _cut_connection(scope: Scope, receive: Receive) -> None:
    scope["state"]["transport"].close()
    # Wait until the server detects the disconnect. If the application returned earlier, the server would send status
    # 500.
    while (await receive())["type"] != "http.disconnect":
        pass
