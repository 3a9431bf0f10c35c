"""The ledger: received = stored + dead-lettered + dropped + in flight, per partition.

Each side is counted from its own source: received from offsets, stored and dead-lettered from
rows, dropped and in flight by the assembler, retired by retention. None is a difference.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, text

from mmindustry.store.database import Database, told_plainly
from mmindustry.store.tables import closed_progress, dead_letters, partition_progress, retired

_REPORT_SECONDS = 600.0
_MESSAGES = ("stored", "dead_lettered")
_Book = tuple[int, int]  # partition, era


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One partition's books in messages. `era` counts relayouts; an earlier one is closed.

    `received`: from offsets, read_through - first - skipped. `counted`: by the assembler, as the
    messages came. `stored`: offsets that rows name, each once, dead letters apart. `retired`:
    stored or dead-lettered ones that retention deleted.
    """

    partition: int
    era: int
    closed: bool
    received: int
    counted: int
    stored: int
    dead_lettered: int
    dropped: Mapping[str, int]
    in_flight: int
    retired: int

    @property
    def accounted(self) -> int:
        """Return what became of messages, in all."""
        known = self.stored + self.dead_lettered + self.retired
        return known + sum(self.dropped.values()) + self.in_flight

    @property
    def is_balanced(self) -> bool:
        """Return whether every message received is accounted for, once."""
        return self.received == self.accounted == self.counted

    @property
    def difference(self) -> int:
        """Return received less accounted: above 0 = lost, below 0 = counted twice."""
        return self.received - self.accounted


def read_ledger(database: Database) -> list[Balance]:
    """Return the balance of each partition and era, all of one moment.

    Raises:
        DependencyDown: The database is out of reach.
    """
    with told_plainly(database), database.read(seconds=_REPORT_SECONDS) as connection:
        rows = [(row, False) for row in _all(connection, partition_progress)]
        rows += [(row, True) for row in _all(connection, closed_progress)]
        stored = _stored(connection)
        dead = _dead(connection)
        gone = _retired(connection)
    rows.sort(key=lambda item: (item[0]["partition"], item[0]["era"]))
    return [_balance(row, closed, (stored, dead, gone)) for row, closed in rows]


def _all(connection: Connection, table: Any) -> list[Mapping[Any, Any]]:
    return list(connection.execute(select(table)).mappings())


def _balance(
    row: Mapping[Any, Any],
    closed: bool,  # noqa: FBT001 - one of a pair
    counts: tuple[Counter[_Book], Counter[_Book], Counter[_Book]],
) -> Balance:
    book = (row["partition"], row["era"])
    stored, dead, gone = counts
    return Balance(
        partition=row["partition"],
        era=row["era"],
        closed=closed,
        received=sum(
            at["read_through"] - at["first"] - at["skipped"] for at in row["topics"].values()
        ),
        counted=row["received"],
        stored=stored[book],
        dead_lettered=dead[book],
        dropped=row["dropped"],
        in_flight=row["in_flight"],
        retired=gone[book],
    )


_ITEMS = {
    "sqlite": """
        SELECT w.era, w.partition, json_extract(e.value, '$.topic') AS topic,
               json_extract(e.value, '$.offset') AS "offset"
        FROM windows w, json_each(w.evidence) e
        WHERE json_extract(e.value, '$.dead') IS NULL""",
    "postgresql": """
        SELECT w.era, w.partition, e ->> 'topic' AS topic, (e ->> 'offset')::bigint AS "offset"
        FROM windows w CROSS JOIN LATERAL jsonb_array_elements(w.evidence) e
        WHERE NOT jsonb_exists(e, 'dead')""",
}

_STORED = """
    SELECT era, partition, COUNT(*) AS messages FROM (
        SELECT era, partition, topic, "offset" FROM ({items}) named
        UNION SELECT era, partition, topic, "offset" FROM late WHERE NOT dead
        UNION SELECT era, partition, topic, "offset" FROM entries
        UNION SELECT era, partition, topic, "offset" FROM states
        EXCEPT SELECT era, partition, topic, "offset" FROM dead_letters
    ) stored GROUP BY era, partition"""


def _stored(connection: Connection) -> Counter[_Book]:
    """Count the offsets that rows name, each once; UNION removes what several rows name."""
    statement = _STORED.format(items=_ITEMS[connection.dialect.name])
    rows = connection.execute(text(statement))
    return Counter({(row.partition, row.era): row.messages for row in rows})


def _dead(connection: Connection) -> Counter[_Book]:
    table = dead_letters.c
    rows = connection.execute(
        select(table.partition, table.era, func.count().label("messages")).group_by(
            table.partition, table.era
        )
    )
    return Counter({(row.partition, row.era): row.messages for row in rows})


def _retired(connection: Connection) -> Counter[_Book]:
    found: Counter[_Book] = Counter()
    for row in connection.execute(select(retired).where(retired.c.kind.in_(_MESSAGES))):
        found[row.partition, row.era] += row.messages
    return found
