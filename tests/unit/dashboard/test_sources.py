"""An alarm of a sensor names its sensor wherever it stands, and every sensor has its row."""

import re
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from mmindustry.store.tables import alarms
from tests.plant_record import STRANGE, PlantRecord
from tests.unit.dashboard.material import make_client


def said(page: str) -> str:
    """Return the words of a page, single spaces between them."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.replace("<wbr>", "")))


@pytest.mark.parametrize("page", ["/", f"/assets/{STRANGE}", "/alarms", "/alarms?active=false"])
def test_every_list_of_alarms_says_which_source_is_quiet(client: TestClient, page: str) -> None:
    assert "source quiet s-1" in said(client.get(page).text)


def test_the_alarms_own_page_names_the_source_in_its_head(
    client: TestClient, record: PlantRecord
) -> None:
    page = client.get(f"/alarms/view?id={quote(record.quiet_alarm, safe='')}").text

    head = re.search(r"<h1>.*?</h1>", page, re.DOTALL)
    assert head
    assert "source quiet s-1 · Press 2" in said(head[0])


@pytest.mark.parametrize("fault", ["quiet", "sensor_quality", "data_gap", "novelty"])
def test_what_nobody_estimated_shows_no_probability(own_record: PlantRecord, fault: str) -> None:
    with own_record.database.write() as connection:
        connection.execute(
            update(alarms).where(alarms.c.id == own_record.quiet_alarm).values(fault=fault)
        )
    with make_client(own_record) as client:
        listed = said(client.get("/alarms?under=" + STRANGE).text)
        shown = said(client.get(f"/alarms/view?id={quote(own_record.quiet_alarm, safe='')}").text)

    assert "100 %" not in listed
    assert "100 %" not in shown
    assert "Probability" not in shown


def test_a_fault_keeps_its_probability(client: TestClient, record: PlantRecord) -> None:
    page = client.get(f"/alarms/view?id={quote(record.sick_alarm, safe='')}").text

    assert "Probability 91 %" in said(page)
    assert "Threshold 60 %" in said(page)


def test_a_data_gap_and_a_quiet_source_tell_their_times_in_the_sites_zone(
    client: TestClient, record: PlantRecord
) -> None:
    page = client.get(f"/alarms/view?id={quote(record.quiet_alarm, safe='')}").text

    assert "Began 2026-03-03 10:24:00 CET" in said(page)


@pytest.mark.parametrize("page", [f"/assets/{STRANGE}", "/sensors"])
def test_a_source_nobody_registered_has_its_row_and_is_marked(
    client: TestClient, page: str
) -> None:
    words = said(client.get(page).text)

    assert "s-1 unregistered sound" in words
    assert "handheld-2 unregistered image" in words
    assert "mic-press-2 unregistered" not in words


def test_a_source_known_by_its_alarm_alone_has_its_row_too(own_record: PlantRecord) -> None:
    with own_record.database.write() as connection:
        connection.execute(
            update(alarms).where(alarms.c.id == own_record.quiet_alarm).values(source="ghost-7")
        )
    with make_client(own_record) as client:
        words = said(client.get(f"/assets/{STRANGE}").text)
        rows = client.get(f"/api/v1/sensors?under={STRANGE}").json()["rows"]

    assert "ghost-7 unregistered" in words
    assert [row["source"] for row in rows if not row["registered"]] == [
        "ghost-7",
        "handheld-2",
        "s-1",
    ]


def test_no_unit_is_claimed_of_what_is_no_microphone(client: TestClient) -> None:
    words = said(client.get(f"/assets/{STRANGE}").text)

    assert "uncalibrated" not in words
    assert "16000 Hz · -38 dBFS/Pa" in words


def test_evidence_under_way_is_told_once_not_as_many_empty_boxes(
    client: TestClient, record: PlantRecord
) -> None:
    media = client.get(f"/windows/{record.fresh_window}/media", headers={"HX-Request": "true"})
    done = client.get(f"/windows/{record.sick_window}/media", headers={"HX-Request": "true"})
    window = client.get(f"/windows/{record.fresh_window}").text

    assert said(media.text).count("The evidence is being archived") == 1
    assert "<figure" not in media.text
    assert 'hx-trigger="changed' in media.text, "it must come by itself"
    assert "being archived; until then" in said(window)
    assert "hx-trigger" not in done.text, "a player must not be torn out of the reader's hands"
    assert 'id="stored" hx-swap-oob="true"' in done.text
