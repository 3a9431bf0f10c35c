"""The HTTP door: `POST /v1/events` takes one CloudEvent and answers once it is durable.

A frame, a sound, a log line and an operating state (`ce-id` unique within its `ce-source`):

    curl -X POST http://127.0.0.1:8081/v1/events -H "ce-specversion: 1.0" \
      -H "ce-type: io.mmindustry.frame.v1" -H "ce-id: $(uuidgen)" -H "ce-source: cam-1" \
      -H "ce-subject: north/press/line-1/pump-1" -H "ce-time: $(date -u +%FT%TZ)" \
      -H "content-type: image/jpeg" --data-binary @frame.jpg

    ... -H "ce-type: io.mmindustry.audio.v1" -H "content-type: audio/wav" --data-binary @chunk.wav

    ... -H "ce-type: io.mmindustry.log.v1" -H "content-type: text/plain" -d "bearing runs hot"

    ... -H "ce-type: io.mmindustry.state.v1" -H "content-type: application/json" \
      -d '{"running": true, "speed_rpm": 1480}'

The whole event as one JSON document goes with `content-type: application/cloudevents+json`.
"""

from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from mmindustry import __version__
from mmindustry.clock import Clock
from mmindustry.codec.encode import Encoded
from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.reasons import REASONS
from mmindustry.errors import DecodeError, DependencyDown
from mmindustry.gateway.door import Accepted, accept
from mmindustry.gateway.openapi import OPERATION
from mmindustry.gateway.policy import GatewayPolicy
from mmindustry.gateway.relay import Delivery
from mmindustry.telemetry.health import Health
from mmindustry.telemetry.metrics import Metrics
from mmindustry.telemetry.pages import answer
from mmindustry.web.access import LOCAL, Principal
from mmindustry.web.guard import OPEN_PATHS, protect
from mmindustry.web.measure import measure
from mmindustry.web.policy import Role
from mmindustry.web.problem import Problem, install_problems

_TOO_LARGE = frozenset(("value_too_large", "image_too_large", "audio_too_long"))
_UNSUPPORTED = frozenset(("content_type_unsupported", "image_unsupported", "audio_unsupported"))
_RETRY_SECONDS = "5"


class Deliverer(Protocol):
    """Makes accepted events durable: a `Relay`."""

    def deliver(self, topic: str, encoded: Encoded) -> Delivery:
        """Make one event durable and say where.

        Raises:
            PublishRefused: The stream will never take it.
            DependencyDown: Neither stream nor spool takes it now.
        """


def create_app(
    relay: Deliverer,
    *,
    policy: GatewayPolicy,
    codec: CodecPolicy,
    clock: Clock,
    metrics: Metrics,
) -> FastAPI:
    """Return the gateway as an ASGI application.

    Args:
        relay: Makes accepted events durable.
        policy: Access and limits.
        codec: What the line can read.
        clock: Stands for the append time when an event is judged.
        metrics: Counts requests.
    """
    app = FastAPI(
        title="mmindustry gateway",
        version=__version__,
        summary="Takes frames, sound, log entries and operating states into the stream.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    install_problems(app)

    @app.post("/v1/events", status_code=202, openapi_extra=OPERATION, response_model=None)
    async def post_event(request: Request) -> Response:
        """Take one event; the answer says where it is durable: in the stream or in the spool."""
        body = await request.body()
        principal = getattr(request.state, "principal", None) or LOCAL
        return await run_in_threadpool(take, request.headers.items(), body, principal)

    def take(headers: list[tuple[str, str]], body: bytes, principal: Principal) -> Response:
        try:
            event = accept(headers, body, policy=codec, clock=clock)
        except DecodeError as error:
            raise _refusal(error) from error
        _check_right(principal, event)
        try:
            delivery = relay.deliver(event.topic, event.encoded)
        except DependencyDown as error:
            raise Problem(503, f"{error}; try again in {_RETRY_SECONDS} s") from error
        told: dict[str, Any] = {
            "id": event.id,
            "source": event.source,
            "time": event.time,
            "topic": event.topic,
            "partition": delivery.partition,
            "kept": delivery.kept,
            "flags": list(event.flags),
        }
        return JSONResponse(told, 202)

    protect(app, policy, clock)
    measure(app, metrics, clock)
    return app


def _check_right(principal: Principal, event: Accepted) -> None:
    """Let write only those who may, and only where they may.

    Raises:
        Problem: 403.
    """
    if principal.role is not Role.OPERATOR:
        raise Problem(403, f"{principal.name} may only read; give it the role operator")
    if principal.scope and not f"{event.asset}/".startswith(f"{principal.scope}/"):
        raise Problem(403, f"{principal.name} may only send for {principal.scope}")


def _refusal(error: DecodeError) -> Problem:
    """Return a refusal as an HTTP problem that says what to do."""
    status = 400
    if error.reason in _TOO_LARGE:
        status = 413
    elif error.reason in _UNSUPPORTED:
        status = 415
    return Problem(status, f"{error.detail}. {REASONS[error.reason]}", code=error.reason)


def mount_pages(app: FastAPI, health: Health, metrics: Metrics) -> None:
    """Serve health and metrics beside the door; call it before the app serves."""

    def page(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        found = answer(f"{request.url.path}{query}", health, metrics.registry)
        if found is None:
            raise Problem(404, "no such page")
        status, media_type, body = found
        return Response(body, status, media_type=media_type)

    for path in sorted(OPEN_PATHS):
        app.add_api_route(path, page, methods=["GET"], include_in_schema=False)
