"""Every page, list and fragment over a filled record."""

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from typing_extensions import override

from mmindustry.dashboard.openapi import openapi_text
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.testing.clock import HandClock
from mmindustry.web.headers import CONTENT_SECURITY_POLICY
from tests.plant_record import NOW, SICK, PlantRecord
from tests.unit.dashboard.material import BROWSER, make_client

LISTS = ("alarms", "assets", "gaps", "sensors", "unregistered", "dead-letters", "labels")
HTML = "text/html; charset=utf-8"


def pages(record: PlantRecord) -> dict[str, str]:
    """Return page -> a text that must stand on it."""
    return {
        "/": "Cooling pump 2",
        "/?under=aachen/paint-shop": "Paint pump 9",
        f"/assets/{SICK}": "centrifugal pump",
        f"/windows/{record.sick_window}": "bearing, outer race",
        f"/windows/{record.sick_window}/media": "Spectrogram",
        f"/windows?under={SICK}": "watermark",
        "/alarms": "active, not acknowledged",
        "/alarms?active=false": "imbalance",
        f"/alarms/view?id={quote(record.sick_alarm, safe='')}": "3 of the last 5 windows",
        "/assets": "suzhou/filling/line-3/mixer-2",
        "/gaps": "mic-fan-4",
        "/sensors": "-38 dBFS/Pa",
        "/unregistered": "suzhou/filling/line-3/mixer-2",
        "/dead-letters": "65535 x 65535 pixels",
        "/labels": "wash-down",
        "/about": "builtin-2026.03",
    }


PAGES = (
    *("/", "/?under=aachen/paint-shop", f"/assets/{SICK}", "WINDOW", "WINDOW/media", "/alarms"),
    *(f"/windows?under={SICK}", "/alarms?active=false", "ALARM", "/assets", "/gaps", "/sensors"),
    *("/unregistered", "/dead-letters", "/labels", "/about"),
)


def address(record: PlantRecord, page: str) -> str:
    """Return the address of a page whose name holds an id that only the record knows."""
    alarm = f"/alarms/view?id={quote(record.sick_alarm, safe='')}"
    return page.replace("WINDOW", f"/windows/{record.sick_window}").replace("ALARM", alarm)


