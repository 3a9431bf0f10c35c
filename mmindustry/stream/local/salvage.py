"""A damaged log made usable again: what is whole is kept, what is not is named.

The damaged file is set aside, never deleted. Topics are known from a small file beside the log,
so that offsets and ids stay as they were and readers find exactly the damaged messages missing.
"""

import itertools
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmindustry.errors import StoreError
from mmindustry.stream.local.file import DAMAGE_MARK, build, connect, writing
from mmindustry.stream.local.row import Lane, Row, TopicRow, is_intact
from mmindustry.stream.topic import Loss

TOPICS_FILE = "topics.json"
_ROW = "SELECT place, append_us, checksum, key, value, headers FROM messages"
_INSERT = "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?)"
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a salvage kept and gave up, and where the damaged file lies now."""

    kept: int
    losses: tuple[Loss, ...]
    damaged_file: Path


def write_topics(folder: Path, rows: list[TopicRow]) -> None:
    """Write the topics beside the log, durable and whole or not at all."""
    target = folder / TOPICS_FILE
    fresh = target.with_suffix(".new")
    with fresh.open("w") as out:
        json.dump([list(row) for row in rows], out)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(target)


def salvage(path: Path, *, busy_seconds: float) -> Salvage:
    """Build the log at `path` anew from what is whole. The caller holds it alone.

    Raises:
        StoreError: Not even the list of topics can be read.
    """
    fresh = path.with_suffix(".salvaged")
    _remove(fresh)
    source = _open_damaged(path)
    target = connect(fresh, busy_seconds=busy_seconds)
    try:
        build(target)
        topics = _topics(path.parent, source)
        known = _spans(source, topics)
        kept = _copy(source, target, topics, known)
        losses = _settle(target, topics, known)
        _copy_groups(source, target)
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        target.close()
        if source is not None:
            source.close()
    return Salvage(kept, tuple(losses), _swap(path, fresh))


def _open_damaged(path: Path) -> sqlite3.Connection | None:
    """Open a file even where it is shorter than it says (`writable_schema` skips that check)."""
    try:
        source = sqlite3.connect(path, isolation_level=None)
        source.execute("PRAGMA writable_schema = ON")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError:
        return None
    source.text_factory = _any_text
    return source


def _any_text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _topics(folder: Path, source: sqlite3.Connection | None) -> list[TopicRow]:
    beside = folder / TOPICS_FILE
    if beside.exists():
        return [TopicRow(*row) for row in json.loads(beside.read_text())]
    rows = _all(source, "SELECT * FROM topics")
    if not rows:
        raise StoreError(
            f"the local log in {folder} is damaged beyond reading: its topics are unknown. Move "
            "the folder away, then run `mmindustry topics create` and `topics relayout`"
        )
    return [TopicRow(*row) for row in rows]


def _spans(
    source: sqlite3.Connection | None, topics: list[TopicRow]
) -> dict[Lane, tuple[int, int]]:
    """Return lane -> (begins, ends): as written, else up to the last place that can be read."""
    rows = _all(source, "SELECT topic, partition, begins, ends FROM lanes")
    written = {(topic, partition): (begins, ends) for topic, partition, begins, ends in rows}
    lanes = [Lane(t.name, t.id, partition) for t in topics for partition in range(t.partitions)]
    return {
        lane: written.get((lane.topic_id, lane.partition)) or (0, _last(source, lane) + 1)
        for lane in lanes
    }


def _last(source: sqlite3.Connection | None, lane: Lane) -> int:
    query = (
        f"SELECT place FROM messages WHERE place BETWEEN {lane.place(0)} AND {lane.last_place} "  # noqa: S608 - numbers
        "ORDER BY place DESC LIMIT 1"
    )
    rows = _all(source, query)
    return lane.offset(rows[0][0]) if rows else -1


def _all(source: sqlite3.Connection | None, query: str) -> list[Any]:
    rows: list[Any] = []
    if source is not None:
        with suppress(sqlite3.DatabaseError):
            rows.extend(source.execute(query))
    return rows


def _copy(
    source: sqlite3.Connection | None,
    target: sqlite3.Connection,
    topics: list[TopicRow],
    known: dict[Lane, tuple[int, int]],
) -> int:
    with writing(target):
        target.executemany("INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?, ?)", topics)
    kept = 0
    batch: list[Row] = []
    for row in _whole_rows(source, known):
        batch.append(row)
        if len(batch) >= _BATCH:
            kept += _write(target, batch)
    return kept + _write(target, batch)


def _write(target: sqlite3.Connection, batch: list[Row]) -> int:
    with writing(target):
        target.executemany(_INSERT, batch)
    count = len(batch)
    batch.clear()
    return count


def _whole_rows(
    source: sqlite3.Connection | None, known: dict[Lane, tuple[int, int]]
) -> Iterator[Row]:
    """Yield every intact row: forward up to the first damage, then what lies beyond it."""
    if source is None:
        return
    reached = -1
    for row in _scan(source, "WHERE place > ? ORDER BY place", reached):
        if is_intact(row) and row[0] > reached:
            reached = row[0]
            yield row
    for lane, (begins, ends) in known.items():
        yield from _islands(source, max(lane.place(begins), reached + 1), lane.place(ends))


def _islands(source: sqlite3.Connection, place: int, until: int) -> Iterator[Row]:
    """Yield the intact rows between two places, trying each place that can't be scanned over.

    What a damaged page gives may lie anywhere: only intact rows, each beyond the last, count.
    """
    while place < until:
        start = place
        for row in itertools.chain(_one(source, place), _scan_lane(source, place, until)):
            if is_intact(row) and place <= row[0] < until:
                yield row
                place = row[0] + 1
        place = max(place, start + 1)


def _scan(source: sqlite3.Connection, where: str, place: int) -> Iterator[Row]:
    with suppress(sqlite3.DatabaseError):
        yield from source.execute(f"{_ROW} {where}", (place,))


def _one(source: sqlite3.Connection, place: int) -> Iterator[Row]:
    return _scan(source, "WHERE place = ?", place)


def _scan_lane(source: sqlite3.Connection, after: int, until: int) -> Iterator[Row]:
    for count, row in enumerate(_scan(source, "WHERE place > ? ORDER BY place", after)):
        if row[0] >= until or count >= _BATCH:
            return
        yield row


def _settle(
    target: sqlite3.Connection, topics: list[TopicRow], known: dict[Lane, tuple[int, int]]
) -> list[Loss]:
    """Write where each lane begins and ends, and the clocks; return what is missing between."""
    losses: list[Loss] = []
    with writing(target):
        for lane, span in known.items():
            losses += _settle_lane(target, lane, span)
        target.execute(
            "INSERT INTO clocks SELECT place >> 43 & 4095, max(append_us) FROM messages GROUP BY 1"
        )
    write_topics(_folder_of(target), topics)
    return losses


def _folder_of(connection: sqlite3.Connection) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()[2]).parent


def _settle_lane(target: sqlite3.Connection, lane: Lane, span: tuple[int, int]) -> list[Loss]:
    begins, ends = span
    rows = target.execute(
        "SELECT place, coalesce(length(key), 0) + coalesce(length(value), 0) + length(headers) "
        "FROM messages WHERE place BETWEEN ? AND ? ORDER BY place",
        (lane.place(0), lane.last_place),
    ).fetchall()
    target.execute(
        "INSERT INTO lanes VALUES (?, ?, ?, ?, ?)",
        (lane.topic_id, lane.partition, begins, ends, sum(size for _, size in rows)),
    )
    return missing(lane, [begins - 1, *(lane.offset(place) for place, _ in rows), ends])


def missing(lane: Lane, offsets: list[int]) -> list[Loss]:
    """Return the holes between ascending offsets.

    >>> [(hole.first, hole.last) for hole in missing(Lane("t", 1, 0), [3, 4, 7, 8])]
    [(5, 7)]
    """
    return [
        Loss(lane.topic, lane.partition, before + 1, after)
        for before, after in itertools.pairwise(offsets)
        if after > before + 1
    ]


def _copy_groups(source: sqlite3.Connection | None, target: sqlite3.Connection) -> None:
    rows = _all(source, "SELECT name, topic, partition, needed FROM group_offsets")
    with writing(target):
        target.executemany("INSERT OR IGNORE INTO group_offsets VALUES (?, ?, ?, ?)", rows)


def _swap(path: Path, fresh: Path) -> Path:
    number = 1
    while (aside := path.with_suffix(f".damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    fresh.rename(path)
    _remove(fresh)
    (path.parent / DAMAGE_MARK).unlink(missing_ok=True)
    return aside


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
