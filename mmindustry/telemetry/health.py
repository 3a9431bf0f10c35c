"""Whether a daemon lives and is ready, as named checks; told over HTTP and to systemd."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from mmindustry.clock import Clock


@dataclass(frozen=True, slots=True)
class Check:
    """One named need and whether it is met; `detail` says why not and what to do."""

    name: str
    ok: bool
    detail: str = ""


class Health:
    """What a daemon knows of itself; written by its threads, read by its pages.

    Live = its main loop has beaten within `stall_seconds`; no dependency is ever asked for that.
    Ready = started and every named check holds. A check that was never set does not exist.
    """

    def __init__(self, clock: Clock, *, stall_seconds: float) -> None:
        self._clock = clock
        self._stall_seconds = stall_seconds
        self._lock = threading.Lock()
        self._beat = clock.monotonic()
        self._started = False
        self._stopping = False
        self._checks: dict[str, Check] = {}

    def beat(self) -> None:
        """Say that the main loop has come round."""
        self._beat = self._clock.monotonic()

    def start(self) -> None:
        """Say that start-up (model load, migration) is over."""
        self._started = True
        self.beat()

    def stop(self) -> None:
        """Say that this daemon drains: from now on it is live but not ready."""
        self._stopping = True

    def set(self, name: str, *, ok: bool, detail: str = "") -> None:
        """Set a named check."""
        with self._lock:
            self._checks[name] = Check(name, ok, detail)

    def silent_seconds(self) -> float:
        """Return how long the main loop has been silent."""
        return self._clock.monotonic() - self._beat

    def is_live(self) -> bool:
        """Return whether the main loop has beaten lately."""
        return self.silent_seconds() <= self._stall_seconds

    def is_started(self) -> bool:
        """Return whether start-up is over."""
        return self._started

    def is_ready(self) -> bool:
        """Return whether this daemon can do its work now."""
        return all(check.ok for check in self.checks())

    def checks(self) -> tuple[Check, ...]:
        """Return every check, start-up and draining among them."""
        with self._lock:
            named = tuple(self._checks.values())
        started = Check("started", self._started, "" if self._started else "still starting")
        running = Check("running", not self._stopping, "draining" if self._stopping else "")
        return (started, running, *named)


class Systemd:
    """Tells systemd READY, STOPPING and WATCHDOG (sd_notify(3)); a no-op without a socket."""

    def __init__(self, address: str | None) -> None:
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address

    def ready(self) -> None:
        """Start-up is over."""
        self._send(b"READY=1")

    def stopping(self) -> None:
        """The daemon drains."""
        self._send(b"STOPPING=1")

    def alive(self) -> None:
        """The watchdog may wait for another round."""
        self._send(b"WATCHDOG=1")

    def _send(self, text: bytes) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            try:
                out.sendto(text, self._address)
            except OSError:
                return  # systemd went away or restarts; its own timer judges us


class Watch:
    """A thread that feeds systemd while the loop beats and calls `stalled` when it is dead."""

    def __init__(
        self,
        health: Health,
        systemd: Systemd,
        *,
        period_seconds: float,
        exit_seconds: float,
        stalled: Callable[[float], None],
    ) -> None:
        self._health = health
        self._systemd = systemd
        self._period = period_seconds
        self._exit = exit_seconds
        self._stalled = stalled
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(self._period):
            if self._health.is_live():
                self._systemd.alive()
            elif self._exit and self._health.silent_seconds() > self._exit:
                self._stalled(self._health.silent_seconds())
                return
