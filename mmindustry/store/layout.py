"""What a relayout means for the record: another partition count, or a log made anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from mmindustry.codec.partition import partition_of
from mmindustry.domain import GapKind, Progress
from mmindustry.errors import StoreError
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.facts import progress_of
from mmindustry.store.statements import insert_new, upsert
from mmindustry.store.tables import (
    alarm_states,
    asset_state,
    assets,
    closed_progress,
    gaps,
    late,
    layout,
    partition_progress,
    windows,
)

RETENTION = "retention"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The input topics as the record knows them."""

    partitions: int
    topic_ids: Mapping[str, str]


def read_layout(database: Database) -> Layout | None:
    """Return the layout the record was written under; None before it was ever recorded."""
    with told_plainly(database), database.read() as connection:
        rows = connection.execute(select(layout)).all()
    if not rows:
        return None
    return Layout(
        partitions=rows[0].partitions, topic_ids={row.topic: row.topic_id for row in rows}
    )


def read_progress(database: Database) -> list[Progress]:
    """Return the progress of every partition that has taken a step, claiming nothing."""
    with told_plainly(database), database.read() as connection:
        rows = connection.execute(select(partition_progress)).mappings().all()
    found = [progress_of(row) for row in rows]
    return [progress for progress in found if progress is not None]


def record_layout(database: Database, found: Layout, now: datetime) -> None:
    """Keep the layout of the input topics."""
    with told_plainly(database), database.write() as connection:
        _record(connection, found, now)


def relayout_count(database: Database, found: Layout, now: datetime) -> int:
    """Let every asset move to its partition among the new count; return how many moved.

    The topics are the same and only have more partitions, so offsets and books go on. The caller
    has made sure that the lag is 0; every worker is fenced.

    Raises:
        StoreError: Something is still in flight: an open window, or a row without a shard.
    """
    with told_plainly(database), database.write() as connection:
        _fence_all(connection, now)
        _refuse_unfinished(connection)
        _record(connection, found, now)
        _restamp(connection, found)
        return sum(_rehome(connection, table, found.partitions) for table in _HOMES)


def relayout_log(database: Database, found: Layout, now: datetime) -> int:
    """Begin anew on logs that were made anew; return the number of messages given up in flight.

    Each partition's books are closed and a new era begins: offsets start again, what was in
    flight counts as dropped for retention, rows without a shard say that their evidence is lost,
    and a `data_gap` is recorded for each topic. Every worker is fenced.
    """
    with told_plainly(database), database.write() as connection:
        _fence_all(connection, now)
        given_up = _close_books(connection, now)
        for table in (windows, late):
            connection.execute(
                update(table)
                .where(table.c.shard.is_(None))
                .values(shard="", evidence_lost=func.coalesce(table.c.evidence_lost, RETENTION))
            )
        _record(connection, found, now)
        for table in _HOMES:
            _rehome(connection, table, found.partitions)
        return given_up


_HOMES = (assets, asset_state, alarm_states)


def _record(connection: Connection, found: Layout, now: datetime) -> None:
    rows = [
        {"topic": topic, "topic_id": id_, "partitions": found.partitions, "recorded_at": now}
        for topic, id_ in sorted(found.topic_ids.items())
    ]
    upsert(connection, layout, rows)


def _restamp(connection: Connection, found: Layout) -> None:
    """Write the topics' ids as they are now (they name the count) into every partition's books."""
    for row in connection.execute(select(partition_progress)).mappings().all():
        topics = {
            name: {**at, "topic_id": found.topic_ids.get(name, at["topic_id"])}
            for name, at in row["topics"].items()
        }
        connection.execute(
            update(partition_progress)
            .where(partition_progress.c.partition == row["partition"])
            .values(topics=topics)
        )


def _fence_all(connection: Connection, now: datetime) -> None:
    """Let no worker that has claimed before write again."""
    epoch = partition_progress.c.epoch + 1
    connection.execute(update(partition_progress).values(epoch=epoch, updated_at=now))


def _refuse_unfinished(connection: Connection) -> None:
    table = partition_progress.c
    flying = connection.execute(
        select(table.partition, table.in_flight).where(table.in_flight > 0)
    ).all()
    unsealed = sum(
        connection.scalar(select(func.count()).select_from(t).where(t.c.shard.is_(None))) or 0
        for t in (windows, late)
    )
    if flying or unsealed:
        raise StoreError(
            f"{sum(row.in_flight for row in flying)} events are in open windows and {unsealed} "
            "rows wait for their shard: let the worker run until both are 0, then try again"
        )


def _rehome(connection: Connection, table: Any, count: int) -> int:
    """Write each asset's partition among `count`; return how many changed."""
    rows = connection.execute(select(table.c.asset, table.c.partition).distinct()).all()
    moved = 0
    for row in rows:
        home = partition_of(row.asset.encode(), count)
        if row.partition is not None and row.partition != home:
            moved += 1
            connection.execute(
                update(table).where(table.c.asset == row.asset).values(partition=home)
            )
    return moved


def _close_books(connection: Connection, now: datetime) -> int:
    """Move each partition's counts to `closed_progress` and begin a new era; return in flight."""
    rows = connection.execute(select(partition_progress)).mappings().all()
    era = max((row["era"] for row in rows), default=0) + 1
    for row in rows:
        if row["topics"]:
            dropped = dict(row["dropped"])
            if row["in_flight"]:
                dropped[RETENTION] = dropped.get(RETENTION, 0) + row["in_flight"]
            closed = {
                "partition": row["partition"],
                "era": row["era"],
                "topics": row["topics"],
                "received": row["received"],
                "in_flight": 0,
                "dropped": dropped,
                "closed_at": now,
            }
            connection.execute(insert(closed_progress), closed)
            insert_new(connection, gaps, _gap_rows(row, now))
    fresh: dict[str, Any] = {"era": era, "topics": {}, "received": 0, "in_flight": 0, "dropped": {}}
    connection.execute(update(partition_progress).values(**fresh))
    return sum(row["in_flight"] for row in rows)


def _gap_rows(row: Mapping[Any, Any], now: datetime) -> list[dict[str, Any]]:
    """Return one ended gap for each topic: from its `needed_from` on the old log is gone."""
    started = row["arrival"] or now
    return [
        {
            "partition": row["partition"],
            "asset": "",
            "source": topic,
            "kind": GapKind.DATA.value,
            "started": started,
            "ended": max(started, now),
            "first_offset": at["needed_from"],
            "last_offset": at["read_through"],
            "written_at": now,
        }
        for topic, at in sorted(row["topics"].items())
    ]
