"""A Chinese page says nothing in English: every word of ours comes from the catalogue.

What people and machines of the plant wrote is theirs and stays as it is. It is taken out of each
page first; of what is left, no ASCII word may stand that is not a name, a unit or a command.
"""

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Column, Table
from typing_extensions import override

from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.dashboard.show import plain
from mmindustry.dashboard.words import load_words
from mmindustry.store.tables import (
    alarm_actions,
    alarms,
    asset_state,
    assets,
    assignments,
    bundles,
    dead_letters,
    entries,
    gaps,
    labels,
    late,
    metadata,
    places,
    predictions,
    sensors,
    sites,
    windows,
)
from tests.plant_record import FRESH, SICK, STRANGE, PlantRecord, make_record
from tests.unit.dashboard.material import AACHEN_VIEWER, ACCESS, BROWSER, make_client
from tests.unit.dashboard.test_pages import PAGES, address

CHINESE = {**BROWSER, "Accept-Language": "zh-CN", "X-Request-ID": "0123-4567-89"}
NAMES = {"mmindustry", "JSON", "CSV", "OpenAPI", "Prometheus", "htmx", "uPlot", "SQLite", "English"}
NAMES |= {"UTC", "CET", "CST", "sha", "Parquet", "ETag", "JPEG", "PNG", "NUL", "UTF", "Kafka"}
UNITS = {"rpm", "Hz", "kHz", "dB", "nat", "mm", "min", "log", "px"}
ORDERS = {"BPFO", "BPFI", "BSF", "FTF"}  # bearing frequencies bear these names everywhere
NAMES |= ORDERS
TERMS = {
    "Idempotency",
    "Key",
    "specversion",
    "If",
    "Match",
    "under",
    "active",
    "after",
    "site",
    "area",
    "line",
    "asset",
    "ce",
}
"""Keys of queries, headers and paths, which a program reads."""
WORD = re.compile(r"[A-Za-z]{2,}")

THEIRS: Mapping[Table, tuple[str, ...]] = {
    alarm_actions: ("author", "comment"),
    alarms: ("id", "asset", "source", "bundle"),
    assets: ("asset", "name"),
    assignments: ("path", "bundle"),
    bundles: ("bundle", "parent", "sha256", "card"),
    dead_letters: ("topic", "key", "detail"),
    entries: ("source", "text", "author"),
    gaps: ("source",),
    labels: ("author", "comment"),
    late: ("source",),
    places: ("path", "name"),
    predictions: ("bundle", "profile"),
    sensors: ("source", "sensitivity", "mounting"),
    sites: ("site", "name", "zone"),
    windows: ("id", "missing", "shard", "profile", "cut"),
}
"""What others wrote into the record: table -> columns. All else on a page is ours to say."""


def strings(value: object) -> Iterator[str]:
    """Yield every text inside a value, the keys of mappings too."""
    match value:
        case str():
            yield value
        case Mapping():
            for key, inner in value.items():
                yield from strings(key)
                yield from strings(inner)
        case list() | tuple():
            for inner in value:
                yield from strings(inner)
        case _:
            return


def theirs(record: PlantRecord) -> list[str]:
    """Return what others wrote, as pages show it, the longest first."""
    found = {source for row in record.rows[asset_state] for source in row["sources"]}
    for table, columns in THEIRS.items():
        for row in record.rows.get(table, []):
            for column in columns:
                for text in strings(row.get(column)):
                    found |= {plain(text), *plain(text).split("\n")}
                    if "/" in text:
                        found |= set(text.split("/"))
    return sorted((text for text in found if WORD.search(text)), key=len, reverse=True)


class _Spoken(HTMLParser):
    """Collects what a person reads or hears of a page: texts, and attributes that are spoken."""

    _SPOKEN = ("title", "alt", "aria-label", "placeholder")
    _WITHIN = frozenset({"wbr", "b"})
    _SILENT = frozenset({"script", "style", "code"})

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = [""]
        self._silent = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            spoken = name in self._SPOKEN or (name.startswith("data-") and value)
            if spoken and name not in ("data-source", "data-chart", "data-state", "data-theme"):
                self.said.insert(0, value or "")
        if tag in self._SILENT:
            self._silent += 1
        if tag not in self._WITHIN and dict(attrs).get("class") != "esc":
            self.said.append("")

    @override
    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self._SILENT
        if tag not in {*self._WITHIN, "span"}:
            self.said.append("")

    @override
    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said[-1] += data


