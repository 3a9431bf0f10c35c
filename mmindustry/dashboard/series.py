"""The charts of an asset as data: health, risk and novelty of its windows over event time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from mmindustry.dashboard.desk import Visitor
from mmindustry.dashboard.show import surprise
from mmindustry.dashboard.words import Words
from mmindustry.domain import Modality
from mmindustry.store.queries.alarms import AlarmRow, asset_alarms
from mmindustry.store.queries.plant import read_asset, read_names
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.windows import Point, read_series

router = APIRouter()

_MODALITIES = (Modality.IMAGE, Modality.AUDIO, Modality.TEXT)


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart; None where the window was not judged."""

    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves in one unit; `range` of its axis, `normal` = band of what is usual."""

    unit: str
    range: tuple[float, float]
    normal: tuple[float, float] | None
    series: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class AlarmSpan:
    """When an alarm was active, in Unix seconds of event time; `to` None = it still is."""

    id: str
    fault: str
    priority: str
    start: float
    to: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """An asset's windows over time: `times` are their ends in Unix seconds, `windows` their ids."""

    asset: str
    zone: str
    times: tuple[float, ...]
    windows: tuple[str, ...]
    charts: dict[str, Chart]
    alarms: tuple[AlarmSpan, ...]


@router.get("/api/v1/series")
def read_asset_series(
    visit: Visitor,
    asset: Annotated[str, Query(max_length=200)],
    hours: Annotated[int, Query(ge=1, le=168)] = 24,
) -> Series:
    """Return health, risk within 24 h and novelty of an asset's last hours, oldest first."""
    with visit.read() as connection:
        row = read_asset(connection, visit.scope, asset)
        if row is None:
            raise visit.refusal(404, "no_asset")
        only = Scope(asset)
        since = (row.frontier or row.first_seen) - timedelta(hours=hours)
        points = read_series(
            connection, only, asset, since=since, points=visit.desk.policy.series_points
        )
        alarms = asset_alarms(connection, only, asset, since=since)
        zone = read_names(connection, visit.scope).zone(asset)
    return Series(
        asset=asset,
        zone=zone,
        times=tuple(point.end.timestamp() for point in points),
        windows=tuple(point.window_id for point in points),
        charts=_charts(points, visit.words),
        alarms=tuple(_span(alarm) for alarm in alarms),
    )


def _charts(points: Sequence[Point], words: Words) -> dict[str, Chart]:
    heard = [m for m in _MODALITIES if any(m.value in point.novelty for point in points)]
    novelty = tuple(
        Curve(
            words.code("modality", modality.value),
            tuple(surprise(point.novelty.get(modality.value)) for point in points),
        )
        for modality in heard
    )
    health = Curve(words("column.health"), tuple(_percent(p.health) for p in points))
    risk = Curve(words("column.risk_24h"), tuple(_percent(p.risk_24h) for p in points))
    return {
        "health": Chart("%", (0.0, 100.0), (50.0, 100.0), (health,)),
        "risk": Chart("%", (0.0, 100.0), None, (risk,)),
        "novelty": Chart("", (0.0, 6.0), (0.0, 2.0), novelty),
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else round(value * 100.0, 3)


def _span(alarm: AlarmRow) -> AlarmSpan:
    to = alarm.cleared_at.timestamp() if alarm.cleared_at else None
    return AlarmSpan(alarm.id, alarm.fault, alarm.priority, alarm.raised_at.timestamp(), to)
