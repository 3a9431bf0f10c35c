"""Topics and their lanes as the file tells them."""

import sqlite3
from collections.abc import Sequence

from mmindustry.errors import InputError
from mmindustry.stream.layout import TopicLayout
from mmindustry.stream.local.row import Lane, TopicRow


def topic_rows(connection: sqlite3.Connection) -> dict[str, TopicRow]:
    """Return every topic by name."""
    rows = connection.execute("SELECT * FROM topics ORDER BY id").fetchall()
    return {row[1]: TopicRow(*row) for row in rows}


def topic_row(connection: sqlite3.Connection, name: str) -> TopicRow:
    """Return one topic.

    Raises:
        InputError: There is none of that name.
    """
    rows = topic_rows(connection)
    if name not in rows:
        raise InputError(f"no topic {name}: `mmindustry topics create` makes what is missing")
    return rows[name]


def lanes_of(row: TopicRow) -> list[Lane]:
    """Return the lanes of a topic, by partition."""
    return [Lane(row.name, row.id, partition) for partition in range(row.partitions)]


def layouts_of(
    connection: sqlite3.Connection, topics: Sequence[str] | None
) -> dict[str, TopicLayout]:
    """Return what is there of `topics` (None = every topic)."""
    lanes = connection.execute("SELECT topic, partition, begins, ends FROM lanes").fetchall()
    return {
        name: TopicLayout(
            name=name,
            id=row.uuid,
            partitions=row.partitions,
            begins={p: begins for topic, p, begins, _ in lanes if topic == row.id},
            ends={p: ends for topic, p, _, ends in lanes if topic == row.id},
        )
        for name, row in topic_rows(connection).items()
        if topics is None or name in topics
    }
