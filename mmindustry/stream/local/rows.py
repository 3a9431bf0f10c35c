"""Reading a lane: what is whole becomes messages, what is not is named."""

import sqlite3
from collections.abc import Iterable, Iterator

from mmindustry.domain import Message
from mmindustry.stream.local.file import is_damage
from mmindustry.stream.local.row import Lane, Row, is_intact, message_of
from mmindustry.stream.topic import Loss, size_of

_ROWS = "SELECT place, append_us, checksum, key, value, headers FROM messages WHERE place"
_UNDECODABLE = "decode to UTF-8"
_PROBE = 64
"""Places tried one by one where a scan met damage, before a scan is tried again."""


def read_lane(
    connection: sqlite3.Connection, lane: Lane, span: range, *, room_bytes: int | None
) -> list[Message | Loss]:
    """Return messages and losses in offset order, so that every offset passed is in one of them.

    Args:
        connection: Inside a snapshot in which `span` lies between the lane's begin and end.
        lane: What to read.
        span: Offsets to read, step 1.
        room_bytes: Stop after the message that fills it; None = no bound.

    Raises:
        sqlite3.Error: For other reasons than damage (busy, unreadable disk).
    """
    items: list[Message | Loss] = []
    held = 0
    for item in _joined(_items(connection, lane, span)):
        items.append(item)
        held += size_of(item) if isinstance(item, Message) else 0
        if room_bytes is not None and held >= room_bytes:
            break
    return items


def _items(connection: sqlite3.Connection, lane: Lane, span: range) -> Iterator[Message | Loss]:
    awaited = span.start
    while awaited < span.stop:
        for row in _scan(connection, lane.place(awaited), lane.place(span.stop) - 1):
            yield from _passed(lane, awaited, lane.offset(row[0]))
            awaited = lane.offset(row[0]) + 1
            yield _judged(lane, row)
        if awaited < span.stop:
            for offset in range(awaited, min(awaited + _PROBE, span.stop)):
                yield _probe(connection, lane, offset)
            awaited = min(awaited + _PROBE, span.stop)


def _passed(lane: Lane, awaited: int, offset: int) -> Iterator[Loss]:
    if offset > awaited:
        yield Loss(lane.topic, lane.partition, awaited, offset)


def _judged(lane: Lane, row: Row) -> Message | Loss:
    if is_intact(row):
        return message_of(row, lane)
    offset = lane.offset(row[0])
    return Loss(lane.topic, lane.partition, offset, offset + 1)


def _scan(connection: sqlite3.Connection, first: int, last: int) -> Iterator[Row]:
    """Yield rows up to the first structural damage."""
    try:
        yield from connection.execute(f"{_ROWS} BETWEEN ? AND ? ORDER BY place", (first, last))
    except sqlite3.Error as error:
        if not _is_harm(error):
            raise


def _probe(connection: sqlite3.Connection, lane: Lane, offset: int) -> Message | Loss:
    for row in _scan(connection, lane.place(offset), lane.place(offset)):
        return _judged(lane, row)
    return Loss(lane.topic, lane.partition, offset, offset + 1)


def _is_harm(error: sqlite3.Error) -> bool:
    return is_damage(error) or _UNDECODABLE in str(error)


def _joined(items: Iterable[Message | Loss]) -> Iterator[Message | Loss]:
    """Yield the items, losses side by side made one."""
    open_loss: Loss | None = None
    for item in items:
        if isinstance(item, Loss):
            first = open_loss.first if open_loss else item.first
            open_loss = Loss(item.topic, item.partition, first, item.last)
            continue
        if open_loss is not None:
            yield open_loss
            open_loss = None
        yield item
    if open_loss is not None:
        yield open_loss