def english_left(page: str, others: list[str]) -> list[str]:
    """Return the pieces of a page that hold an ASCII word of ours."""
    spoken = _Spoken()
    spoken.feed(page)
    left: list[str] = []
    for piece in spoken.said:
        rest = piece
        for text in others:
            rest = rest.replace(text, " ")
        if set(WORD.findall(rest)) - NAMES - UNITS - TERMS:
            left.append(" ".join(rest.split()))
    return left


def every_page(record: PlantRecord) -> list[str]:
    """Return the address of every page and of every refusal a reader may meet."""
    quiet = f"/alarms/view?id={quote(record.quiet_alarm, safe='')}"
    stranger = "/assets/suzhou/filling/line-3/mixer-2"
    fresh = (f"/windows/{record.fresh_window}", f"/windows/{record.fresh_window}/media")
    refused = ("/nowhere", "/windows/0", "/assets/a/b/c/d", "/alarms/view?id=x", "/alarms?limit=1")
    misread = ("/alarms?after=x", "/alarms?active=x", "/windows", "/about?x=1", "/alarms/view")
    pages = [address(record, page) for page in PAGES]
    more = (quiet, stranger, *fresh, f"/assets/{STRANGE}", f"/assets/{FRESH}", *refused, *misread)
    return [*pages, *more]


def test_no_page_in_chinese_holds_an_english_word_of_ours(
    client: TestClient, record: PlantRecord
) -> None:
    others = theirs(record)

    left = {
        page: english_left(client.get(page, headers=CHINESE).text, others)
        for page in every_page(record)
    }

    assert {page: words for page, words in left.items() if words} == {}
    assert len(left) > 25


def test_a_viewer_and_an_empty_plant_read_chinese_too(
    record: PlantRecord, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with make_client(record, DashboardPolicy(access=ACCESS), access=AACHEN_VIEWER) as client:
        alarm = f"/alarms/view?id={quote(record.sick_alarm, safe='')}"
        page = client.get(alarm, headers=CHINESE).text
        assert english_left(page, [*theirs(record), AACHEN_VIEWER.name, "aachen"]) == []
    empty = make_record(tmp_path_factory.mktemp("empty"), windows_each=1)
    with empty.database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    with make_client(empty) as client:
        for noun in ("", "alarms", "labels", "gaps", "sensors", "unregistered", "about", "assets"):
            assert english_left(client.get(f"/{noun}", headers=CHINESE).text, []) == [], noun
    empty.database.close()


def test_the_search_for_english_finds_it(client: TestClient, record: PlantRecord) -> None:
    page = client.get(f"/assets/{SICK}").text

    assert len(english_left(page, theirs(record))) > 30


def test_the_chinese_catalogue_itself_holds_no_english_sentence() -> None:
    for key, text in load_words()["zh"].texts.items():
        spoken = re.sub(r"`[^`{]*`|\{[a-z_]+\}", " ", text)
        assert set(WORD.findall(spoken)) - NAMES - UNITS - TERMS == set(), key


def test_the_papers_of_a_machine_are_told_with_units(client: TestClient) -> None:
    english, chinese = (
        re.sub(
            r"<[^>]+>", " ", client.get(f"/assets/{SICK}", headers={"Accept-Language": lang}).text
        )
        for lang in ("en", "zh")
    )

    assert "6205: 9 balls, ball ⌀ 7.94 mm, pitch circle ⌀ 39.04 mm" in english
    assert "1480 rpm" in english
    assert "gauge: 10–30 % from the left, 10–30 % from the top" in english
    assert "离心泵" in chinese
    assert "6205: 9 个滚动体，滚动体 ⌀ 7.94 mm" in chinese
    assert "仪表：距左 10–30 %" in chinese


def test_columns_of_others_exist() -> None:
    for table, columns in THEIRS.items():
        assert all(isinstance(table.c[name], Column) for name in columns)
