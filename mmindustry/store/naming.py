"""Which messages rows name: so that what retention deletes is counted out of the ledger, once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select, tuple_, update

from mmindustry.store.statements import upsert_one
from mmindustry.store.tables import dead_letters, late, retired, windows

Named = tuple[int, int, str, int]
"""(era, partition, topic, offset): one message."""

Rows = Sequence[Mapping[Any, Any]]

_LONGEST_WINDOW = timedelta(hours=1)
_CHUNK = 500


def named_by_windows(rows: Rows) -> set[Named]:
    """Return the messages that rows of `windows` name, dead letters apart."""
    return {
        (row["era"], row["partition"], item["topic"], item["offset"])
        for row in rows
        for item in row["evidence"]
        if not item.get("dead")
    }


def named_by_events(rows: Rows) -> set[Named]:
    """Return the messages that rows of `late`, `entries` or `states` name."""
    return {
        (row["era"], row["partition"], row["topic"], row["offset"])
        for row in rows
        if not row.get("dead")
    }


def named_elsewhere(connection: Connection, rows: Rows) -> set[Named]:
    """Return the messages that rows of windows and late around `rows` name, once those are gone.

    Looked for where the same message may stand: rows of the same assets whose span can overlap
    theirs. `rows` have `asset` and `start`, and must be deleted already.
    """
    spans: dict[str, list[Any]] = {}
    for row in rows:
        spans.setdefault(row["asset"], []).append(row["start"])
    found: set[Named] = set()
    for asset, starts in spans.items():
        first, last = min(starts) - _LONGEST_WINDOW, max(starts) + _LONGEST_WINDOW
        for table, named in ((windows, named_by_windows), (late, named_by_events)):
            around = select(table).where(
                table.c.asset == asset, table.c.start >= first, table.c.start <= last
            )
            found |= named(connection.execute(around).mappings().all())
    return found


def dead_among(connection: Connection, messages: Iterable[Named]) -> set[Named]:
    """Return those of `messages` that are dead letters: they count as such."""
    key = (
        dead_letters.c.era,
        dead_letters.c.partition,
        dead_letters.c.topic,
        dead_letters.c.offset,
    )
    wanted = sorted(messages)
    found: set[Named] = set()
    for first in range(0, len(wanted), _CHUNK):
        chunk = wanted[first : first + _CHUNK]
        rows = connection.execute(select(*key).where(tuple_(*key).in_(chunk)))
        found.update((row.era, row.partition, row.topic, row.offset) for row in rows)
    return found


def count_out(connection: Connection, messages: Iterable[Named], kind: str) -> int:
    """Add messages that no row names any more to the ledger's retired ones; return how many."""
    counts = Counter((partition, era) for era, partition, _, _ in messages)
    count_out_many(connection, counts, kind)
    return counts.total()


def count_out_many(
    connection: Connection, counts: Mapping[tuple[int, int], int], kind: str
) -> None:
    """Add so many messages of (partition, era) to the ledger's retired ones of `kind`."""
    for (partition, era), messages in sorted(counts.items()):
        key = {"partition": partition, "era": era, "kind": kind}
        table = retired.c
        upsert_one(connection, retired, key | {"messages": 0}, {"messages": table.messages})
        connection.execute(
            update(retired)
            .where(table.partition == partition, table.era == era, table.kind == kind)
            .values(messages=table.messages + messages)
        )
