"""Live changes by server-sent events: one look at the record for all browsers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from mmindustry.errors import DependencyDown, StoreError
from mmindustry.telemetry.health import Health
from mmindustry.web.problem import Problem

router = APIRouter()

HEARTBEAT_SECONDS = 15.0
"""A comment this often keeps proxies from closing a silent stream."""

RETRY_MILLISECONDS = 2000
"""How long a browser waits before it asks again."""


@dataclass(slots=True)
class Live:
    """The newest version of the record and those who wait for the next; lives in one loop."""

    look: Callable[[], Awaitable[str]]
    health: Health
    look_seconds: float
    limit: int
    version: str = ""
    clients: int = 0
    closing: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Look at the record for ever; tell readiness whether it answers."""
        while not self.closing:
            await self._look_once()
            self.health.beat()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), self.look_seconds)

    async def _look_once(self) -> None:
        try:
            version = await self.look()
        except (DependencyDown, StoreError) as error:
            self.health.set("database", ok=False, detail=str(error))
            return
        self.health.set("database", ok=True)
        if version != self.version:
            self.version = version
            self._wake()

    def close(self) -> None:
        """End every stream: the daemon stops."""
        self.closing = True
        self.ended.set()
        self._wake()

    def _wake(self) -> None:
        waiting, self.changed = self.changed, asyncio.Event()
        waiting.set()

    async def events(self, seen: str, gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
        """Yield events for one browser that has `seen` a version ("" = none), until it is gone."""
        self.clients += 1
        try:
            yield f"retry: {RETRY_MILLISECONDS}\n\n"
            last = seen or self.version
            while not self.closing:
                if self.version != last:
                    last = self.version
                    yield f"id: {last}\nevent: changed\ndata: {json.dumps({'version': last})}\n\n"
                if not await self._wait(last):
                    yield ": still here\n\n"
                if await gone():
                    return
            yield "event: closing\ndata: {}\n\n"
        finally:
            self.clients -= 1

    async def _wait(self, last: str) -> bool:
        """Return whether the version changed (or the end came) before the next heartbeat."""
        if self.closing or self.version != last:
            return True
        try:
            await asyncio.wait_for(self.changed.wait(), HEARTBEAT_SECONDS)
        except TimeoutError:
            return False
        return True


@router.get("/api/v1/stream", response_class=StreamingResponse)
async def stream(request: Request) -> StreamingResponse:
    """Stream `changed` events (`text/event-stream`): something new is in the record.

    The id is the record's version; a browser that comes back names the last one it saw
    (`Last-Event-ID`) and is told at once if there is another. It names no asset.
    """
    live: Live = request.app.state.live
    if live.clients >= live.limit:
        raise Problem(503, f"{live.limit} browsers watch already; close one or reload later")
    seen = request.headers.get("last-event-id", "")[:100]
    return StreamingResponse(
        live.events(seen, request.is_disconnected),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )
