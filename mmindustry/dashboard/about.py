"""Who serves, how far the line has come, what this interface is; and health for orchestrators."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from mmindustry.dashboard.desk import Desk, Visitor
from mmindustry.store.queries.alarms import count_active
from mmindustry.store.queries.models import (
    list_assignments,
    list_bundles,
    list_partitions,
    recent_bundles,
)
from mmindustry.telemetry.metrics import Metrics
from mmindustry.telemetry.pages import answer
from mmindustry.web.guard import OPEN_PATHS
from mmindustry.web.problem import Problem

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Status:
    """The plant in a few numbers; `version` changes with every step and every answer."""

    version: str
    alarms_active: dict[str, int]


@router.get("/about", response_class=HTMLResponse, include_in_schema=False)
def about_page(visit: Visitor) -> HTMLResponse:
    """Return bundles with their cards, assignments, partitions, and how to reach the API."""
    with visit.read() as connection:
        bundles = list_bundles(connection)
        assignments = list_assignments(connection, visit.scope)
        partitions = list_partitions(connection)
        serving = recent_bundles(connection)
    return visit.page(
        "about.html",
        bundles=bundles,
        assignments=assignments,
        partitions=partitions,
        serving=serving,
    )


@router.get("/api/v1/status")
def read_status(visit: Visitor, request: Request) -> Status:
    """Return the number of active alarms by priority, and the record's version."""
    with visit.read() as connection:
        return Status(request.app.state.live.version, dict(count_active(connection, visit.scope)))


def _told(request: Request) -> Response:
    """Return what telemetry says at this path."""
    desk: Desk = request.app.state.desk
    metrics: Metrics = request.app.state.metrics
    url = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    said = answer(url, desk.health, metrics.registry)
    if said is None:
        raise Problem(404, "there is no such page", key="refused.no_page")
    status, kind, body = said
    return Response(body, status, media_type=kind)


for _path in sorted(OPEN_PATHS):
    router.add_api_route(_path, _told, methods=["GET"], include_in_schema=False)
