"""Reading the embedded log as a member of a group."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import quote
from uuid import uuid4

import structlog

from mmindustry.clock import Clock
from mmindustry.domain import Arrival, Claim, Gap, Message, Progress
from mmindustry.errors import DependencyDown, Fenced, LayoutChanged
from mmindustry.stream.layout import check_counts
from mmindustry.stream.local.file import explained, snapshot, writing
from mmindustry.stream.local.lanes import lanes_of, layouts_of, topic_rows
from mmindustry.stream.local.locks import Membership
from mmindustry.stream.local.opening import lost_offsets, open_log
from mmindustry.stream.local.rows import read_lane
from mmindustry.stream.policy import StreamPolicy
from mmindustry.stream.reading import Reading
from mmindustry.telemetry.metrics import Metrics


class LocalSource:
    """The `Source` port on the embedded log. One thread uses it.

    A partition is this member's while it holds an operating-system lock on it, which dies with
    the process.
    """

    def __init__(
        self,
        policy: StreamPolicy,
        *,
        clock: Clock,
        metrics: Metrics,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Open the log; joining the group waits until the topics are there.

        Raises:
            StoreError: The folder can't be used, or the log is of another version.
            Busy: The log is damaged and other processes have it open.
            DependencyDown: SQLite can't open it now.
        """
        self._policy = policy
        self._clock = clock
        self._metrics = metrics
        self._is_stopping = is_stopping
        self._topics = policy.topics.inputs
        self._log = open_log(policy.local, synchronous="NORMAL")
        self._out = structlog.get_logger().bind(stream="local", folder=policy.local.folder)
        self._reading = Reading(self._topics, policy.reading)
        self._members: Membership | None = None
        self._looked_at = -1e9
        self._changed = False
        self._version = -1
        self._ends: dict[tuple[str, int], int] = {}
        self._trouble: str | None = None
        self._pause = threading.Event()
        if self._log.salvaged is not None:
            lost = lost_offsets(self._log.salvaged)
            self._out.error("local_log_salvaged", lost=lost, kept=self._log.salvaged.kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the group and close the file."""
        if self._members is not None:
            self._members.leave()
        self._log.close()

    def trouble(self) -> str | None:
        """Return why nothing can be read now, in words for `/readyz`; None = all is well."""
        return self._trouble

    def take_change(self) -> Sequence[int] | None:
        """Return the partitions of a noted assignment, once; what was given up is let go here."""
        self._look()
        if not self._changed or self._members is None:
            return None
        self._changed = False
        held = self._members.settle()
        self._reading.forget(())
        return held

    def held(self) -> Sequence[int]:
        """Return the partitions whose locks this member holds."""
        return () if self._members is None else self._members.held()

    def poll(self) -> Sequence[Message]:
        """Return the next messages; wait at most `wait_seconds` where there are none.

        Where a topic was deleted or made anew while it was read, a change is noted: the claim
        that follows says `LayoutChanged`.
        """
        deadline = self._clock.monotonic() + self._policy.reading.wait_seconds
        while True:
            self._look()
            self._fetch()
            taken = self._reading.take()
            done = taken or self._changed or self._is_stopping()
            if done or self._clock.monotonic() >= deadline:
                return taken
            self._pause.wait(self._policy.local.look_seconds)

    def keep(self) -> None:
        """Look after the membership; read nothing.

        Raises:
            Fenced: The assignment changes, or the process is asked to stop.
        """
        if self._is_stopping():
            raise Fenced("asked to stop")
        self._look()
        if self._changed:
            raise Fenced("the group shares its partitions out anew")

    def arrival(self) -> Mapping[int, Arrival]:
        """Return where the reading of each sought partition stands."""
        return self._reading.arrival()

    def losses(self) -> Sequence[Gap]:
        """Return, once, the stretches of offsets that were lost before they could be read."""
        return self._reading.losses()

    def seek(self, claim: Claim) -> None:
        """Read the claim's partition on from its `needed_from`.

        Raises:
            LayoutChanged: The log is not the one the claim's offsets are from.
        """
        connection = self._log.connection
        with explained(self._log.folder, "seeking"), snapshot(connection):
            layouts = layouts_of(connection, self._topics)
        self._reading.seek(claim, layouts)
        self._version = -1

    def commit(self, progress: Sequence[Progress]) -> None:
        """Leave `needed_from` with the group, so that retention keeps what is needed."""
        try:
            with explained(self._log.folder, "committing offsets"):
                self._write_offsets(progress)
        except DependencyDown as error:
            self._metrics.commit_failures_total.inc()
            self._out.warning("commit_failed", error=str(error))

    def _write_offsets(self, progress: Sequence[Progress]) -> None:
        connection = self._log.connection
        with writing(connection):
            ids = {name: row.id for name, row in topic_rows(connection).items()}
            connection.executemany(
                "INSERT INTO group_offsets VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET needed = excluded.needed",
                [
                    (self._policy.reading.group, ids[name], part.partition, topic.needed_from)
                    for part in progress
                    for name, topic in part.topics.items()
                    if name in ids
                ],
            )

    def _look(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked_at < self._policy.local.member_seconds:
            return
        self._looked_at = now
        if self._members is None:
            self._join()
        if self._members is not None and self._members.look():
            self._changed = True

    def _join(self) -> None:
        """Become a member as soon as the topics are there; until then say what is missing."""
        try:
            with explained(self._log.folder, "joining"):
                with snapshot(self._log.connection):
                    layouts = layouts_of(self._log.connection, self._topics)
                check_counts(layouts, self._topics)
                self._register()
        except (DependencyDown, LayoutChanged) as error:
            self._trouble = str(error)
            return
        group = quote(self._policy.reading.group, safe="")
        folder = Path(self._policy.local.folder) / "groups" / group
        member = f"{os.getpid()}-{uuid4().hex[:12]}"
        self._members = Membership(folder, member, layouts[self._topics[0]].partitions)
        self._trouble = None

    def _register(self) -> None:
        """Make the group known before it reads, so that retention waits for it."""
        connection = self._log.connection
        with writing(connection):
            connection.executemany(
                "INSERT OR IGNORE INTO group_offsets SELECT ?, l.topic, l.partition, l.begins "
                "FROM lanes l JOIN topics t ON t.id = l.topic WHERE t.name = ?",
                [(self._policy.reading.group, name) for name in self._topics],
            )

    def _fetch(self) -> None:
        """Bring what there is room for, and the ends of all topics, from one state of the log."""
        if not self._reading.partitions:
            return
        try:
            with explained(self._log.folder, "reading"):
                self._fetch_snapshot(self._clock.monotonic())
        except (DependencyDown, LayoutChanged) as error:
            if self._trouble is None:
                self._out.warning("reading_failed", error=str(error))
            self._trouble = str(error)
            self._changed = self._changed or isinstance(error, LayoutChanged)
            return
        self._trouble = None

    def _fetch_snapshot(self, now: float) -> None:
        connection = self._log.connection
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            with snapshot(connection):
                whole = self._fetch_lanes(now)
            self._version = version if whole else -1
        self._reading.answer(self._ends, asked_at=now)

    def _fetch_lanes(self, now: float) -> bool:
        """Fetch each lane into its room; return whether all of the log is fetched now."""
        connection = self._log.connection
        layouts = layouts_of(connection, self._topics)
        self._reading.check(layouts)
        rows = topic_rows(connection)
        room = self._reading.room()
        whole = True
        self._ends = {}
        for (topic, partition), free in room.items():
            end = layouts[topic].ends[partition]
            start = self._reading.starts(partition)[topic]
            self._ends[topic, partition] = end
            if free > 0 and start < end:
                lane = lanes_of(rows[topic])[partition]
                items = read_lane(connection, lane, range(start, end), room_bytes=free)
                self._reading.offer(topic, partition, items, at=now)
            whole = whole and self._reading.starts(partition)[topic] >= end
        return whole
