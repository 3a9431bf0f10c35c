"""What people do with the embedded log: make topics, look, keep it small."""

from collections.abc import Mapping, Sequence
from typing import Self
from uuid import uuid4

from mmindustry.clock import Clock
from mmindustry.domain import Message
from mmindustry.errors import LayoutChanged, StoreError
from mmindustry.stream.admin import TopicSpec
from mmindustry.stream.layout import REMEDY, TopicLayout
from mmindustry.stream.local.file import explained, snapshot, writing
from mmindustry.stream.local.lanes import lanes_of, layouts_of, topic_row, topic_rows
from mmindustry.stream.local.opening import OpenLog, open_log
from mmindustry.stream.local.row import TOPICS_MAX, TopicRow, microseconds
from mmindustry.stream.local.rows import read_lane
from mmindustry.stream.local.salvage import Salvage, write_topics
from mmindustry.stream.policy import LocalPolicy

_BATCH = 500
_SIZE = "coalesce(length(key), 0) + coalesce(length(value), 0) + length(headers)"


class LocalLog:
    """The log as its owner sees it. Every process may open one."""

    def __init__(self, policy: LocalPolicy) -> None:
        """Open the log.

        Raises:
            StoreError: The folder can't be used, or the log is of another version.
            Busy: The log is damaged and other processes have it open.
            DependencyDown: SQLite can't open it now.
        """
        self._open: OpenLog = open_log(policy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def salvaged(self) -> Salvage | None:
        """What was given up when this opening found the file damaged."""
        return self._open.salvaged

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def create(self, specs: Sequence[TopicSpec]) -> Sequence[str]:
        """Make the topics that are missing; return their names.

        Raises:
            LayoutChanged: A topic is there with another partition count.
        """
        connection = self._open.connection
        with explained(self._open.folder, "creating topics"), writing(connection):
            there = topic_rows(connection)
            for spec in specs:
                _check_same(spec, there.get(spec.name))
            made = [spec for spec in specs if spec.name not in there]
            for spec in made:
                self._insert(spec)
            rows = list(topic_rows(connection).values())
        write_topics(self._open.folder, rows)
        return [spec.name for spec in made]

    def delete(self, topics: Sequence[str]) -> None:
        """Remove topics with all they hold; one that is not there is no mistake."""
        connection = self._open.connection
        with explained(self._open.folder, "deleting topics"), writing(connection):
            there = topic_rows(connection)
            for row in (there[name] for name in topics if name in there):
                for lane in lanes_of(row):
                    connection.execute(
                        "DELETE FROM messages WHERE place BETWEEN ? AND ?",
                        (lane.place(0), lane.last_place),
                    )
                connection.execute("DELETE FROM lanes WHERE topic = ?", (row.id,))
                connection.execute("DELETE FROM group_offsets WHERE topic = ?", (row.id,))
                connection.execute("DELETE FROM topics WHERE id = ?", (row.id,))
            rows = list(topic_rows(connection).values())
        write_topics(self._open.folder, rows)

    def layouts(self, topics: Sequence[str] | None = None) -> Mapping[str, TopicLayout]:
        """Return what is there of `topics` (None = every topic)."""
        connection = self._open.connection
        with explained(self._open.folder, "looking"), snapshot(connection):
            return layouts_of(connection, topics)

    def lag(self, group: str, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        """Return for each (topic, partition) how many messages `group` has not committed."""
        query = (
            "SELECT t.name, l.partition, l.ends - max(l.begins, coalesce(g.needed, l.begins)) "
            "FROM lanes l JOIN topics t ON t.id = l.topic LEFT JOIN group_offsets g "
            "ON g.topic = l.topic AND g.partition = l.partition AND g.name = ?"
        )
        with explained(self._open.folder, "looking"):
            rows = self._open.connection.execute(query, (group,)).fetchall()
        return {(name, partition): lag for name, partition, lag in rows if name in topics}

    def read(self, topic: str, partition: int, start: int, limit: int) -> Sequence[Message]:
        """Return up to `limit` intact messages from offset `start` on."""
        connection = self._open.connection
        with explained(self._open.folder, "reading"), snapshot(connection):
            row = topic_row(connection, topic)
            lane = lanes_of(row)[partition]
            layout = layouts_of(connection, [topic])[topic]
            span = range(max(start, layout.begins[partition]), layout.ends[partition])
            items = read_lane(connection, lane, span[:limit], room_bytes=None)
        return [item for item in items if isinstance(item, Message)]

    def need(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Note that `group` needs a partition from `offset` on; retention keeps that."""
        connection = self._open.connection
        with explained(self._open.folder, "noting what is needed"), writing(connection):
            row = topic_row(connection, topic)
            connection.execute(
                "INSERT INTO group_offsets VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET needed = excluded.needed",
                (group, row.id, partition, offset),
            )

    def held_bytes(self, topic: str) -> int:
        """Return how many bytes of messages a topic holds."""
        query = (
            "SELECT coalesce(sum(l.bytes), 0) FROM lanes l JOIN topics t ON t.id = l.topic "
            "WHERE t.name = ?"
        )
        with explained(self._open.folder, "looking"):
            (held,) = self._open.connection.execute(query, (topic,)).fetchone()
        return int(held)

    def forget_group(self, group: str) -> None:
        """Drop a group's offsets, so that it holds nothing back from retention any more."""
        connection = self._open.connection
        with explained(self._open.folder, "forgetting a group"), writing(connection):
            connection.execute("DELETE FROM group_offsets WHERE name = ?", (group,))

    def retain(self, clock: Clock) -> int:
        """Remove what is older or more than retention allows and no group needs.

        Returns:
            How many messages went.
        """
        return retain(self._open, microseconds(clock.now()))

    def _insert(self, spec: TopicSpec) -> None:
        connection = self._open.connection
        used = {row.id for row in topic_rows(connection).values()}
        number = next((i for i in range(1, TOPICS_MAX + 1) if i not in used), None)
        if number is None:
            raise StoreError(f"the local log holds {TOPICS_MAX} topics, no more fit")
        retention_us = int(spec.retention_seconds * 1e6)
        row = TopicRow(
            number,
            spec.name,
            uuid4().hex,
            spec.partitions,
            spec.max_message_bytes,
            retention_us,
            spec.retention_bytes,
        )
        connection.execute("INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        connection.executemany(
            "INSERT INTO lanes VALUES (?, ?, 0, 0, 0)",
            [(number, partition) for partition in range(spec.partitions)],
        )


def _check_same(spec: TopicSpec, there: TopicRow | None) -> None:
    if there is not None and there.partitions != spec.partitions:
        raise LayoutChanged(
            f"topic {spec.name} has {there.partitions} partitions, {spec.partitions} are wanted; "
            f"{REMEDY}"
        )


def retain(log: OpenLog, now_us: int) -> int:
    """Remove, a batch a transaction, what retention lets go at `now_us`; return how many."""
    gone = 0
    with explained(log.folder, "removing what is old"):
        for row in topic_rows(log.connection).values():
            for lane in lanes_of(row):
                while (count := _retain_batch(log, row, lane.partition, now_us)) > 0:
                    gone += count
        if gone:
            log.connection.execute("PRAGMA incremental_vacuum(2000)").fetchall()
    return gone


def _retain_batch(log: OpenLog, row: TopicRow, partition: int, now_us: int) -> int:
    """Remove the oldest messages of one lane that may go, at most a batch; return how many."""
    connection = log.connection
    lane = lanes_of(row)[partition]
    with writing(connection):
        begins, held = connection.execute(
            "SELECT begins, bytes FROM lanes WHERE topic = ? AND partition = ?", (row.id, partition)
        ).fetchone()
        (needed,) = connection.execute(
            "SELECT min(needed) FROM group_offsets WHERE topic = ? AND partition = ?",
            (row.id, partition),
        ).fetchone()
        oldest = connection.execute(
            f"SELECT place, append_us, {_SIZE} FROM messages "  # noqa: S608 - constants
            "WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?",
            (lane.place(begins), lane.last_place, _BATCH),
        ).fetchall()
        count = 0
        for place, append_us, size in oldest:
            too_old = append_us < now_us - row.retention_us
            wanted = needed is not None and lane.offset(place) >= needed
            if wanted or not (too_old or held > row.retention_bytes):
                break
            begins, held, count = lane.offset(place) + 1, held - size, count + 1
        if count:
            connection.execute(
                "DELETE FROM messages WHERE place BETWEEN ? AND ?",
                (lane.place(0), lane.place(begins) - 1),
            )
            connection.execute(
                "UPDATE lanes SET begins = ?, bytes = ? WHERE topic = ? AND partition = ?",
                (begins, held, row.id, partition),
            )
    return count
