"""A query is understood whole or refused: a misspelt filter never shows everything instead."""

from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from mmindustry.web.guard import OPEN_PATHS
from tests.plant_record import SICK, PlantRecord
from tests.unit.dashboard.material import BROWSER
from tests.unit.dashboard.test_pages import LISTS
from tests.unit.dashboard.test_scope import WITHOUT_ASSETS, address, routes


@pytest.mark.parametrize("query", ["limit=abc", "limit=5", "state=foo", "cursor=zzz", "=x", "a.b="])
def test_a_key_no_list_knows_is_refused_and_the_known_ones_are_named(
    client: TestClient, query: str
) -> None:
    for noun in LISTS:
        for path in (f"/{noun}", f"/{noun}.json", f"/api/v1/{noun}", f"/{noun}.csv"):
            answer = client.get(f"{path}?{query}")

            assert answer.status_code == 400, path
            assert answer.json()["code"] == "bad_request"
            assert query.split("=", maxsplit=1)[0] in answer.json()["detail"]
            assert "known: `under`, `active`" in answer.json()["detail"]


def test_every_address_refuses_a_key_it_does_not_know(
    client: TestClient, record: PlantRecord
) -> None:
    walked = 0
    for method, template in routes():
        if template in OPEN_PATHS | WITHOUT_ASSETS:
            continue
        url = address(record, template, foreign=False)
        answer = client.request(method, f"{url}{'&' if '?' in url else '?'}surprise=1")

        assert answer.status_code in (400, 422), url  # 422: a body that is missing is told first
        assert answer.status_code == 400 or method == "POST", url
        walked += 1
    assert walked > 30


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/alarms?active=perhaps", "active"),
        ("/alarms?active=true&active=false", "active"),
        ("/alarms?after=zzz", "after"),
        ("/alarms?under=../etc", "under"),
        ("/alarms?under=a/b/c/d/e", "under"),
        ("/alarms?lang=fr", "lang"),
        ("/alarms?theme=pink", "theme"),
        (f"/assets/{SICK}?hours=abc", "hours"),
        (f"/assets/{SICK}?hours=0", "hours"),
        (f"/api/v1/series?asset={SICK}&hours=1e3", "hours"),
        ("/api/v1/series", "asset"),
        ("/alarms/view", "id"),
        (f"/alarms/view?id={'x' * 401}", "id"),
    ],
)
def test_a_value_that_is_not_understood_is_refused_by_name(
    client: TestClient, path: str, name: str
) -> None:
    plain, page = client.get(path), client.get(path, headers=BROWSER)

    assert plain.status_code == page.status_code == 400
    assert plain.headers["content-type"] == "application/problem+json"
    assert f"`{name}`" in plain.json()["detail"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<code>{name}</code>" in page.text


def test_a_reader_is_told_in_the_own_language(client: TestClient) -> None:
    answer = client.get("/alarms?limit=<b>abc&lang=zh", headers=BROWSER)

    assert answer.status_code == 400
    assert "此地址的查询中没有 <code>limit</code>；可用：under, active, after。" in answer.text


def test_what_a_page_understands_is_unchanged(client: TestClient) -> None:
    for path in (
        "/?under=aachen",
        "/alarms?under=aachen/press-shop/&active=false&lang=en&theme=dark",
        "/alarms?under=&after=",
        f"/assets/{SICK}?hours=8",
        "/api/v1/status?lang=zh",
        "/readyz?verbose",
        "/metrics?name[]=x",
    ):
        assert client.get(path).status_code == 200, path


def test_a_place_that_does_not_exist_is_not_shown_empty(client: TestClient) -> None:
    assert client.get("/?under=aachen/nowhere").status_code == 404
    assert client.get(f"/?under={quote('aachen/press-shop')}").status_code == 200
