"""Applications and clients for the dashboard's tests."""

import re

from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from mmindustry.dashboard.app import create_app
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.telemetry.metrics import Metrics
from mmindustry.testing.clock import HandClock
from mmindustry.web.policy import Access, Role
from tests.plant_record import NOW, PlantRecord

BASE = "http://127.0.0.1:8080"
TOKENS = {name: f"{name}-knows-0123456789" for name in ("otto", "anna", "vera")}
WIDE_OPERATOR = Access(name="otto", token=TOKENS["otto"], role=Role.OPERATOR)
AACHEN_OPERATOR = Access(name="anna", token=TOKENS["anna"], role=Role.OPERATOR, scope="aachen")
AACHEN_VIEWER = Access(name="vera", token=TOKENS["vera"], scope="aachen")
ACCESS = (WIDE_OPERATOR, AACHEN_OPERATOR, AACHEN_VIEWER)
BROWSER = {"Accept": "text/html"}


def make_app(
    record: PlantRecord, policy: DashboardPolicy | None = None, *, clock: HandClock | None = None
) -> FastAPI:
    """Return the dashboard over a filled record, at the record's own time."""
    return create_app(
        record.database,
        record.archive,
        policy=policy or DashboardPolicy(),
        clock=clock or HandClock(NOW),
        metrics=Metrics(CollectorRegistry()),
    )


def make_client(
    record: PlantRecord,
    policy: DashboardPolicy | None = None,
    *,
    clock: HandClock | None = None,
    access: Access | None = None,
) -> TestClient:
    """Return a client of a fresh dashboard; `access` sends its token as a bearer."""
    client = TestClient(
        make_app(record, policy, clock=clock), base_url=BASE, follow_redirects=False
    )
    if access is not None:
        client.headers["Authorization"] = f"Bearer {access.token}"
    return client


def form_token(page: str) -> str:
    """Return the token of the first form on a page."""
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found, "the page has no form"
    return found.group(1)
