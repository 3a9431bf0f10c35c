"""The one door of a web daemon: an ASGI layer that every request passes."""

import asyncio
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmindustry.clock import Clock
from mmindustry.web.access import Gatekeeper, Principal
from mmindustry.web.headers import security_headers
from mmindustry.web.policy import WebPolicy, is_loopback
from mmindustry.web.problem import Problem, ProblemDocument, problem_json

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"\A[A-Za-z0-9_-]{8,64}\Z")

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/startupz", "/metrics", "/-/healthy", "/-/ready"})
"""What orchestrators and Prometheus may ask without a login; it names no asset."""


def protect(
    app: FastAPI, policy: WebPolicy, clock: Clock, *, open_paths: Collection[str] = OPEN_PATHS
) -> None:
    """Put the guard before every route of `app`; `request.state.principal` then says who asks.

    Args:
        app: The application; call this before it serves.
        policy: Limits, hosts and accesses.
        clock: Times the login throttle.
        open_paths: Exact paths answered without a login.
    """
    app.add_middleware(Guard, policy=policy, clock=clock, open_paths=frozenset(open_paths))


@dataclass(slots=True)
class _Sent:
    """What of the answer has left already."""

    started: bool = False
    streaming: bool = False
    deadline: asyncio.Timeout | None = field(default=None)


class Guard:
    """Checks size, host, origin and login, sets headers, gives an id, ends what takes too long."""

    def __init__(
        self, app: ASGIApp, *, policy: WebPolicy, clock: Clock, open_paths: frozenset[str]
    ) -> None:
        self._app = app
        self._policy = policy
        self._open = open_paths
        self._gatekeeper = Gatekeeper(policy, clock)
        self._headers = security_headers(secure_transport=policy.secure_transport)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only HTTP and the lifespan are known here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        identity = given if _REQUEST_ID.match(given) else uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = identity
        sent = _Sent()
        send = self._decorated(send, sent, identity, head=scope["method"] == "HEAD")
        if scope["method"] == "HEAD":
            scope["method"] = "GET"
        try:
            state["principal"] = self._admit(scope, headers)
            async with asyncio.timeout(self._policy.request_seconds) as sent.deadline:
                await self._app(scope, self._bounded(receive), send)
        except Problem as problem:
            await self._refuse(scope, receive, send, problem)
        except TimeoutError:
            if sent.started:
                raise
            late = Problem(408, f"not done within {self._policy.request_seconds:g} s; ask for less")
            await self._refuse(scope, receive, send, late)

    def _admit(self, scope: Scope, headers: Headers) -> Principal | None:
        self._check_size(scope, headers)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise Problem(400, "an address may not hold NUL")
        if scope["path"] in self._open:
            return None
        self._check_host(headers)
        if scope["method"] not in _SAFE_METHODS:
            _check_origin(headers)
        return self._login(scope, headers)

    def _check_size(self, scope: Scope, headers: Headers) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        size += len(scope["query_string"]) + len(scope["path"])
        if size > self._policy.header_bytes:
            raise Problem(431, f"the request head has over {self._policy.header_bytes} bytes")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._policy.body_bytes:
            raise _too_large(self._policy.body_bytes)

    def _check_host(self, headers: Headers) -> None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        known = {self._policy.host.strip("[]"), *self._policy.allowed_hosts}
        exposed = self._policy.expose_without_protection
        if not (exposed or is_loopback(host) or host in known):
            raise Problem(421, "this host name is not in `allowed_hosts`")

    def _login(self, scope: Scope, headers: Headers) -> Principal:
        address = scope["client"][0] if scope.get("client") else ""
        authorization = headers.get("authorization", "")
        if authorization and self._gatekeeper.must_wait(address):
            raise Problem(429, "too many refused logins; wait a minute")
        principal = self._gatekeeper.identify(authorization)
        if principal is None:
            if authorization:
                self._gatekeeper.note_failure(address)
            raise Problem(401, "log in with a name and token, or send a bearer token")
        return principal

    def _bounded(self, receive: Receive) -> Receive:
        limit = self._policy.body_bytes
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _too_large(limit)
            return message

        return counted

    def _decorated(self, send: Send, sent: _Sent, identity: str, *, head: bool) -> Send:
        async def decorated(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent.started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers["X-Request-ID"] = identity
                if (
                    headers.get("content-type", "").startswith("text/event-stream")
                    and sent.deadline
                ):
                    sent.deadline.reschedule(None)
            elif head:
                message = {**message, "body": b""}
            await send(message)

        return decorated

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
        identity = scope["state"]["request_id"]
        response = problem_json(
            ProblemDocument(problem.status, problem.code, problem.detail, identity)
        )
        if problem.status == 401:  # noqa: PLR2004 - the status that asks for a login
            response.headers["WWW-Authenticate"] = 'Basic realm="mmindustry", charset="UTF-8"'
        await response(scope, receive, send)


def _check_origin(headers: Headers) -> None:
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin", "")
    foreign = bool(origin) and urlsplit(origin).netloc != headers.get("host", "")
    if site not in ("same-origin", "none") or foreign:
        raise Problem(403, "a page of another origin may not change anything here")


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body has over {limit} bytes; send less at once")
