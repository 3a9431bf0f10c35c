"""One who may see a part of the plant sees nothing of the rest, on any route."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Mount, Route

from mmindustry.dashboard.app import all_routers
from mmindustry.dashboard.policy import DashboardPolicy
from tests.plant_record import FOREIGN, SICK, PlantRecord
from tests.unit.dashboard.material import (
    AACHEN_OPERATOR,
    ACCESS,
    WIDE_OPERATOR,
    make_app,
    make_client,
)

ASSET_LIKE = ("suzhou", "苏州", "灌装", "conveyor-7", "mixer-2", "输送机", "cmms-suzhou")
WITHOUT_ASSETS = {"/api/v1/stream"}
"""Streams for ever and names no asset; `test_live` looks at it."""


@pytest.fixture(scope="module")
def policy() -> DashboardPolicy:
    return DashboardPolicy(access=ACCESS)


@pytest.fixture(scope="module")
def anna(record: PlantRecord, policy: DashboardPolicy) -> Iterator[TestClient]:
    """An operator of Aachen."""
    with make_client(record, policy, access=AACHEN_OPERATOR) as client:
        yield client


@pytest.fixture(scope="module")
def otto(record: PlantRecord, policy: DashboardPolicy) -> Iterator[TestClient]:
    """An operator of the whole plant."""
    with make_client(record, policy, access=WIDE_OPERATOR) as client:
        yield client


def routes() -> list[tuple[str, str]]:
    """Return (method, path template) of every route of the dashboard."""
    return [
        (method, route.path)
        for router in all_routers()
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]


def address(record: PlantRecord, template: str, *, foreign: bool) -> str:
    """Return a template filled with the ids of Suzhou's things (`foreign`) or of Aachen's."""
    asset = FOREIGN if foreign else SICK
    window = record.foreign_window if foreign else record.sick_window
    alarm = record.foreign_alarm if foreign else record.sick_alarm
    path = template.replace("{asset:path}", asset).replace("{window_id}", window)
    path = path.replace("{number}", "0")
    queries = {
        "/alarms/view": f"id={quote(alarm, safe='')}",
        "/api/v1/alarm": f"id={quote(alarm, safe='')}",
        "/api/v1/series": f"asset={asset}",
    }
    listed = re.fullmatch(r"(/api/v1)?/(windows)(\.json|\.csv)?", path)
    query = queries.get(path) or (f"under={asset}" if listed else "")
    return f"{path}?{query}" if query else path


def points_at_one(template: str) -> bool:
    """Return whether a route shows one thing, chosen by an id of the caller's."""
    single = ("/alarms/view", "/api/v1/alarm", "/api/v1/series", "/api/v1/windows")
    return "{" in template or template in single or template.startswith("/windows")


def test_every_route_that_reads_one_thing_hides_foreign_ones(
    record: PlantRecord, anna: TestClient, otto: TestClient
) -> None:
    walked = 0
    for method, template in routes():
        if method != "GET" or not points_at_one(template) or template in WITHOUT_ASSETS:
            continue
        walked += 1
        foreign = address(record, template, foreign=True)
        refused, seen = anna.get(foreign), otto.get(foreign)
        own = anna.get(address(record, template, foreign=False))
        assert refused.status_code == 404, foreign
        assert seen.status_code == 200, foreign
        assert own.status_code == 200, template
    assert walked >= 13


def test_every_route_that_reads_many_leaves_foreign_ones_out(
    anna: TestClient, otto: TestClient
) -> None:
    shown = 0
    for method, template in routes():
        if method != "GET" or points_at_one(template) or template in WITHOUT_ASSETS:
            continue
        query = "?active=false" if "alarms" in template or "gaps" in template else ""
        answer, whole = anna.get(template + query), otto.get(template + query)
        assert answer.status_code in (200, 503), template
        leaked = [text for text in ASSET_LIKE if text in answer.text]
        assert leaked == [], template
        shown += any(text in whole.text for text in ASSET_LIKE)
    assert shown >= 10, "the walk saw too little to prove anything"


@pytest.mark.parametrize("under", ["suzhou", "suzhou/filling", FOREIGN, "aach", "aachenx"])
@pytest.mark.parametrize("path", ["/", "/alarms", "/gaps.json", "/sensors.csv", "/api/v1/assets"])
def test_a_foreign_or_half_prefix_is_as_if_it_did_not_exist(
    anna: TestClient, path: str, under: str
) -> None:
    answer = anna.get(f"{path}?under={under}")

    assert answer.status_code == 404


def test_answers_to_foreign_alarms_and_windows_change_nothing(
    own_record: PlantRecord, policy: DashboardPolicy
) -> None:
    with make_client(own_record, policy, access=AACHEN_OPERATOR) as anna:
        answered = anna.post(
            "/alarms/answer", data={"id": own_record.foreign_alarm, "action": "acknowledge"}
        )
        api = anna.post(
            "/api/v1/alarm/answer", json={"id": own_record.foreign_alarm, "action": "acknowledge"}
        )
        labelled = anna.post(
            f"/windows/{own_record.foreign_window}/label", data={"fault": "healthy"}
        )
        told = anna.post(
            f"/api/v1/windows/{own_record.foreign_window}/label", json={"fault": "healthy"}
        )
    with make_client(own_record, policy, access=WIDE_OPERATOR) as otto:
        alarm = otto.get(f"/api/v1/alarm?id={quote(own_record.foreign_alarm, safe='')}").json()
        labels = otto.get("/labels.json").json()["rows"]

    assert [a.status_code for a in (answered, api, labelled, told)] == [404] * 4
    assert alarm["alarm"]["version"] == 0
    assert len(labels) == 1


def test_the_application_has_no_route_beside_those_walked(record: PlantRecord) -> None:
    others = [r for r in make_app(record).routes if isinstance(r, Route | Mount)]

    assert {getattr(r, "path", "") for r in others} == {"/static", "/api/openapi.json"}
    assert len(make_app(record).routes) == len(others) + len(all_routers())


def test_every_route_that_changes_something_is_known_here() -> None:
    changing = {(m, t) for m, t in routes() if m not in ("GET", "HEAD")}

    assert changing == {
        ("POST", "/alarms/answer"),
        ("POST", "/api/v1/alarm/answer"),
        ("POST", "/api/v1/windows/{window_id}/label"),
        ("POST", "/windows/{window_id}/label"),
    }


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/..%252fapp.py",
        "/static/..\\app.py",
        "/static//etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
    ],
)
def test_paths_that_climb_are_not_found(otto: TestClient, path: str) -> None:
    assert otto.get(path).status_code == 404
