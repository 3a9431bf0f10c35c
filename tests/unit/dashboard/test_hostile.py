"""Text of strangers: shown literally on every page, disarmed in every sheet."""

import csv
import io
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
from tests.unit.dashboard.material import BROWSER, make_client

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
            assert page.status_code == 200, page.text
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
