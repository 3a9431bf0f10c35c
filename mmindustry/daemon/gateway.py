"""The gateway as a daemon: events over HTTP into the stream, or into the spool beside it."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from mmindustry.config.load import Loaded
from mmindustry.daemon.life import Life, living
from mmindustry.gateway.http import create_app, mount_pages
from mmindustry.gateway.relay import Relay
from mmindustry.gateway.spool import Spool
from mmindustry.stream.entry import open_publisher
from mmindustry.stream.policy import StreamPolicy
from mmindustry.web.serve import serve

_JOIN_SECONDS = 5.0


def run_gateway(loaded: Loaded, *, started: Callable[[str], None]) -> None:
    """Take events until SIGTERM; what waits in the spool then goes on at the next start.

    Args:
        loaded: The settings.
        started: Told the URL once the server accepts connections.

    Raises:
        ConfigError: The address is public and unprotected (exit 78).
        Busy: The port is taken, or the spool is damaged and open elsewhere (exit 75).
        StoreError: The spool's folder can't be used.
    """
    with living("gateway", loaded, pages=False) as life, ExitStack() as stack:
        settings = life.settings
        policy = settings.gateway
        stream = open_publisher(impatient(settings.stream, policy.stream_seconds), clock=life.clock)
        stack.callback(stream.close)
        spool = stack.enter_context(
            Spool(
                policy.spool_folder,
                limit_bytes=policy.spool_bytes,
                value_bytes=settings.codec.value_bytes,
                clock=life.clock,
            )
        )
        relay = Relay(stream, spool, life.metrics)
        app = create_app(
            relay,
            policy=policy,
            codec=settings.codec,
            clock=life.clock,
            metrics=life.metrics,
        )
        mount_pages(app, life.health, life.metrics)
        stack.callback(_forwarding(life, relay, policy.forward_seconds))

        def told(url: str) -> None:
            life.started()
            started(url)

        serve(app, policy, stop=life.stop.event, started=told)


def impatient(policy: StreamPolicy, seconds: float) -> StreamPolicy:
    """Return how the stream is reached by one who has a spool: after `seconds` it is away."""
    request = max(min(policy.kafka.request_seconds, seconds), 1.0)
    kafka = replace(policy.kafka, request_seconds=request, delivery_seconds=max(seconds, request))
    local = replace(policy.local, busy_seconds=min(policy.local.busy_seconds, seconds))
    return replace(policy, kafka=kafka, local=local)


def _forwarding(life: Life, relay: Relay, pause_seconds: float) -> Callable[[], None]:
    """Forward on a thread of its own, beating all the while; return how to end it."""

    def wait(seconds: float) -> bool:
        life.beat()
        life.health.set("stream", ok=not relay.trouble, detail=relay.trouble)
        life.metrics.dependency_up.labels(dependency="stream").set(0 if relay.trouble else 1)
        return life.stop.wait(seconds)

    def run() -> None:
        relay.keep_forwarding(wait, pause_seconds)

    thread = threading.Thread(target=run, name="forward", daemon=True)
    thread.start()

    def end() -> None:
        life.stop.request(life.stop.reason or "server ended")
        thread.join(_JOIN_SECONDS)

    return end
