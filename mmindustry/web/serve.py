"""Runs an application until it is told to stop."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from mmindustry.web.listen import listen
from mmindustry.web.policy import WebPolicy, check_exposure

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 5


def serve(
    app: FastAPI,
    policy: WebPolicy,
    *,
    stop: threading.Event,
    started: Callable[[str], None],
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve `app` in this thread until `stop` is set, then drain.

    Args:
        app: The application.
        policy: Address, port and limits.
        stop: Set by others to end the serving.
        started: Told the URL, with the true port, once the server accepts connections.
        stopping: Called once as the end begins, so that live streams can be closed.

    Raises:
        ConfigError: The address is public and unprotected.
        Busy: The port is taken; the message names it.
    """
    check_exposure(policy)
    listener = listen(policy.host, policy.port)
    shown = f"[{policy.host}]" if ":" in policy.host else policy.host
    url = f"http://{shown}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        h11_max_incomplete_event_size=policy.header_bytes,
    )
    with listener:
        asyncio.run(
            _run(
                _Server(config),
                listener,
                stop=stop,
                started=lambda: started(url),
                stopping=stopping,
            )
        )


class _Server(uvicorn.Server):
    """A server that leaves signals to the process, which sets `stop`: uvicorn would take them and
    send each once more as it ends, and a second one ends a process at once."""

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield


async def _run(
    server: uvicorn.Server,
    listener: socket.socket,
    *,
    stop: threading.Event,
    started: Callable[[], None],
    stopping: Callable[[], None],
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    told = False
    while not (stop.is_set() or server.should_exit or serving.done()):
        if server.started and not told:
            told = True
            started()
        await asyncio.sleep(_LOOK_SECONDS)
    stopping()
    server.should_exit = True
    await serving
