"""Counts and times requests by route template, so that no asset becomes a label."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmindustry.clock import Clock
from mmindustry.telemetry.metrics import Metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def measure(app: FastAPI, metrics: Metrics, clock: Clock) -> None:
    """Count every request of `app` and time its answer; call it last, so that it sees all."""
    app.add_middleware(Measured, metrics=metrics, clock=clock)


class Measured:
    """Feeds `http_requests_total` and `http_request_duration_seconds`."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = self._clock.monotonic()
        status = 500
        method = scope["method"] if scope["method"] in _METHODS else "other"

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                route = _template(scope)
                took = self._clock.monotonic() - begun
                self._metrics.http_request_duration_seconds.labels(route=route).observe(took)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._metrics.http_requests_total.labels(
                route=_template(scope), method=method, status=str(status)
            ).inc()


def _template(scope: Scope) -> str:
    """Return the path as it was declared; `none` where no route took the request."""
    return str(getattr(scope.get("route"), "path", "none"))
