"""Writing into the embedded log: acknowledged means on the disk."""

import sqlite3
import threading
from collections.abc import Sequence
from typing import Self

from mmindustry.clock import Clock
from mmindustry.codec.partition import partition_of
from mmindustry.errors import PublishRefused
from mmindustry.stream.local.file import explained, writing
from mmindustry.stream.local.lanes import lanes_of, topic_rows
from mmindustry.stream.local.log import retain
from mmindustry.stream.local.opening import open_log
from mmindustry.stream.local.row import Outgoing, Row, TopicRow, microseconds, row_of
from mmindustry.stream.policy import LocalPolicy


class LocalPublisher:
    """The `Publisher` port on the embedded log; threads may share one.

    Append times are this machine's wall clock, made a running maximum over all topics of a
    partition, so that they order its messages without ties. Now and then a send also removes what
    retention lets go.
    """

    def __init__(self, policy: LocalPolicy, *, clock: Clock) -> None:
        """Open the log.

        Raises:
            StoreError: The folder can't be used, or the log is of another version.
            Busy: The log is damaged and other processes have it open.
            DependencyDown: SQLite can't open it now.
        """
        self._log = open_log(policy)
        self._clock = clock
        self._retain_seconds = policy.retain_seconds
        self._retained_at = clock.monotonic()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is waiting to be written."""
        with self._lock:
            self._log.close()

    def send(self, topic: str, messages: Sequence[Outgoing]) -> Sequence[int]:
        """Append all of `messages` or none; return their partitions.

        Raises:
            DependencyDown: The log is busy for too long, full or damaged.
            PublishRefused: There is no such topic, or a message is larger than it takes.
        """
        if not messages:
            return ()
        with self._lock, explained(self._log.folder, f"appending to {topic}"):
            with writing(self._log.connection):
                row = topic_rows(self._log.connection).get(topic)
                partitions = _judge(topic, row, messages)
                if row is not None:
                    self._append(row, list(zip(partitions, messages, strict=True)))
            self._maybe_retain()
        return partitions

    def _append(self, topic: TopicRow, placed: list[tuple[int, Outgoing]]) -> None:
        connection = self._log.connection
        now = microseconds(self._clock.now())
        for partition in sorted({partition for partition, _ in placed}):
            lane = lanes_of(topic)[partition]
            mine = [message for p, message in placed if p == partition]
            (ends,) = connection.execute(
                "SELECT ends FROM lanes WHERE topic = ? AND partition = ?", (topic.id, partition)
            ).fetchone()
            first_us = _next_append(connection, partition, now, len(mine))
            rows = [
                row_of(lane.place(ends + i), first_us + i, message)
                for i, message in enumerate(mine)
            ]
            connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", rows)
            connection.execute(
                "UPDATE lanes SET ends = ends + ?, bytes = bytes + ? "
                "WHERE topic = ? AND partition = ?",
                (len(rows), sum(map(_row_bytes, rows)), topic.id, partition),
            )

    def _maybe_retain(self) -> None:
        now = self._clock.monotonic()
        if now - self._retained_at >= self._retain_seconds:
            self._retained_at = now
            retain(self._log, microseconds(self._clock.now()))


def _next_append(connection: sqlite3.Connection, partition: int, now_us: int, count: int) -> int:
    """Return the append time of the first of `count` messages, above all before it."""
    row = connection.execute(
        "SELECT append_us FROM clocks WHERE partition = ?", (partition,)
    ).fetchone()
    first = now_us if row is None else max(now_us, row[0] + 1)
    connection.execute(
        "INSERT INTO clocks VALUES (?, ?) ON CONFLICT (partition) DO UPDATE "
        "SET append_us = excluded.append_us",
        (partition, first + count - 1),
    )
    return first


def _judge(topic: str, row: TopicRow | None, messages: Sequence[Outgoing]) -> list[int]:
    """Return the partition of each message.

    Raises:
        PublishRefused: The topic is missing or a message is too large.
    """
    if row is None:
        raise PublishRefused(f"no topic {topic}: `mmindustry topics create` makes what is missing")
    for number, (key, value, headers) in enumerate(messages):
        size = len(key or b"") + len(value or b"") + sum(len(n) + len(v) for n, v in headers)
        if size > row.max_bytes:
            raise PublishRefused(
                f"message {number} for {topic} has {size} bytes, the topic takes {row.max_bytes}: "
                "make it smaller, or send a reference to it (ce_dataref)"
            )
    return [0 if key is None else partition_of(key, row.partitions) for key, _, _ in messages]


def _row_bytes(row: Row) -> int:
    return sum(len(part or b"") for part in row[3:])
