"""The asset page says how far the watch for the unknown has come, and what keeps it."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import insert

from mmindustry.alerting.watch import BUDGET, HOURS_NEEDED, Phase, Watch
from mmindustry.dashboard.normal import tell_watch
from mmindustry.dashboard.words import load_words
from mmindustry.domain import Profile
from mmindustry.store.profiles import add_profile
from mmindustry.store.queries.normal import NormalRow, newest_normal
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import alarm_states
from tests.plant_record import NOW, SICK, PlantRecord
from tests.unit.dashboard.material import BROWSER, make_client

KEPT = {BUDGET: 0.7, "cusum_audio": 12.0}
ROW = NormalRow(
    profile=f"{SICK}@1",
    version=1,
    bundle="fake",
    normal_hours=30.5,
    limits=KEPT,
    created_at=NOW,
    watch=None,
)
STANDS = {
    "armed": (replace(ROW, watch=Watch(Phase.ARMED)), "at most 0.7 false ones"),
    "in shadow": (
        replace(ROW, watch=Watch(Phase.SHADOW, seconds=5 * 3600.0, alarms=2)),
        "5 normal hours followed, would-be alarms so far: 2",
    ),
    "learning": (
        replace(ROW, limits={BUDGET: 0.7, HOURS_NEEDED: 80.0}),
        "30.5 normal hours are too few",
    ),
}


@pytest.mark.parametrize("phase", STANDS)
def test_each_phase_is_told_with_its_reason(phase: str) -> None:
    row, reason = STANDS[phase]

    told = tell_watch(row, load_words()["en"])

    assert told[0] == phase
    assert reason in told[1]


def test_a_steady_lack_and_an_old_profile_have_sentences_of_their_own() -> None:
    words = load_words()["en"]

    unsteady = tell_watch(replace(ROW, limits={BUDGET: 0.7}), words)
    before = tell_watch(replace(ROW, limits={"novelty_audio": 1.5}), words)

    assert unsteady[0] == "learning"
    assert "too unsteady" in unsteady[1]
    assert before[0] == "armed"
    assert "before there was a budget" in before[1]


def test_every_sentence_is_told_in_every_language() -> None:
    rows = [row for row, _ in STANDS.values()]
    rows += [replace(ROW, limits={BUDGET: 0.7}), replace(ROW, limits={})]
    told = {language: [tell_watch(r, w) for r in rows] for language, w in load_words().items()}

    assert len(set(told["en"])) == len(rows)
    assert all(set(told["en"]).isdisjoint(told[other]) for other in told if other != "en")


def test_the_asset_page_shows_where_the_watch_stands(own_record: PlantRecord) -> None:
    limits = KEPT | {"novelty_audio": 1.0}
    arrays = {"bank_audio": np.zeros((2, 2), np.float32)}
    profile = Profile(
        id=f"{SICK}@1",
        asset=SICK,
        version=1,
        bundle="fake",
        normal_hours=30.5,
        arrays=arrays,
        limits=limits,
    )
    with make_client(own_record) as client:
        without = client.get(f"/assets/{SICK}", headers=BROWSER).text
        add_profile(own_record.database, profile, NOW)
        _follow(own_record, Watch(Phase.SHADOW, seconds=7200.0, alarms=1))
        shown = client.get(f"/assets/{SICK}", headers=BROWSER).text

    assert "in shadow" not in without
    assert "in shadow" in shown
    assert "2 normal hours followed, would-be alarms so far: 1" in shown


def test_a_watch_outside_the_readers_scope_is_not_told(own_record: PlantRecord) -> None:
    profile = Profile(
        id=f"{SICK}@1", asset=SICK, version=1, bundle="fake", normal_hours=1.0, arrays={}, limits={}
    )
    add_profile(own_record.database, profile, NOW)

    with own_record.database.read() as connection:
        inside = newest_normal(connection, Scope(SICK), SICK)
        outside = newest_normal(connection, Scope("elsewhere"), SICK)

    assert inside is not None
    assert outside is None


def _follow(record: PlantRecord, watch: Watch) -> None:
    memory = {"policies": {"main": {"profile": f"{SICK}@1", "watch": watch.to_json()}}}
    with record.database.write() as connection:
        connection.execute(
            insert(alarm_states).values(asset=SICK, partition=0, memory=memory, updated_at=NOW)
        )
