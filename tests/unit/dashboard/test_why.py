"""Why a window was flagged, on its page: marks where they belong, in both languages."""

import re
from datetime import timedelta

import pytest

from mmindustry.dashboard.why import show_why
from mmindustry.store.queries.detail import WindowDetail, read_window
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.surroundings import EntryRow, window_entries
from mmindustry.store.tables import predictions
from tests.plant_record import PlantRecord
from tests.unit.dashboard.material import BROWSER, make_client


def flagged(record: PlantRecord) -> tuple[WindowDetail, tuple[EntryRow, ...]]:
    """Return a window that has frames and entries, its prediction given an explanation."""
    with record.database.read() as connection:
        for row in connection.execute(predictions.select().where(predictions.c.reason.is_(None))):
            window = read_window(connection, Scope(), row.window_id)
            assert window is not None
            entries = window_entries(connection, window)
            if entries and any(e.modality == "image" for e in window.evidence):
                break
        else:
            pytest.fail("the record has no such window")
    entry = entries[0]
    why = {
        "target": {"kind": "fault", "name": "bearing_outer"},
        "log_odds": 4.0,
        "shapley": {"image": -0.5, "audio": 3.5, "text": 1.0, "none": -3.0},
        "frame": {
            "grid": [6, 6],
            "nats": [1.0, -0.5, *[0.0] * 34],
            "at": (window.end - timedelta(seconds=1)).isoformat(),
        },
        "regions": {"gauge": 0.4, "floor": -0.1},
        "sound": {
            "hz": [0, 377, 754, 1145, 1689, 2492, 3676, 5423, 8000],
            "seconds": [0.0],
            "length": 1.024,
            "nats": [[0.0] * 7 + [2.0]],
        },
        "orders": [{"name": "bpfo", "hz": [107.5], "energy": 2.0, "nats": 3.1}],
        "entries": [
            {
                "source": entry.source,
                "id": entry.event_id,
                "time": entry.time.isoformat(),
                "nats": 0.8,
                "words": [[0, 3, 0.8]],
            }
        ],
        "runs": 90,
    }
    with record.database.write() as connection:
        connection.execute(
            predictions.update()
            .where(predictions.c.window_id == window.id)
            .values(why=why, classes=["bearing_outer", "healthy"], covered=0.9)
        )
    with record.database.read() as connection:
        found = read_window(connection, Scope(), window.id)
    assert found is not None
    return found, entries


def test_marks_stand_where_the_effects_are(record: PlantRecord) -> None:
    window, entries = flagged(record)
    (why,) = (j.why for j in window.judgements if j.why)

    view = show_why(why, window, entries, None)

    assert view.frame is not None
    assert [(round(c.x * 6), round(c.y * 6), c.against) for c in view.frame.cells] == [
        (0, 0, False),
        (1, 0, True),
    ]
    assert view.frame.number is not None
    assert window.evidence[view.frame.number].modality == "image"
    assert view.sound is not None
    assert [c.y for c in view.sound.cells] == [0]  # the highest band is drawn on top
    assert view.orders == (("bpfo", "107.5", 3.1),)
    (line,) = view.entries
    assert "".join(text for text, _ in line.pieces) == entries[0].text
    assert line.pieces[0] == (entries[0].text[:3], "for-3")


def test_a_product_is_shown_within_its_region_or_not_at_all(record: PlantRecord) -> None:
    window, entries = flagged(record)
    grid = {"grid": [6, 6], "nats": [1.0] * 36, "at": window.end.isoformat()}
    why = {"target": {"kind": "product", "name": "dent"}, "log_odds": 1.0, "crop": grid, "runs": 37}

    known = show_why(why, window, entries, {"regions": {"product": [0.5, 0.5, 0.3, 0.3]}})
    unknown = show_why(why, window, entries, None)

    assert known.frame is not None
    assert known.frame.box == (0.5, 0.5, 0.3, 0.3)
    assert max(c.x + c.width for c in known.frame.cells) == pytest.approx(0.8)
    assert unknown.frame is None


def test_a_learned_heat_map_is_told_as_chances_of_a_defect(record: PlantRecord) -> None:
    window, entries = flagged(record)
    chances = [0.9, 0.05, *[0.0] * 254]
    drawn = {"grid": [16, 16], "defect": chances, "at": window.end.isoformat()}
    why = {"target": {"kind": "product", "name": "dent"}, "log_odds": 1.0, "crop": drawn, "runs": 2}

    view = show_why(why, window, entries, {"regions": {"product": [0.5, 0.5, 0.32, 0.32]}})

    assert view.frame is not None
    assert view.frame.learned
    (cell,) = view.frame.cells
    assert (cell.x, cell.y, cell.text, cell.against) == (0.5, 0.5, "90 %", False)
    assert cell.width == pytest.approx(0.02)


@pytest.mark.parametrize(("language", "word"), [("en", "BPFO"), ("zh", "轴承外圈")])
def test_the_page_tells_why_without_inline_style(
    record: PlantRecord, language: str, word: str
) -> None:
    window, _ = flagged(record)
    with make_client(record) as client:
        page = client.get(f"/windows/{window.id}?lang={language}", headers=BROWSER)

    assert page.status_code == 200
    section = re.search(r'<section class="panel why".*?</section>', page.text, re.DOTALL)
    assert section
    assert word in section[0]
    assert "107.5 Hz" in section[0]
    assert "<mark" in section[0]
    assert "style=" not in section[0]
    assert "<script" not in section[0]


def test_a_window_without_an_explanation_has_no_such_panel(record: PlantRecord) -> None:
    with record.database.read() as connection:
        row = connection.execute(predictions.select().limit(1)).one()
    with make_client(record) as client:
        page = client.get(f"/windows/{row.window_id}", headers=BROWSER)

    assert 'class="panel why"' not in page.text
