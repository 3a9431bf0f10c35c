"""Text of strangers: shown literally on every page, disarmed in every sheet."""

import csv
import io
import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import literal, update

from mmindustry.dashboard.sheets import disarm
from mmindustry.dashboard.show import plain, visible
from mmindustry.store.tables import (
    alarms,
    assets,
    bundles,
    dead_letters,
    entries,
    gaps,
    labels,
    places,
    predictions,
    sensors,
    sites,
    windows,
)
from tests.plant_record import SICK, PlantRecord
from tests.unit.dashboard.material import BROWSER, form_token, make_client
from tests.unit.dashboard.test_scope import WITHOUT_ASSETS, routes

ATTACKS = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "{{7*7}}{% raw %}",
    "javascript:alert(3)",
    '" onmouseover="alert(4)',
    "' onfocus='alert(5)",
    "</textarea><svg onload=alert(6)>",
)
TEXTS = (
    (assets, "name"),
    (sites, "name"),
    (places, "name"),
    (entries, "text"),
    (entries, "author"),
    (entries, "source"),
    (alarms, "source"),
    (alarms, "fault"),
    (gaps, "source"),
    (sensors, "mounting"),
    (sensors, "sensitivity"),
    (labels, "comment"),
    (labels, "author"),
    (dead_letters, "detail"),
    (dead_letters, "key"),
    (predictions, "fault"),
    (windows, "closed_by"),
    (bundles, "parent"),
)


@pytest.fixture
def attacked(own_record: PlantRecord, request: pytest.FixtureRequest) -> PlantRecord:
    """A record in which every text of strangers is an attack."""
    with own_record.database.write() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table, column in TEXTS:
            hostile = literal(request.param)
            keyed = column == "source"  # part of a key: it must stay different from row to row
            value = hostile + table.c[column] if keyed else hostile
            connection.execute(update(table).values({column: value}))
    return own_record


@pytest.mark.parametrize("attacked", ATTACKS, indirect=True, ids=range(len(ATTACKS)))
def test_an_attack_is_text_on_every_page(
    attacked: PlantRecord, request: pytest.FixtureRequest
) -> None:
    attack = request.node.callspec.params["attacked"]
    paths = [
        *("/", "/alarms", "/gaps", "/sensors", "/dead-letters", "/labels", "/about", "/assets"),
        f"/assets/{SICK}",
        f"/windows/{attacked.sick_window}",
        f"/windows?under={SICK}",
        f"/alarms/view?id={quote(attacked.sick_alarm, safe='')}",
        f"/?under={quote(attack, safe='')}",
    ]
    shown = 0
    with make_client(attacked) as client:
        for path in paths:
            page = client.get(path, headers=BROWSER)
            assert page.status_code == (400 if path.startswith("/?under=") else 200), page.text
            if "<" in attack or '"' in attack or "'" in attack:
                assert attack not in page.text
            assert not re.search(r'(href|src|action)="\s*javascript:', page.text)
            shown += attack in unescape(re.sub(r"<[^>]+>", "", page.text))
    assert shown >= 8


def test_control_and_direction_characters_are_written_out() -> None:
    text = "a\x1b[31mb\u202ec\u200bd\x00e\x85f"

    assert plain(text) == "a\\x1b[31mbU+202EcU+200Bd\\x00e\\x85f"
    assert "\u202e" not in visible(text)
    assert str(visible("\u202e")) == '<span class="esc">U+202E</span>'


def test_a_log_line_shows_its_controls_on_the_asset_page(record: PlantRecord) -> None:
    with make_client(record) as client:
        page = client.get(f"/assets/{SICK}").text

    assert '<span class="esc">U+202E</span>right-to-left' in page
    assert "\u202e" not in page
    assert "\x1b" not in page


def test_very_long_text_is_cut_and_says_by_how_much() -> None:
    shown = visible("x" * 10_000)

    assert len(shown) < 8300
    assert shown.endswith('<span class="esc">+1808</span>')


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_formulas_are_disarmed(text: str) -> None:
    assert disarm(text) == "'" + text


def test_sheets_hold_no_formula(record: PlantRecord) -> None:
    with make_client(record) as client:
        sheet = client.get("/labels.csv").text

    row = next(csv.DictReader(io.StringIO(sheet)))
    assert row["author"] == "'=HYPERLINK(0)"
    assert row["comment"].startswith("'@SUM")


def test_no_template_marks_text_as_safe(pytestconfig: pytest.Config) -> None:
    folder = pytestconfig.rootpath / "mmindustry" / "dashboard"
    for path in sorted(folder.rglob("*.html")):
        assert not re.search(r"\|\s*safe|autoescape|Markup", path.read_text("utf-8")), path
    users = [p.name for p in sorted(Path(folder).glob("*.py")) if "Markup" in p.read_text("utf-8")]
    assert users == ["show.py"], "markup is made in one place"


BAD_QUERIES = (
    *("under=%00", "under=../..", "under=%F0%9F%92%A9", "under=" + "a/" * 150, "under=%ff%fe"),
    *("id=%00", "id=%ED%A0%80", "id=" + "x" * 5000, "asset=%00&id=1", "asset=%F0%9F%92%A9"),
    *("after=" + "A" * 2000, "after=W3siYSI6MX1d", "hours=99999999999999999999", "hours=-1"),
    *("active=perhaps", "lang=<x>", "theme=../../x", "pixels=1e9", "pixels=0", "hours=NaN"),
)


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_no_query_makes_any_route_fail(record: PlantRecord, query: str) -> None:
    with make_client(record) as client:
        for method, template in routes():
            media = "{number}" in template and "pixels" not in query
            twin = template.endswith(".json")  # the same function as the API's
            skipped = media or twin or template in WITHOUT_ASSETS | {"/readyz", "/-/ready"}
            if method == "GET" and not skipped:
                path = template.replace("{asset:path}", SICK).replace("{number}", "0")
                path = path.replace("{window_id}", record.sick_window)
                answer = client.get(f"{path}?{query}")
                assert answer.status_code < 500, (path, query, answer.text)


@pytest.mark.parametrize(
    "comment", ["nul \x00 inside", "emoji 💩", "\ud800 lone", "\u202e turned", "x" * 2000]
)
def test_any_comment_can_be_kept_and_shown(own_record: PlantRecord, comment: str) -> None:
    with make_client(own_record) as client:
        page = client.get(f"/alarms/view?id={quote(own_record.sick_alarm, safe='')}").text
        body = {"id": own_record.sick_alarm, "action": "comment", "comment": comment}
        answer = client.post(
            "/api/v1/alarm/answer",
            content=json.dumps(body),
            headers={"Content-Type": "application/json", "X-Form-Token": form_token(page)},
        )
        after = client.get(f"/alarms/view?id={quote(own_record.sick_alarm, safe='')}")

    assert answer.status_code in (200, 422)
    assert after.status_code == 200
    assert "\x00" not in after.text
    assert "\u202e" not in after.text
