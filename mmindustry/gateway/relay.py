"""Events to the stream; to the spool while it is away, and on from there in order."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from mmindustry.codec.encode import Encoded
from mmindustry.errors import DependencyDown, PublishRefused
from mmindustry.gateway.spool import Spool
from mmindustry.ports import Publisher
from mmindustry.telemetry.metrics import Metrics

_BATCH = 16
"""Events read from the spool at once: few, for each may hold many megabytes."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where an event is durable now; the partition is known in the stream only."""

    kept: Literal["stream", "spool"]
    partition: int | None = None


class Relay:
    """Delivers events. While anything waits in the spool all others queue behind it, so that the
    order of each source holds."""

    def __init__(self, stream: Publisher, spool: Spool, metrics: Metrics) -> None:
        self._stream = stream
        self._spool = spool
        self._metrics = metrics
        self._forwarding = threading.Lock()
        self.trouble = ""
        """Why the stream takes nothing now; empty where it does."""
        metrics.spool_limit_bytes.set(spool.limit_bytes)
        self._measure()

    def deliver(self, topic: str, encoded: Encoded) -> Delivery:
        """Make one event durable.

        Raises:
            PublishRefused: The stream will never take it.
            DependencyDown: Neither stream nor spool takes it now.
        """
        if not self._spool.waiting:
            try:
                (partition,) = self._stream.send(topic, [encoded])
            except DependencyDown as error:
                self.trouble = str(error)
            else:
                self.trouble = ""
                return Delivery("stream", partition)
        self._spool.add(topic, encoded)
        self._measure()
        return Delivery("spool")

    def forward(self) -> int:
        """Move a batch from the spool to the stream; return how many events that were.

        What the stream refuses stays at the head of the spool and is told in `trouble`: it was
        checked when it was accepted, so what is wrong is the stream's set-up.
        """
        moved = 0
        with self._forwarding:
            waiting = self._spool.first(_BATCH)
            for topic, run in groupby(waiting, key=lambda event: event.topic):
                events = list(run)
                try:
                    self._stream.send(topic, [event.encoded for event in events])
                except (DependencyDown, PublishRefused) as error:
                    self.trouble = str(error)
                    break
                self.trouble = ""
                self._spool.done(events[-1].through)
                moved += len(events)
        self._measure()
        return moved

    def keep_forwarding(self, wait: Callable[[float], bool], pause_seconds: float) -> None:
        """Forward until `wait` says stop; run it on a thread of its own."""
        while True:
            moved = self.forward() if self._spool.waiting else 0
            if wait(0 if moved else pause_seconds):
                return

    def _measure(self) -> None:
        self._metrics.spool_bytes.set(self._spool.held_bytes)
