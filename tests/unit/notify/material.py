"""Outbox rows, receivers on real sockets that answer as told, and a record of what stands."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from mmindustry.clock import SystemClock
from mmindustry.domain import OutboxRow
from mmindustry.notify.transport import Reach, Transport

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Hands:
    """A clock cranked by hand."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.seconds += seconds


def answer(status: int, body: str = "", *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *fields, "", body]
    return "\r\n".join(lines).encode()


class Receiver:
    """An HTTP receiver on a free port of 127.0.0.1 that keeps what it was sent."""

    def __init__(self, reply: Callable[[int], Sequence[bytes]]) -> None:
        self._reply = reply
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.closing = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65_536)
            head, _, body = received.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += connection.recv(65_536)
            self.heads.append(head.decode("latin-1"))
            self.bodies.append(body)
            for part in self._reply(len(self.bodies)):
                connection.sendall(part)
                if self.closing.wait(0.05 if len(part) == 1 else 0):
                    return
        except OSError:
            return

    @property
    def documents(self) -> list[object]:
        return [json.loads(body) for body in self.bodies]

    def close(self) -> None:
        self.closing.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # close alone lets a waiting accept take one more
        self._socket.close()


@contextmanager
def receiving(*replies: bytes) -> Iterator[Receiver]:
    """Answer with the replies in turn, the last one for ever (200 by default)."""
    told = replies or (OK,)
    receiver = Receiver(lambda number: [told[min(number, len(told)) - 1]])
    try:
        yield receiver
    finally:
        receiver.close()


@contextmanager
def dripping(parts: Callable[[int], Sequence[bytes]]) -> Iterator[Receiver]:
    receiver = Receiver(parts)
    try:
        yield receiver
    finally:
        receiver.close()


def transport(
    *,
    reach: Reach | None = None,
    resolve: Callable[[str, int], Sequence[str]] | None = None,
    timeout: float = 2.0,
) -> Transport:
    made = Transport(
        clock=SystemClock(), reach=reach or Reach(trusted=True), timeout_seconds=timeout
    )
    if resolve is None:
        return made
    return Transport(clock=made.clock, reach=made.reach, timeout_seconds=timeout, resolve=resolve)


def body(  # noqa: PLR0913 - every part of an alarm may be the point of a test
    change: str = "raised",
    *,
    at: datetime = NOW,
    raised_at: datetime | None = None,
    fault: str = "bearing_outer",
    asset: str = "north/mill/line-1/pump-7",
    source: str = "",
    priority: str = "high",
    window: str = "w1",
    score: float = 0.91,
    late: bool = False,
) -> dict[str, object]:
    return {
        "alarm": f"{asset}|{fault}|{window}",
        "asset": asset,
        "fault": fault,
        "window": window,
        "change": change,
        "at": at.isoformat(),
        "raised_at": (raised_at or at).isoformat(),
        "priority": priority,
        "score": score,
        "source": source,
        "bundle": "b1",
        "late": late,
        "window_id": window,
        "evidence": {"risk": {"24h": 0.4}},
    }


def row(number: int, told: dict[str, object], channel: str = "alertmanager") -> OutboxRow:
    return OutboxRow(id=number, channel=channel, body=told, attempts=1, created_at=NOW)
