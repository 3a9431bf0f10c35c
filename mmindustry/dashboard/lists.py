"""The lists of the dashboard: what each shows and where its rows come from."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from sqlalchemy import Connection

from mmindustry.dashboard.desk import Visit
from mmindustry.dashboard.listing import Ask, Listing, add_listing
from mmindustry.dashboard.shown import AlarmView, GlanceView, show_alarm, show_glance
from mmindustry.store.queries.alarms import list_alarms
from mmindustry.store.queries.models import LabelRow, list_labels
from mmindustry.store.queries.overview import read_overview
from mmindustry.store.queries.page import Page
from mmindustry.store.queries.plant import list_assets
from mmindustry.store.queries.sensors import SensorRow, list_sensors
from mmindustry.store.queries.trouble import DeadLetterRow, GapRow, list_dead_letters, list_gaps
from mmindustry.store.queries.windows import WindowRow, list_windows


@dataclass(frozen=True, slots=True)
class StrangerRow:
    """An asset that sends but is in no registry: predicted, never alarmed."""

    asset: str
    first_seen: datetime
    seen_until: datetime | None


def _alarms(visit: Visit, connection: Connection, ask: Ask) -> Page[AlarmView]:
    now = visit.desk.clock.now()
    page = list_alarms(connection, ask.scope, active=ask.active, after=ask.after, limit=ask.limit)
    return Page(tuple(show_alarm(row, now) for row in page.rows), page.next)


def _assets(visit: Visit, connection: Connection, ask: Ask) -> Page[GlanceView]:
    now, seen = visit.desk.clock.now(), visit.desk.policy.seen_seconds
    overview = read_overview(connection, ask.scope, limit=ask.limit, after=ask.after)
    rows = tuple(show_glance(glance, now, seen_seconds=seen) for glance in overview.assets)
    return Page(rows, overview.next)


def _gaps(_visit: Visit, connection: Connection, ask: Ask) -> Page[GapRow]:
    return list_gaps(connection, ask.scope, active=ask.active, after=ask.after, limit=ask.limit)


def _sensors(_visit: Visit, connection: Connection, ask: Ask) -> Page[SensorRow]:
    return list_sensors(connection, ask.scope, after=ask.after, limit=ask.limit)


def _letters(_visit: Visit, connection: Connection, ask: Ask) -> Page[DeadLetterRow]:
    return list_dead_letters(connection, ask.scope, after=ask.after, limit=ask.limit)


def _labels(_visit: Visit, connection: Connection, ask: Ask) -> Page[LabelRow]:
    return list_labels(connection, ask.scope, after=ask.after, limit=ask.limit)


def _strangers(_visit: Visit, connection: Connection, ask: Ask) -> Page[StrangerRow]:
    page = list_assets(connection, ask.scope, registered=False, after=ask.after, limit=ask.limit)
    rows = tuple(StrangerRow(row.asset, row.first_seen, row.frontier) for row in page.rows)
    return Page(rows, page.next)


def _windows(visit: Visit, connection: Connection, ask: Ask) -> Page[WindowRow]:
    if ask.scope.prefix.count("/") != 3:  # noqa: PLR2004 - site/area/line/asset
        raise visit.refusal(400, "name_asset")
    return list_windows(connection, ask.scope, ask.scope.prefix, after=ask.after, limit=ask.limit)


LISTINGS: tuple[Listing, ...] = (
    Listing(
        noun="alarms",
        row=AlarmView,
        columns=(),
        fetch=_alarms,
        active=True,
        template="alarms.html",
    ),
    Listing(
        noun="assets",
        row=GlanceView,
        columns=(
            ("asset", "asset"),
            ("name", "text"),
            ("registered", "yes"),
            ("alarm_fault", "fault"),
            ("alarm_source", "source"),
            ("fault", "fault"),
            ("health", "percent"),
            ("risk_24h", "percent"),
            ("seen_until", "time"),
        ),
        fetch=_assets,
    ),
    Listing(
        noun="gaps",
        row=GapRow,
        columns=(
            ("asset", "asset"),
            ("source", "source"),
            ("kind", "gap"),
            ("started", "time"),
            ("ended", "time"),
            ("partition", "number"),
            ("first_offset", "number"),
            ("last_offset", "number"),
        ),
        fetch=_gaps,
        active=False,
    ),
    Listing(
        noun="sensors",
        row=SensorRow,
        columns=(
            ("asset", "asset"),
            ("source", "source"),
            ("modality", "modality"),
            ("every_seconds", "seconds"),
            ("units", "units"),
            ("mounting", "text"),
            ("region", "region"),
            ("valid_from", "since"),
            ("valid_to", "time"),
        ),
        fetch=_sensors,
    ),
    Listing(
        noun="unregistered",
        row=StrangerRow,
        columns=(("asset", "asset"), ("first_seen", "time"), ("seen_until", "time")),
        fetch=_strangers,
    ),
    Listing(
        noun="dead-letters",
        row=DeadLetterRow,
        columns=(
            ("written_at", "time"),
            ("reason", "reason"),
            ("stage", "stage"),
            ("modality", "modality"),
            ("key", "mono"),
            ("topic", "topic"),
            ("partition", "number"),
            ("offset", "number"),
            ("value_bytes", "number"),
            ("detail", "text"),
        ),
        fetch=_letters,
    ),
    Listing(
        noun="labels",
        row=LabelRow,
        columns=(
            ("written_at", "time"),
            ("asset", "asset"),
            ("start", "time"),
            ("end", "time"),
            ("fault", "fault"),
            ("verdict", "verdict"),
            ("author", "text"),
            ("alarm_id", "alarm"),
            ("comment", "text"),
        ),
        fetch=_labels,
    ),
    Listing(noun="windows", row=WindowRow, columns=(), fetch=_windows),
)
"""All lists, in the order of the navigation."""


def make_lists() -> APIRouter:
    """Return the routes of all lists."""
    router = APIRouter()
    for listing in LISTINGS:
        add_listing(router, listing)
    return router