class _Hazards(HTMLParser):
    """Collects what the content security policy would stop."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        inline = [n for n in names if n.startswith("on") or n in ("style", "srcdoc")]
        if inline or tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(f"<{tag} {inline}>")
        for name in ("src", "href", "hx-get", "action"):
            if (names.get(name) or "/").startswith(("http", "//", "javascript:", "data:")):
                self.found.append(f"<{tag} {name}={names[name]}>")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_answers_shows_its_facts_and_needs_nothing_inline(
    client: TestClient, record: PlantRecord, page: str
) -> None:
    url = address(record, page)

    answer = client.get(url, headers=BROWSER)

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == HTML
    assert pages(record)[url] in answer.text
    hazards = _Hazards()
    hazards.feed(answer.text)
    assert hazards.found == []


@pytest.mark.parametrize("page", PAGES)
def test_every_page_speaks_chinese_too(client: TestClient, record: PlantRecord, page: str) -> None:
    answer = client.get(
        address(record, page), headers={**BROWSER, "Accept-Language": "zh-CN,en;q=0.3"}
    )

    assert '<html lang="zh-Hans"' in answer.text
    assert "工厂" in answer.text
    assert "Dead letters" not in answer.text


def test_all_pages_of_the_table_are_walked(record: PlantRecord) -> None:
    assert {address(record, page) for page in PAGES} == set(pages(record))


@pytest.mark.parametrize("page", ["/", "/alarms", f"/assets/{SICK}"])
def test_htmx_gets_a_page_without_its_frame(client: TestClient, page: str) -> None:
    answer = client.get(page, headers={"HX-Request": "true"})

    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "<head>" not in answer.text
    assert 'id="counts"' in answer.text


@pytest.mark.parametrize("noun", LISTS)
def test_page_json_and_csv_of_a_list_tell_the_same_rows(client: TestClient, noun: str) -> None:
    query = "?active=false" if noun in ("alarms", "gaps") else ""

    told = client.get(f"/{noun}.json{query}").json()
    api = client.get(f"/api/v1/{noun}{query}").json()
    sheet = client.get(f"/{noun}.csv{query}")

    rows = list(csv.DictReader(io.StringIO(sheet.text)))
    assert sheet.headers["content-type"].startswith("text/csv")
    assert sheet.headers["content-disposition"] == f'attachment; filename="{noun}.csv"'
    assert told == api
    assert told["rows"], "the list is empty: this test would show nothing"
    assert len(rows) == len(told["rows"])
    assert set(rows[0]) == set(told["rows"][0])


def test_windows_list_wants_an_asset(client: TestClient) -> None:
    answer = client.get("/windows")

    assert answer.status_code == 400
    assert "?under=site/area/line/asset" in answer.json()["detail"]
    assert client.get(f"/windows.csv?under={SICK}").text.count("\r\n") == 13


def test_a_list_is_read_on_by_its_cursor_without_gap_or_repeat(record: PlantRecord) -> None:
    with make_client(record, DashboardPolicy(page_rows=10)) as client:
        seen = list(_walk(client, f"/api/v1/windows?under={SICK}"))

    assert len(seen) == 12
    assert len({row["id"] for row in seen}) == 12
    assert [row["start"] for row in seen] == sorted((row["start"] for row in seen), reverse=True)


def _walk(client: TestClient, url: str) -> Iterator[dict[str, str]]:
    after = ""
    while True:
        page = client.get(f"{url}{after}").json()
        yield from page["rows"]
        if page["next"] is None:
            return
        after = f"&after={quote(page['next'])}"


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "e30", "W3RydWVd", "%ff", "W1t7InQiOiJ4In1dXQ", "A" * 1024]
)
@pytest.mark.parametrize("noun", LISTS)
def test_a_broken_cursor_is_refused_with_a_remedy(
    client: TestClient, noun: str, cursor: str
) -> None:
    answer = client.get(f"/api/v1/{noun}?after={cursor}")

    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"
    assert "cursor" in answer.json()["detail"]


def test_times_stand_in_the_sites_zone_with_utc_on_hover(client: TestClient) -> None:
    page = client.get("/alarms?active=false").text

    assert 'title="2026-03-03 09:27:00.000 UTC">2026-03-03 10:27:00 CET</time>' in page
    assert "2026-03-03 17:26:00 CST</time>" in page


def test_series_hold_units_zone_alarms_and_the_worst_of_each_stretch(client: TestClient) -> None:
    series = client.get(f"/api/v1/series?asset={SICK}&hours=1").json()

    assert series["zone"] == "Europe/Berlin"
    assert len(series["times"]) == len(series["windows"]) == 12
    assert series["times"] == sorted(series["times"])
    assert series["times"][-1] == NOW.timestamp()
    assert series["charts"]["health"]["unit"] == "%"
    assert [c["label"] for c in series["charts"]["novelty"]["series"]] == ["image", "sound"]
    assert series["alarms"][0]["priority"] == "high"


def test_nothing_there_is_a_problem_document_with_a_code_and_the_requests_id(
    client: TestClient,
) -> None:
    for path in ("/nowhere", "/windows/0", "/assets/a/b/c/d", "/alarms/view?id=x", "/api/v1/nope"):
        answer = client.get(path, headers={"X-Request-ID": "my-request-1"})

        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "not_found"
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "my-request-1"


def test_a_browser_gets_problems_as_a_page(client: TestClient) -> None:
    answer = client.get("/windows/0", headers=BROWSER)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == HTML
    assert "Not found" in answer.text


@pytest.mark.parametrize("path", ["/", "/alarms.json", "/alarms.csv", "/nowhere", "/about"])
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers

    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_head_is_answered_like_get_without_a_body(client: TestClient) -> None:
    for path in ("/healthz", "/", "/alarms.json"):
        answer = client.head(path)

        assert answer.status_code == 200, path
        assert answer.content == b""


def test_health_metrics_and_status_are_told(client: TestClient) -> None:
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/status-nope").status_code == 404
    assert client.get("/api/v1/status").json()["alarms_active"] == {
        "high": 1,
        "low": 2,
        "medium": 1,
    }
    client.get(f"/assets/{SICK}")
    metrics = client.get("/metrics").text
    assert 'mmindustry_http_requests_total{method="GET",route="/assets/{asset:path}"' in metrics
    assert SICK not in metrics


def test_language_and_theme_are_kept_in_a_cookie(record: PlantRecord) -> None:
    with make_client(record) as client:
        first = client.get("/about?lang=zh&theme=dark")
        second = client.get("/about")

    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=lax" in first.headers["set-cookie"]
    assert '<html lang="zh-Hans" data-theme="dark">' in second.text


def test_overview_says_when_its_cap_left_assets_out(record: PlantRecord) -> None:
    with make_client(record, DashboardPolicy(overview_assets=10)) as client:
        whole = client.get("/").text
    assert "Showing" not in whole

    page = re.findall(r'class="tile ', whole)
    assert len(page) == 10


def test_an_asset_that_stays_silent_is_shown_as_not_seen(record: PlantRecord) -> None:
    clock = HandClock(NOW)
    with make_client(record, clock=clock) as client:
        now = client.get(f"/assets/{SICK}").text
        clock.crank(3600)
        later = client.get(f"/assets/{SICK}").text

    assert "not seen" not in now
    assert "not seen" in later


def test_the_committed_openapi_document_is_current(pytestconfig: pytest.Config) -> None:
    path = pytestconfig.rootpath / "schemas" / "openapi.json"

    assert json.loads(path.read_text("utf-8"))["openapi"].startswith("3.1")
    assert path.read_text("utf-8") == openapi_text(), "run: mmindustry schemas write"
