"""The overview and the asset page: from the whole plant to one machine."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from mmindustry.dashboard.card import tell_card
from mmindustry.dashboard.desk import Visitor
from mmindustry.dashboard.listing import Under
from mmindustry.dashboard.normal import tell_watch
from mmindustry.dashboard.shown import GlanceView, show_alarm, show_glance
from mmindustry.store.queries.alarms import asset_alarms, count_active
from mmindustry.store.queries.normal import newest_normal
from mmindustry.store.queries.overview import read_glance, read_overview
from mmindustry.store.queries.plant import (
    AssetRow,
    list_assets,
    read_asset,
    read_names,
)
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.sensors import list_sensors
from mmindustry.store.queries.surroundings import asset_entries
from mmindustry.store.queries.trouble import count_dead_letters, list_gaps
from mmindustry.store.queries.windows import list_windows

SPANS_HOURS = (1, 8, 24, 168)
"""Spans of the charts that the asset page offers, in hours."""

_RECENT = 10
_MAX_SENSORS = 100
_MAX_UNREGISTERED = 500

router = APIRouter()

Areas = dict[str, dict[str, list[GlanceView]]]


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
def overview_page(visit: Visitor, under: Under = "") -> HTMLResponse:
    """Return the plant by area and line."""
    scope = visit.under(under)
    now, policy = visit.desk.clock.now(), visit.desk.policy
    with visit.read() as connection:
        overview = read_overview(connection, scope, limit=policy.overview_assets)
        names = read_names(connection, scope)
        alarms = count_active(connection, scope)
        letters = count_dead_letters(connection, scope, since=now - timedelta(days=1))
        unregistered = list_assets(
            connection, scope, registered=False, limit=_MAX_UNREGISTERED
        ).rows
    place = under.strip("/")
    if place and not overview.total and place not in names.names:
        raise visit.refusal(404, "no_place")
    glances = [show_glance(g, now, seen_seconds=policy.seen_seconds) for g in overview.assets]
    figures = {
        "assets": overview.total,
        "alarms": alarms,
        "quiet": sum(glance.quiet_sources for glance in glances),
        "unregistered": len(unregistered),
        "dead_letters": letters,
    }
    return visit.page(
        "overview.html",
        under=place,
        figures=figures,
        areas=_by_place(glances),
        names=names,
        more=overview.next is not None,
        shown=len(glances),
    )


def _by_place(glances: list[GlanceView]) -> Areas:
    """Return the assets by area and line; a path of another shape stands under its beginning."""
    areas: Areas = {}
    for glance in glances:
        parts = glance.asset.split("/")
        area, line = "/".join(parts[:2]), "/".join(parts[:3])
        areas.setdefault(area, {}).setdefault(line, []).append(glance)
    return areas


@router.get("/assets/{asset:path}", response_class=HTMLResponse, include_in_schema=False)
def asset_page(
    visit: Visitor, asset: str, hours: Annotated[int, Query(ge=1, le=168)] = 24
) -> HTMLResponse:
    """Return one asset: how it is now, how it was, what was said and written of it."""
    now = visit.desk.clock.now()
    with visit.read() as connection:
        row = read_asset(connection, visit.scope, asset)
        if row is None:
            raise visit.refusal(404, "no_asset")
        only = Scope(row.asset)
        glance = read_glance(connection, only, row)
        alarms = asset_alarms(connection, only, asset, since=_since(row, hours), limit=8)
        windows = list_windows(connection, only, asset, limit=_RECENT)
        entries = asset_entries(connection, only, asset)
        sensors = list_sensors(connection, only, limit=_MAX_SENSORS).rows
        gaps = list_gaps(connection, only, active=True, limit=_MAX_SENSORS).rows
        names = read_names(connection, visit.scope)
        normal = newest_normal(connection, only, asset)
    return visit.page(
        "asset.html",
        watch=None if normal is None else tell_watch(normal, visit.words),
        asset=row,
        glance=show_glance(glance, now, seen_seconds=visit.desk.policy.seen_seconds),
        alarms=[show_alarm(alarm, now) for alarm in alarms],
        windows=windows,
        entries=entries,
        sensors=sensors,
        quiet={gap.source: gap.started for gap in gaps},
        names=names,
        card=tell_card(row.card or {}, visit.words),
        hours=hours,
        spans=SPANS_HOURS,
    )


def _since(row: AssetRow, hours: int) -> datetime:
    return (row.frontier or row.first_seen) - timedelta(hours=hours)
