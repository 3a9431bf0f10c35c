"""What the record knows of partitions at the moment they are taken over."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from mmindustry.domain import (
    AlarmState,
    AssemblyState,
    Claim,
    Sensor,
    ShardRow,
    Unsealed,
    WindowKey,
)
from mmindustry.store import facts
from mmindustry.store.database import Database
from mmindustry.store.tables import alarm_states, asset_state, assets, late, sensors, windows

Fields = Mapping[Any, Any]
_Event = tuple[str, str, str, str, datetime]


@dataclass(slots=True)
class _Found:
    assets: list[AssemblyState] = field(default_factory=list)
    alarms: list[AlarmState] = field(default_factory=list)
    unsealed: list[Unsealed] = field(default_factory=list)
    sensors: list[Sensor] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)


def read_claims(
    connection: Connection,
    progress: Sequence[Fields],
    *,
    home: Callable[[str], int],
    policy: str,
) -> list[Claim]:
    """Return one claim for each row of `progress`, in its order.

    Args:
        connection: The transaction that raised the epochs, so that nobody writes meanwhile.
        progress: Rows of `partition_progress`, epochs raised.
        home: Asset path -> its partition.
        policy: Only states and rows of this window policy; empty = of any.
    """
    partitions = {row["partition"] for row in progress}
    found: dict[int, _Found] = defaultdict(_Found)
    for row in _rows(connection, asset_state, partitions, policy):
        found[row["partition"]].assets.append(facts.assembly_state_of(row))
    for row in _rows(connection, alarm_states, partitions, ""):
        found[row["partition"]].alarms.append(AlarmState(row["asset"], row["memory"]))
    for unsealed in _unsealed(connection, partitions, policy):
        found[unsealed.partition].unsealed.append(unsealed)
    for sensor in read_sensors(connection):
        found[home(sensor.asset)].sensors.append(sensor)
    known = select(assets.c.asset).where(assets.c.registered).order_by(assets.c.asset)
    for path in connection.scalars(known):
        found[home(path)].registered.append(path)
    return [_claim(row, found[row["partition"]]) for row in progress]


def read_sensors(connection: Connection) -> list[Sensor]:
    """Return all registered sensors, in order of (asset, source, valid_from)."""
    order = (sensors.c.asset, sensors.c.source, sensors.c.valid_from)
    rows = connection.execute(select(sensors).order_by(*order)).mappings().all()
    return [facts.sensor_of(row) for row in rows]


def list_sensors(database: Database) -> list[Sensor]:
    """Return all registered sensors, in order of (asset, source, valid_from)."""
    with database.read() as connection:
        return read_sensors(connection)


def _claim(progress: Fields, found: _Found) -> Claim:
    return Claim(
        partition=progress["partition"],
        epoch=progress["epoch"],
        progress=facts.progress_of(progress),
        assets=tuple(found.assets),
        alarms=tuple(found.alarms),
        unsealed=tuple(found.unsealed),
        sensors=tuple(found.sensors),
        registered=tuple(found.registered),
    )


def _rows(
    connection: Connection, table: Any, partitions: Collection[int], policy: str
) -> Sequence[Fields]:
    query = select(table).where(table.c.partition.in_(partitions)).order_by(table.c.asset)
    if policy:
        query = query.where(table.c.policy == policy)
    return connection.execute(query).mappings().all()


def _unsealed(
    connection: Connection, partitions: Collection[int], policy: str
) -> Iterable[Unsealed]:
    query = (
        select(windows)
        .where(windows.c.partition.in_(partitions), windows.c.shard.is_(None))
        .order_by(windows.c.end, windows.c.asset)
    )
    if policy:
        query = query.where(windows.c.policy == policy)
    for row in connection.execute(query).mappings().all():
        key = WindowKey(row["asset"], row["policy"], row["start"], row["revision"])
        evidence = facts.evidence_of(row["evidence"])
        shard_row = ShardRow(key=key, late=False, evidence=evidence)
        yield Unsealed(row=shard_row, partition=row["partition"], end=row["end"])
    yield from _unsealed_late(connection, partitions, policy)


def _unsealed_late(
    connection: Connection, partitions: Collection[int], policy: str
) -> Iterable[Unsealed]:
    """Yield each late event once, under the first window it missed."""
    query = (
        select(late)
        .where(late.c.partition.in_(partitions), late.c.shard.is_(None))
        .order_by(late.c.time, late.c.source, late.c.event_id, late.c.start)
    )
    if policy:
        query = query.where(late.c.policy == policy)
    met: set[_Event] = set()
    for row in connection.execute(query).mappings().all():
        event = (row["asset"], row["policy"], row["source"], row["event_id"], row["time"])
        if event in met:
            continue
        met.add(event)
        key = WindowKey(row["asset"], row["policy"], row["start"])
        shard_row = ShardRow(key=key, late=True, evidence=(facts.late_evidence(row),))
        yield Unsealed(row=shard_row, partition=row["partition"], end=row["time"])
