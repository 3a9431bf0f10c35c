"""The plant registry in the record: import that can be repeated, and what is there."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from mmindustry.domain import AssetCard, Sensor
from mmindustry.errors import InputError
from mmindustry.store.columns import SINCE_EVER
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.equipment import Equipment, card_of_entry, sensors_of_entry
from mmindustry.store.facts import card_row
from mmindustry.store.rows import Row, asset_id
from mmindustry.store.statements import upsert
from mmindustry.store.tables import assets, places, sensors, sites


@dataclass(frozen=True, slots=True)
class Difference:
    """One row an import adds or changes: `sites`, `places`, `assets` or `sensors`, and which."""

    table: str
    key: str
    change: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAsset:
    """An asset of the record; `registered` False: messages came, nobody said what it is."""

    path: str
    asset_id: str
    name: str
    registered: bool
    partition: int | None
    first_seen: datetime
    sensors: int


def import_equipment(
    database: Database, equipment: Equipment, now: datetime, *, dry_run: bool = False
) -> list[Difference]:
    """Make the registry say what `equipment` says; return what was added or changed.

    A second import of the same changes nothing. What the file no longer names stays: end a sensor
    by its `valid_to`. A worker takes the news with its next claim.

    Raises:
        InputError: Two entries name the same thing.
    """
    wanted = _wanted(equipment, now)
    with told_plainly(database), database.write() as connection:
        differences: list[Difference] = []
        for table, rows in wanted:
            known = _known(connection, table)
            settled = [_settled(row, known) if table is assets else row for row in rows]
            changed = [row for row in settled if _differs(table, row, known)]
            differences += [_difference(table, row, known) for row in changed]
            if not dry_run:
                upsert(connection, table, changed)
    return differences


def register_assets(
    database: Database,
    cards: Mapping[str, AssetCard],
    found: Iterable[Sensor] = (),
    *,
    now: datetime,
) -> None:
    """Register assets by their paths, and sensors: what a feed's plan or a test brings along.

    Cards that an import gave before are kept where `cards` says nothing (kind unknown).
    """
    with told_plainly(database), database.write() as connection:
        known = _known(connection, assets)
        rows = []
        for path, card in cards.items():
            old = known.get((path,), {})
            row = _settled(_asset_row(path, card, now=now), known)
            if card == AssetCard() and old.get("card") is not None:
                row |= {"card": old["card"], "name": old["name"]}
            rows.append(row)
        upsert(connection, assets, rows)
        upsert(connection, sensors, [sensor_row(sensor) for sensor in found])


def list_assets(database: Database, *, registered: bool | None = None) -> list[KnownAsset]:
    """Return the assets by path; only (un)registered ones where `registered` says so."""
    query = select(assets).order_by(assets.c.asset)
    if registered is not None:
        query = query.where(assets.c.registered.is_(registered))
    with told_plainly(database), database.read() as connection:
        count = Counter(connection.scalars(select(sensors.c.asset)))
        return [
            KnownAsset(
                path=row.asset,
                asset_id=row.asset_id,
                name=row.name,
                registered=row.registered,
                partition=row.partition,
                first_seen=row.first_seen,
                sensors=count[row.asset],
            )
            for row in connection.execute(query)
        ]


def sensor_row(sensor: Sensor) -> Row:
    """Return the row of a sensor."""
    return {
        "source": sensor.source,
        "asset": sensor.asset,
        "valid_from": sensor.valid_from or SINCE_EVER,
        "valid_to": sensor.valid_to,
        "modality": sensor.modality.value,
        "every_seconds": None if sensor.every is None else sensor.every.total_seconds(),
        "rate_hz": sensor.rate_hz,
        "sensitivity": sensor.sensitivity,
        "mounting": sensor.mounting,
        "region": sensor.region,
    }


def _asset_row(
    path: str, card: AssetCard, *, name: str = "", id_: str | None = None, now: datetime
) -> Row:
    return {
        "asset": path,
        "asset_id": id_,
        "name": name,
        "registered": True,
        "card": card_row(card),
        "first_seen": now,
        "updated_at": now,
    }


def _settled(row: Row, known: Mapping[tuple[Any, ...], Mapping[Any, Any]]) -> Row:
    """Return the asset's row with the id and the first sight that it has or now gets."""
    old = known.get((row["asset"],), {})
    kept = old.get("asset_id") or asset_id(row["asset"])
    return row | {
        "asset_id": row["asset_id"] or kept,
        "first_seen": old.get("first_seen") or row["first_seen"],
    }


def _wanted(equipment: Equipment, now: datetime) -> list[tuple[Table, list[Row]]]:
    """Return the rows that `equipment` asks for, table by table."""
    site_rows: list[Row] = [
        {"site": site.key, "name": site.name or site.key, "zone": site.zone}
        for site in equipment.sites
    ]
    place_rows: list[Row] = [
        {"path": path, "kind": kind, "name": place.name or place.key}
        for kind, found in (("area", equipment.areas()), ("line", equipment.lines()))
        for path, place in found
    ]
    asset_rows, sensor_rows = [], []
    for path, entry in equipment.assets():
        card = card_of_entry(entry.card)
        asset_rows.append(
            _asset_row(path, card, name=entry.name or entry.key, id_=entry.id, now=now)
        )
        sensor_rows += [sensor_row(sensor) for sensor in sensors_of_entry(path, entry)]
    wanted = [(sites, site_rows), (places, place_rows), (assets, asset_rows)]
    for table, rows in (*wanted, (sensors, sensor_rows)):
        _refuse_doubles(table, rows)
    return [*wanted, (sensors, sensor_rows)]


def _refuse_doubles(table: Table, rows: Iterable[Row]) -> None:
    counted = Counter(_key(table, row) for row in rows)
    doubles = [" ".join(map(str, key)) for key, count in counted.items() if count > 1]
    if doubles:
        raise InputError(f"named twice in {table.name}: {'; '.join(sorted(doubles))}")


def _key(table: Table, row: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key)


def _known(connection: Connection, table: Table) -> dict[tuple[Any, ...], Mapping[Any, Any]]:
    rows = connection.execute(select(table)).mappings().all()
    return {_key(table, row): row for row in rows}


_BOOKKEEPING = ("first_seen", "updated_at")


def _changed_fields(
    table: Table, row: Row, known: Mapping[tuple[Any, ...], Mapping[Any, Any]]
) -> tuple[str, ...]:
    old = known[_key(table, row)]
    return tuple(n for n, value in row.items() if n not in _BOOKKEEPING and old[n] != value)


def _differs(table: Table, row: Row, known: Mapping[tuple[Any, ...], Mapping[Any, Any]]) -> bool:
    return _key(table, row) not in known or bool(_changed_fields(table, row, known))


def _difference(
    table: Table, row: Row, known: Mapping[tuple[Any, ...], Mapping[Any, Any]]
) -> Difference:
    key = _key(table, row)
    shown = " ".join(str(part) for part in key if part != SINCE_EVER)
    if key not in known:
        return Difference(table.name, shown, "add")
    return Difference(table.name, shown, "change", _changed_fields(table, row, known))
