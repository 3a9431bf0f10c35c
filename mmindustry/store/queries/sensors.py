"""Whom the line listens to: registered sources with their units, and those nobody registered."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mmindustry.store.columns import SINCE_EVER
from mmindustry.store.queries.page import Page, beyond, cut_page, read_cursor
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import alarms, asset_state, sensors

SENSOR_FAULTS = ("quiet", "sensor_quality")
"""What an alarm of a sensor is called; its `source` is the sensor."""

_MOST_STRANGERS = 500
_ORDER = (sensors.c.asset, sensors.c.source, sensors.c.valid_from)


@dataclass(frozen=True, slots=True)
class SensorRow:
    """One source with its units; `every_seconds` is its longest expected pause.

    `registered` False: it speaks or has an alarm, and no registry names it; of its fields only
    asset, source and, where it spoke, modality are known.
    """

    source: str
    asset: str
    modality: str
    every_seconds: float | None
    rate_hz: float | None
    sensitivity: str
    mounting: str
    region: str
    valid_from: datetime
    valid_to: datetime | None
    registered: bool = True


def list_sensors(
    connection: Connection,
    scope: Scope,
    *,
    after: str | None = None,
    limit: int = 50,
) -> Page[SensorRow]:
    """Return sources in order of asset and source, those that nobody registered before all others.

    The unregistered stand on the first page, at most 500 of them beside its `limit` rows.

    Raises:
        InputError: `after` is no cursor of this list.
    """
    query = select(sensors).where(scope.covers(sensors.c.asset)).order_by(*_ORDER).limit(limit + 1)
    if after:
        key = read_cursor(after, (str, str, datetime))
        query = query.where(beyond(_ORDER, key, descending=False))
    rows = [
        SensorRow(
            r.source,
            r.asset,
            r.modality,
            r.every_seconds,
            r.rate_hz,
            r.sensitivity,
            r.mounting,
            r.region,
            r.valid_from,
            r.valid_to,
        )
        for r in connection.execute(query)
    ]
    page = cut_page(rows, limit, lambda row: (row.asset, row.source, row.valid_from))
    strangers = () if after else _strangers(connection, scope)
    return Page((*strangers, *page.rows), page.next)


def _strangers(connection: Connection, scope: Scope) -> tuple[SensorRow, ...]:
    """Return the sources that spoke or have an alarm and that no registry ever named."""
    heard = _heard(connection, scope)
    query = select(sensors.c.asset, sensors.c.source).where(scope.covers(sensors.c.asset))
    named = {(row.asset, row.source) for row in connection.execute(query)} if heard else set()
    unnamed = sorted(set(heard) - named)[:_MOST_STRANGERS]
    return tuple(
        SensorRow(
            source=source,
            asset=asset,
            modality=heard[asset, source],
            every_seconds=None,
            rate_hz=None,
            sensitivity="",
            mounting="",
            region="",
            valid_from=SINCE_EVER,
            valid_to=None,
            registered=False,
        )
        for asset, source in unnamed
    )


def _heard(connection: Connection, scope: Scope) -> dict[tuple[str, str], str]:
    """Return (asset, source) -> modality of what spoke or has an alarm; "" = not known."""
    alarmed = select(alarms.c.asset, alarms.c.source).where(
        scope.covers(alarms.c.asset),
        alarms.c.cleared_at.is_(None),
        alarms.c.fault.in_(SENSOR_FAULTS),
        alarms.c.source != "",
    )
    spoke = select(asset_state.c.asset, asset_state.c.sources).where(
        scope.covers(asset_state.c.asset)
    )
    heard = {(row.asset, row.source): "" for row in connection.execute(alarmed)}
    for row in connection.execute(spoke):
        heard |= {(row.asset, source): str(s["modality"]) for source, s in row.sources.items()}
    return heard
