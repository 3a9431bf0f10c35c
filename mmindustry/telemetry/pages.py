"""The tiny web server of daemons that have no pages of their own."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from typing_extensions import override

from mmindustry.errors import Busy
from mmindustry.telemetry.health import Health

Answer = tuple[int, str, bytes]
"""Status, content type, body."""

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_SOCKET_SECONDS = 5.0  # a slow client never holds a thread for longer


def answer(path: str, health: Health, registry: CollectorRegistry) -> Answer | None:
    """Return what a health or metrics page says, or None where `path` is no such page.

    `/healthz` and `/-/healthy`: live. `/readyz` and `/-/ready`: ready (`?verbose` lists the checks
    as JSON). `/startupz`: started. `/metrics`: the registry. The dashboard mounts the same pages.
    """
    url = urlsplit(path)
    verbose = "verbose" in parse_qs(url.query, keep_blank_values=True)
    found: Answer | None = None
    match url.path:
        case "/healthz" | "/-/healthy":
            found = _says(ok=health.is_live(), bad="the main loop is silent")
        case "/readyz" | "/-/ready":
            found = _readiness(health, verbose=verbose)
        case "/startupz":
            found = _says(ok=health.is_started(), bad="still starting")
        case "/metrics":
            found = 200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)
        case _:
            pass
    return found


def _says(*, ok: bool, bad: str) -> Answer:
    return (200, _TEXT, b"ok\n") if ok else (503, _TEXT, f"{bad}\n".encode())


def _readiness(health: Health, *, verbose: bool) -> Answer:
    checks = health.checks()
    ready = all(check.ok for check in checks)
    status = 200 if ready else 503
    if verbose:
        listed = [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in checks]
        body = json.dumps({"ready": ready, "checks": listed})
        return status, _JSON, body.encode()
    failing = [f"{c.name}: {c.detail}" for c in checks if not c.ok]
    return status, _TEXT, ("\n".join(failing) or "ok").encode() + b"\n"


class Pages:
    """Serves `answer` on a thread of its own until stopped; GET and HEAD, nothing else."""

    def __init__(
        self, health: Health, registry: CollectorRegistry, *, host: str, port: int
    ) -> None:
        try:
            self._server = _Server((host, port), _handler(health, registry))
        except OSError as error:
            raise Busy(
                f"can't listen on {host}:{port}: {error.strerror}; "
                "set telemetry.port to a free port, or 0 for any"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 16

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up or was too slow; trace what is our own fault."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def _handler(health: Health, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SOCKET_SECONDS
        server_version = "mmindustry"
        sys_version = ""

        def do_GET(self) -> None:
            self._reply(body=True)

        def do_HEAD(self) -> None:
            self._reply(body=False)

        def _reply(self, *, body: bool) -> None:
            found = answer(self.path, health, registry)
            status, kind, payload = found or (404, _TEXT, b"not found\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(payload)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if body:
                self.wfile.write(payload)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: probes come every second."""

    return Handler
