"""Where events wait while the stream is away: one topic of a local log, in order of arrival."""

import threading
from collections.abc import Sequence
from typing import NamedTuple, Self

from mmindustry.clock import Clock
from mmindustry.codec.encode import Encoded
from mmindustry.domain import Message
from mmindustry.errors import DependencyDown
from mmindustry.stream.admin import TopicSpec
from mmindustry.stream.local.log import LocalLog
from mmindustry.stream.local.publisher import LocalPublisher
from mmindustry.stream.policy import LocalPolicy

_TOPIC = "spool"
_GROUP = "forward"
_HOME = "mmindustry_spooled_for"
_ROOM_BYTES = 64 * 1024


class Waiting(NamedTuple):
    """A spooled event: the topic it is for, what it is, and the spool's offset after it."""

    topic: str
    encoded: Encoded
    through: int


class Spool:
    """A durable first-in first-out of events; threads may share it, processes may not."""

    def __init__(self, folder: str, *, limit_bytes: int, value_bytes: int, clock: Clock) -> None:
        """Open the spool, made where missing.

        Args:
            folder: Where it lies.
            limit_bytes: Most bytes it holds.
            value_bytes: Largest payload it takes.
            clock: Gives append times.

        Raises:
            StoreError: The folder can't be used.
            Busy: It is damaged and another process has it open.
        """
        policy = LocalPolicy(folder=folder)
        self._lock = threading.Lock()
        self._clock = clock
        self.limit_bytes = limit_bytes
        self._log = LocalLog(policy)
        spec = TopicSpec(
            name=_TOPIC,
            partitions=1,
            replication=1,
            max_message_bytes=value_bytes + _ROOM_BYTES,
            retention_seconds=0,
            retention_bytes=0,
        )
        if self._log.create([spec]):
            self._log.need(_GROUP, _TOPIC, 0, 0)
        self._publisher = LocalPublisher(policy, clock=clock)
        self._next = self._end() - self._log.lag(_GROUP, [_TOPIC])[_TOPIC, 0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; what waits stays there."""
        with self._lock:
            self._publisher.close()
            self._log.close()

    def _end(self) -> int:
        return self._log.layouts([_TOPIC])[_TOPIC].ends[0]

    @property
    def waiting(self) -> int:
        """How many events wait."""
        with self._lock:
            return self._end() - self._next

    @property
    def held_bytes(self) -> int:
        """How many bytes wait."""
        with self._lock:
            return self._log.held_bytes(_TOPIC)

    def add(self, topic: str, encoded: Encoded) -> None:
        """Keep an event; durable on return.

        Raises:
            DependencyDown: The spool is full, or its disk is.
        """
        with self._lock:
            held = self._log.held_bytes(_TOPIC)
            if held + len(encoded.value) > self.limit_bytes:
                raise DependencyDown(
                    f"the stream is away and the spool is full ({held} of {self.limit_bytes} "
                    "bytes); send again later"
                )
            headers = ((_HOME, topic.encode()), *encoded.headers)
            self._publisher.send(_TOPIC, [(encoded.key, encoded.value, headers)])

    def first(self, limit: int) -> Sequence[Waiting]:
        """Return the oldest events that wait, at most `limit`."""
        with self._lock:
            return [_waiting(m) for m in self._log.read(_TOPIC, 0, self._next, limit)]

    def done(self, through: int) -> None:
        """Let go of all events before the offset `through`: they are in the stream."""
        with self._lock:
            self._log.need(_GROUP, _TOPIC, 0, through)
            self._next = through
            self._log.retain(self._clock)


def _waiting(message: Message) -> Waiting:
    (_, topic), *headers = message.headers
    encoded = Encoded(message.key or b"", message.value or b"", tuple(headers))
    return Waiting(topic.decode(), encoded, message.position.offset + 1)
