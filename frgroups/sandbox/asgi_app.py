"""The ASGI application: the service, the faults around it, the log of requests, and the control route."""

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
PAGE = "<!doctype html><title>Sign in</title><p>Please sign in to go on.</p>"


class Application:
    """What uvicorn runs. Requests under /_sandbox/ steer it and are in no log; they need the control token."""

    def __init__(self, store: Store, control_token: str) -> None:
        self.service = Service(store)
        self.control_token = control_token
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # When the server ends, what still waits is cancelled; that is no error of the application.
        with contextlib.suppress(asyncio.CancelledError):
            body = await _read_body(receive)
            if body is None:
                return
            question = ValidatedRequest.of(scope, body)
            if question.segments[:1] == ("_sandbox",):
                await self._control(question)(scope, receive, send)
                return
            await self._answer(question, scope, receive, send)

    async def _answer(self, question: ValidatedRequest, scope: Scope, receive: Receive, send: Send) -> None:
        mischief = self.service.mischief
        fault = mischief.next_fault(question.method, question.target)
        if fault is not None and fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
        response = self._response(question, fault)
        cut = fault is not None and fault.kind in ("cut_before", "cut_after")
        # Logged before it is sent, so that a client which has its answer finds it in the log.
        self.log.append(
            {
                "method": question.method,
                "path": question.target,
                "status": None if cut else response.status_code,
                "sent": question.body.decode("utf-8", "replace"),
            }
        )
        if mischief.behavior.latency:
            await asyncio.sleep(mischief.behavior.latency)
        if cut:
            await _cut(scope, receive)
        elif fault is not None and fault.kind == "cut_during":
            await response(scope, receive, _half(send))
            await _cut(scope, receive)
        else:
            await response(scope, receive, send)

    def _response(self, question: ValidatedRequest, fault: Fault | None) -> Response:
        match fault:
            case Fault(kind="cut_before"):
                return Response()
            case Fault(kind="status", status=status):
                return _failure(fault, status)
            case Fault(kind="html"):
                return HTMLResponse(PAGE)
            case Fault(kind="redirect", location=location):
                return Response(status_code=302, headers={"Location": location})
        response = self.service.answer(question)
        match fault:
            case Fault(kind="status_after", status=status):
                return _failure(fault, status)
            case Fault(kind="garbage"):
                body = bytes(response.body)
                return Response(body[: len(body) // 2], response.status_code, media_type="application/json")
        return response

    def _control(self, question: ValidatedRequest) -> Response:
        token = question.headers.get("x-sandbox-control", "")
        if not hmac.compare_digest(token.encode(), self.control_token.encode()):
            return json_response(403, {"message": "Only the owner of the sandbox may steer it."})
        match question.method, question.segments[1:]:
            case "GET", ("requests",):
                return json_response(200, list(self.log))
            case "DELETE", ("requests",):
                self.log.clear()
                return Response(status_code=204)
            case "PUT", ("behavior",):
                self.service.mischief = FaultInjector(msgspec.json.decode(question.body, type=Behavior))
                return Response(status_code=204)
        return json_response(404, {"message": "There is no such control."})


def _failure(fault: Fault, status: int) -> Response:
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    if status in (204, 304):
        return Response(status_code=status, headers=headers)
    return json_response(status, {"message": f"The sandbox was told to answer {status}."}, headers)


async def _read_body(receive: Receive) -> bytes | None:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            # Half a request changes nothing.
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _half(send: Send) -> Send:
    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message["body"]
            message = {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return send_half


async def _cut(scope: Scope, receive: Receive) -> None:
    scope["state"]["transport"].close()
    # Returning before the server has noticed would make it answer 500.
    while (await receive())["type"] != "http.disconnect":
        pass
