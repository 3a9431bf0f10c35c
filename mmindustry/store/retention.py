"""Deletes what is older than its class allows; the ledger keeps the count of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, literal, or_, select, tuple_, update

from mmindustry.store.database import Database, told_plainly
from mmindustry.store.days import drop_old_days
from mmindustry.store.holds import Holds, held_shards, read_holds
from mmindustry.store.naming import (
    Rows,
    count_out,
    dead_among,
    named_by_events,
    named_by_windows,
    named_elsewhere,
)
from mmindustry.store.pairs import count_lone, hold_pairs
from mmindustry.store.policy import RetentionPolicy
from mmindustry.store.tables import (
    alarms,
    dead_letters,
    entries,
    gaps,
    labels,
    late,
    outbox,
    predictions,
    shards,
    states,
    windows,
)

Held = Callable[[Mapping[Any, Any]], bool]
_EVIDENCE_STAGES = ("build",)
"""Dead letters of these stages stay: a row's evidence may name the same message, and it must not
begin to count as stored. They are as few as unreadable files."""

_ENTRY_LOOK_BACK = timedelta(days=7)  # an alarm's window may have shown entries this old


@dataclass(slots=True)
class Retention:
    """One run: `run` returns how many rows of each table, and shard files, it deleted.

    Works in transactions of at most `batch` rows, so a worker never waits long. Repeatable: what
    is held, or written meanwhile, waits for the next run.
    """

    database: Database
    policy: RetentionPolicy
    now: datetime
    remove: Callable[[str], None]
    """Removes a shard's file by its URI; one that is gone already is fine."""

    dry_run: bool = False
    """Only count what is due."""

    def run(self) -> Counter[str]:
        """Delete what is due."""
        deleted: Counter[str] = Counter()
        with told_plainly(self.database):
            with self.database.read() as connection:
                holds = read_holds(connection, timedelta(seconds=self.policy.hold_before_seconds))
            for name, days in (
                ("alarms", self.policy.alarms_days),
                ("raw", self.policy.raw_days),
                ("windows", self.policy.windows_days),
                ("predictions", self.policy.predictions_days),
                ("outbox", self.policy.outbox_days),
                ("labels", self.policy.labels_days),
            ):
                if days > 0:
                    cutoff = self.now - timedelta(days=days)
                    deleted.update(getattr(self, f"_{name}")(cutoff, holds))
        return deleted

    def _raw(self, cutoff: datetime, holds: Holds) -> Counter[str]:
        """Remove the files of old shards, then say so in the record."""
        with self.database.read() as connection:
            kept = held_shards(connection, holds)
            there = and_(shards.c.uri.is_not(None), shards.c.removed_at.is_(None))
            old = connection.execute(
                select(shards.c.id, shards.c.uri).where(shards.c.written_at < cutoff, there)
            ).all()
        gone = [row for row in old if row.id not in kept]
        for first in range(0, 0 if self.dry_run else len(gone), self.policy.batch):
            chunk = gone[first : first + self.policy.batch]
            for row in chunk:
                self.remove(row.uri)
            with self.database.write() as connection:
                ids = [row.id for row in chunk]
                connection.execute(
                    update(shards).where(shards.c.id.in_(ids)).values(removed_at=self.now)
                )
        return Counter({"shard_files": len(gone)})

    def _windows(self, cutoff: datetime, holds: Holds) -> Counter[str]:
        def held(row: Mapping[Any, Any]) -> bool:
            end = row.get("end") or row["start"] + timedelta(hours=1)
            return holds.covers(row["asset"], row["start"], end)

        def held_entry(row: Mapping[Any, Any]) -> bool:
            return holds.covers(row["asset"], row["end"], row["end"] + _ENTRY_LOOK_BACK)

        deleted: Counter[str] = Counter()
        sealed = windows.c.shard.is_not(None)  # an unsealed row's bytes are still on their way
        for table, also, keep in (
            (windows, sealed, held),
            (late, late.c.shard.is_not(None), held),
            (entries, None, held_entry),
            (states, None, None),
            (gaps, gaps.c.ended.is_not(None), None),
            (dead_letters, dead_letters.c.stage.not_in(_EVIDENCE_STAGES), None),
        ):
            deleted[table.name] += self._sweep(table, cutoff, also=also, held=keep)
        deleted["days"] += self._drop_days(("windows", "late", "states"), cutoff)
        return deleted

    def _predictions(self, cutoff: datetime, holds: Holds) -> Counter[str]:
        def held(row: Mapping[Any, Any]) -> bool:
            return holds.covers(row["asset"], row["start"], row["end"])

        count = self._sweep(predictions, cutoff, held=held)
        return Counter({"predictions": count, "days": self._drop_days(("predictions",), cutoff)})

    def _drop_days(self, tables: Sequence[str], cutoff: datetime) -> int:
        if self.dry_run:
            return 0
        return drop_old_days(self.database, tables, cutoff)

    def _alarms(self, cutoff: datetime, _holds: Holds) -> Counter[str]:
        cleared = alarms.c.cleared_at.is_not(None)
        return Counter({"alarms": self._sweep(alarms, cutoff, also=cleared)})

    def _outbox(self, cutoff: datetime, _holds: Holds) -> Counter[str]:
        left = or_(outbox.c.sent_at.is_not(None), outbox.c.refused_at.is_not(None))
        return Counter({"outbox": self._sweep(outbox, cutoff, also=left, written="created_at")})

    def _labels(self, cutoff: datetime, _holds: Holds) -> Counter[str]:
        return Counter({"labels": self._sweep(labels, cutoff)})

    def _sweep(
        self,
        table: Table,
        cutoff: datetime,
        *,
        also: Any = None,
        held: Held | None = None,
        written: str = "written_at",
    ) -> int:
        """Delete the old rows of `table` that are not held, batch by batch; return how many."""
        deleted = 0
        old = table.c[written] < cutoff if also is None else and_(table.c[written] < cutoff, also)
        for rows in self._batches(table, old):
            free = [row for row in rows if held is None or not held(row)]
            if self.dry_run:
                deleted += len(free)
            elif free:
                with self.database.write() as connection:
                    deleted += _delete(connection, table, free)
        return deleted

    def _batches(self, table: Table, old: Any) -> Iterator[Rows]:
        """Yield the old rows in order of their key, so that held ones are passed over."""
        keys = list(table.primary_key)
        after: tuple[Any, ...] | None = None
        while True:
            query = select(table).where(old).order_by(*keys).limit(self.policy.batch)
            if after is not None:
                bound = [literal(value, key.type) for key, value in zip(keys, after, strict=True)]
                query = query.where(tuple_(*keys) > tuple_(*bound))
            with self.database.read() as connection:
                rows = connection.execute(query).mappings().all()
            if not rows:
                return
            yield rows
            after = tuple(rows[-1][key.name] for key in keys)


def _delete(connection: Connection, table: Table, rows: Rows) -> int:
    """Delete `rows` and count out of the ledger what no row names any more; return how many.

    Only what this transaction deleted counts: two runs at once count nothing twice.
    """
    if table in (windows, predictions):
        hold_pairs(connection)
    keys = list(table.primary_key)
    wanted = [tuple(row[key.name] for key in keys) for row in rows]
    gone = (
        connection.execute(delete(table).where(tuple_(*keys).in_(wanted)).returning(table))
        .mappings()
        .all()
    )
    if table is dead_letters:
        count_out(connection, named_by_events(gone), "dead_lettered")
    elif table in (entries, states):
        count_out(connection, named_by_events(gone), "stored")
    elif table in (windows, late):
        named = named_by_windows(gone) if table is windows else named_by_events(gone)
        named -= named_elsewhere(connection, gone)
        named -= dead_among(connection, named)
        count_out(connection, named, "stored")
    if table in (windows, predictions):
        count_lone(connection, table, gone)
    return len(gone)
