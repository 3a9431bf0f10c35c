"""Puts the dashboard together: one function that returns the application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope as AsgiScope
from typing_extensions import override

from mmindustry import __version__
from mmindustry.clock import Clock
from mmindustry.dashboard import about, alarms, live, media, plant, series, windows
from mmindustry.dashboard.desk import Desk, check_visit, make_templates, visit
from mmindustry.dashboard.forms import FormTokens
from mmindustry.dashboard.lists import make_lists
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.dashboard.repeats import Repeats
from mmindustry.dashboard.words import load_words
from mmindustry.errors import DependencyDown
from mmindustry.ports import Archive
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.queries.models import read_version
from mmindustry.telemetry.health import Health
from mmindustry.telemetry.metrics import Metrics
from mmindustry.web.access import LOCAL
from mmindustry.web.guard import protect
from mmindustry.web.measure import measure
from mmindustry.web.problem import ProblemDocument, install_problems, problem_json

_STALL_SECONDS = 30.0
_ASSET_SECONDS = 86_400
_NOT_UNDERSTOOD = {
    "description": "The query holds a key or a value that is not known here",
    "content": {"application/problem+json": {"schema": {"type": "object"}}},
}


class _Assets(StaticFiles):
    """Our own files: no data, so a browser may keep them for a day."""

    @override
    async def get_response(self, path: str, scope: AsgiScope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = f"private, max-age={_ASSET_SECONDS}"
        return response


def create_app(
    database: Database,
    archive: Archive,
    *,
    policy: DashboardPolicy,
    clock: Clock,
    metrics: Metrics,
) -> FastAPI:
    """Return the dashboard as an ASGI application; nothing is opened before it serves.

    Args:
        database: The record; read, and written where an operator answers.
        archive: Gives the raw evidence back.
        policy: Access, limits, sizes.
        clock: Decides ages, shelving and the life of forms.
        metrics: Counts requests; `/metrics` shows its registry.

    `app.state.health` is the dashboard's `Health`; call `app.state.live.close()` when the daemon
    stops, so that live streams end at once.
    """
    health = Health(clock, stall_seconds=_STALL_SECONDS)
    app = FastAPI(
        title="mmindustry",
        version=__version__,
        summary="What is seen, heard and written of machines, and what is coming.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan,
        redirect_slashes=False,
        dependencies=[Depends(check_visit)],
        responses={400: _NOT_UNDERSTOOD},
    )
    app.state.desk = Desk(
        database=database,
        archive=archive,
        policy=policy,
        clock=clock,
        health=health,
        words=load_words(),
        templates=make_templates(),
        tokens=FormTokens(policy.form_secret),
        repeats=Repeats(clock),
    )
    app.state.health = health
    app.state.metrics = metrics
    app.state.live = live.Live(_looker(database), health, policy.look_seconds, policy.live_clients)
    install_problems(app, page=_problem_page)
    protect(app, policy, clock)
    measure(app, metrics, clock)
    app.mount("/static", _Assets(directory=str(files("mmindustry.dashboard") / "static")))
    for router in all_routers():
        app.include_router(router)
    return app


def all_routers() -> tuple[APIRouter, ...]:
    """Return every router of the dashboard, the wider paths last."""
    fixed = (make_lists(), alarms.router, series.router, live.router, about.router)
    return (*fixed, media.router, windows.router, plant.router)


def _looker(database: Database) -> Callable[[], Awaitable[str]]:
    def look() -> str:
        with told_plainly(database), database.read() as connection:
            return read_version(connection)

    async def later() -> str:
        return await asyncio.to_thread(look)

    return later


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    looking = asyncio.create_task(app.state.live.run())
    app.state.health.start()
    yield
    app.state.health.stop()
    app.state.live.close()
    await looking


def _problem_page(request: Request, problem: ProblemDocument) -> Response:
    """Return a problem as a page in the reader's language."""
    if getattr(request.state, "principal", None) is None:
        request.state.principal = LOCAL
    try:
        return visit(request).page("error.html", problem.status, problem=problem)
    except DependencyDown:
        return problem_json(problem)
