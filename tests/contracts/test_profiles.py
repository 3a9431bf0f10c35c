"""What the record promises of profiles, and of which windows are normal, on both databases."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from mmindustry.alerting.lifecycle import Act
from mmindustry.domain import (
    AlarmKey,
    AlarmTransition,
    AssetCard,
    Change,
    Label,
    Modality,
    Prediction,
    Priority,
    Profile,
    Sensor,
    Window,
)
from mmindustry.errors import Busy, StoreError
from mmindustry.store.database import Database, open_database
from mmindustry.store.normal import (
    LeftOut,
    Sought,
    count_archived,
    read_normal,
    read_rows,
    unlearned,
)
from mmindustry.store.operators import Answer, answer_alarm
from mmindustry.store.plant import register_assets
from mmindustry.store.policy import RecordPolicy, StorePolicy
from mmindustry.store.profiles import (
    Shelf,
    add_profile,
    alone,
    list_profiles,
    next_version,
    read_profile,
)
from mmindustry.store.queries.scope import Scope
from mmindustry.store.recorder import SqlRecorder
from mmindustry.store.registry import Assignment, add_label, assign
from mmindustry.store.tables import shards
from mmindustry.testing import ASSET, BEGINNING, make_event, make_window
from tests.contracts.record_world import POLICY, make_step, sealing, sql_recorder

OTHER = "north/hall-1/line-1/pump-2"
SOUGHT = Sought(asset=ASSET, bundle="fake", policy=POLICY, guard=timedelta(seconds=20))


@pytest.fixture
def recorder(database: Database) -> SqlRecorder:
    worker = sql_recorder(database, RecordPolicy())
    worker.claim([0])
    return worker


def profile(version: int, *, bundle: str = "fake", asset: str = ASSET, size: int = 3) -> Profile:
    return Profile(
        id=f"{asset}@{version}",
        asset=asset,
        version=version,
        bundle=bundle,
        normal_hours=16.5,
        arrays={
            "bank_audio": np.full((size, 2), version, np.float32),
            "image_baseline/n/cam": _GREY,
        },
        limits={"novelty_audio": 1.5},
    )


_GREY = np.zeros((2, 2), np.float32)


class TestProfiles:
    def test_a_newer_version_takes_over_and_the_older_one_stays_readable(
        self, database: Database
    ) -> None:
        for version in (1, 2):
            add_profile(database, profile(version), BEGINNING)

        active, every = list_profiles(database), list_profiles(database, every=True)
        old = read_profile(database, f"{ASSET}@1")

        assert [row.id for row in active] == [f"{ASSET}@2"]
        assert [(row.version, row.active) for row in every] == [(1, False), (2, True)]
        assert old is not None
        np.testing.assert_array_equal(old.arrays["bank_audio"], np.ones((3, 2), np.float32))
        assert set(old.arrays) == {"bank_audio", "image_baseline/n/cam"}
        assert read_profile(database, "nobody@1") is None

    def test_a_profile_is_never_written_over(self, database: Database) -> None:
        add_profile(database, profile(1), BEGINNING)

        with pytest.raises(StoreError):
            add_profile(database, replace(profile(1), normal_hours=1.0), BEGINNING)

        assert [row.normal_hours for row in list_profiles(database)] == [16.5]

    def test_versions_count_over_the_bundles_of_an_asset(self, database: Database) -> None:
        add_profile(database, profile(1, bundle="old"), BEGINNING)
        add_profile(database, profile(1, asset=OTHER), BEGINNING)

        version = next_version(database, ASSET)
        add_profile(database, profile(version, bundle="new"), BEGINNING)

        assert version == 2
        assert [row.bundle for row in list_profiles(database, Scope(ASSET))] == ["new", "old"]

    def test_one_process_at_a_time_learns_an_asset(
        self, database: Database, database_url: str
    ) -> None:
        second = open_database(StorePolicy(url=database_url))

        with alone(database, ASSET):
            with pytest.raises(Busy), alone(second, ASSET):
                pass
            if database.backend == "postgresql":
                with alone(second, OTHER):
                    pass
        with alone(second, ASSET):
            pass

        second.close()

    def test_a_shelf_lets_go_of_what_is_superseded_or_too_much(self, database: Database) -> None:
        shelf = Shelf(most_bytes=5_000)
        add_profile(database, profile(1, size=300), BEGINNING)
        add_profile(database, profile(1, asset=OTHER, size=300), BEGINNING)
        with database.read() as connection:
            one = shelf.active(connection, [ASSET])
            shelf.active(connection, [OTHER])
        add_profile(database, profile(2, size=300), BEGINNING)
        with database.read() as connection:
            two = shelf.active(connection, [ASSET])

        assert one[ASSET, "fake"].version == 1
        assert two[ASSET, "fake"].version == 2
        assert shelf.kept() == (f"{OTHER}@1", f"{ASSET}@2")
        with database.read() as connection:
            Shelf(most_bytes=1).active(connection, [ASSET])


def judged(window: Window, **more: Any) -> Prediction:
    said = Prediction(
        window=window.key,
        end=window.end,
        bundle="fake",
        profile=None,
        faults={"healthy": 1.0},
        risk={},
        remaining_life_seconds=(1.0, 1.0, 1.0),
        product={},
        novelty={},
        terms={},
        present={"audio": True},
        quality={"audio": 1.0},
    )
    return replace(said, **more)


class Plant:
    """Windows of ten seconds, one after the other, each sealed unless told otherwise."""

    def __init__(self, recorder: SqlRecorder) -> None:
        self._recorder = recorder
        self._count = 0

    def add(self, count: int = 1, *, sealed: bool = True, asset: str = ASSET, **said: Any) -> None:
        for _ in range(count):
            number = self._count = self._count + 1
            start = 10.0 * (number - 1)
            event = make_event(Modality.AUDIO, start, id=f"e{number}", offset=number, asset=asset)
            window = make_window([event], start=start)
            step = make_step(
                window,
                shards=(sealing([window], number=number),) if sealed else (),
                fields={"predictions": (judged(window, **said),)},
            )
            self._recorder.save(step)

    def alarm(self, fault: str, first: float, last: float | None) -> str:
        key = AlarmKey(ASSET, fault, f"w-{first}")
        raised = AlarmTransition(
            key=key,
            change=Change.RAISED,
            at=BEGINNING + timedelta(seconds=first),
            raised_at=BEGINNING + timedelta(seconds=first),
            priority=Priority.LOW,
            score=1.0,
        )
        steps = [raised]
        if last is not None:
            cleared = BEGINNING + timedelta(seconds=last)
            steps.append(replace(raised, change=Change.CLEARED, at=cleared))
        self._recorder.save(make_step(fields={"alarms": tuple(steps)}))
        return key.id


@pytest.fixture
def plant(recorder: SqlRecorder) -> Plant:
    return Plant(recorder)


def starts(database: Database, sought: Sought = SOUGHT) -> list[float]:
    with database.read() as connection:
        found = read_normal(connection, sought).windows
    return [(window.key.start - BEGINNING).total_seconds() for window in found]


def left_out(database: Database) -> dict[LeftOut, int]:
    with database.read() as connection:
        return dict(read_normal(connection, SOUGHT).left_out)


class TestNormal:
    def test_windows_with_anything_against_them_are_left_out_and_counted(
        self, database: Database, plant: Plant
    ) -> None:
        plant.add(3)
        plant.add(findings=(("source_missing", "cam"),))
        plant.add(2, running=False)
        plant.add(sealed=False)
        plant.add(present={"audio": False})
        plant.add(bundle="another")
        plant.add(asset=OTHER)

        with database.read() as connection:
            normal = read_normal(connection, SOUGHT)
            possible = count_archived(connection, SOUGHT)

        assert starts(database) == [0.0, 10.0, 20.0]
        assert normal.hours == pytest.approx(30 / 3600)
        assert normal.left_out == {
            LeftOut.SENSORS: 2,
            LeftOut.STANDING: 2,
            LeftOut.ARCHIVE: 1,
        }
        assert possible == 7

    def test_a_machines_alarm_takes_its_surroundings_with_it_a_sensors_only_itself(
        self, database: Database, plant: Plant
    ) -> None:
        plant.add(20)
        plant.alarm("bearing_outer", 55.0, 65.0)
        plant.alarm("quiet", 155.0, 158.0)

        assert left_out(database) == {LeftOut.ALARM: 7}
        assert 140.0 in starts(database)
        assert starts(database)[:3] == [0.0, 10.0, 20.0]

    def test_an_alarm_that_never_cleared_ends_the_normal_unless_it_was_rejected(
        self, database: Database, plant: Plant
    ) -> None:
        plant.add(10)
        alarm = plant.alarm("novelty", 55.0, None)
        before = starts(database)
        answer = Answer(alarm_id=alarm, act=Act.REJECT, author="ann", at=BEGINNING, version=0)
        with database.write() as connection:
            answer_alarm(connection, Scope(), answer)

        assert before == [0.0, 10.0, 20.0]
        assert len(starts(database)) == 10

    def test_what_a_person_called_a_fault_is_no_normal(
        self, database: Database, plant: Plant
    ) -> None:
        plant.add(12)
        said = Label(
            asset=ASSET,
            start=BEGINNING + timedelta(seconds=55),
            end=BEGINNING + timedelta(seconds=58),
            fault="belt_slip",
            verdict="confirmed",
            author="ann",
            written_at=BEGINNING,
        )
        add_label(database, said)
        add_label(database, replace(said, fault="healthy", start=BEGINNING))

        assert left_out(database) == {LeftOut.LABEL: 5}

    def test_evidence_that_retention_took_is_no_normal_and_a_span_bounds_it(
        self, database: Database, plant: Plant
    ) -> None:
        plant.add(6)
        with database.write() as connection:
            gone = update(shards).where(shards.c.id == "shard-2").values(removed_at=BEGINNING)
            connection.execute(gone)
        first, last = (BEGINNING + timedelta(seconds=s) for s in (10, 50))

        assert starts(database) == [0.0, 20.0, 30.0, 40.0, 50.0]
        assert starts(database, replace(SOUGHT, first=first, last=last)) == [20.0, 30.0, 40.0]
        with database.read() as connection:
            assert count_archived(connection, SOUGHT) == 5

    def test_a_windows_row_comes_back_with_its_evidence_and_its_cut(
        self, database: Database, plant: Plant
    ) -> None:
        plant.add(2)
        with database.read() as connection:
            keys = [window.key for window in read_normal(connection, SOUGHT).windows]
            rows = read_rows(connection, keys)

        assert [window.key for window, _ in rows] == keys
        assert [evidence[0].id for _, evidence in rows] == ["e1", "e2"]
        assert rows[1][0].cut["mm.audio"] == 3

    def test_registered_assets_without_a_profile_of_their_bundle_are_yet_to_be_learned(
        self, database: Database, plant: Plant
    ) -> None:
        sensors = [Sensor(source="mic", asset=OTHER, modality=Modality.AUDIO)]
        cards = {ASSET: AssetCard(), OTHER: AssetCard()}
        register_assets(database, cards, sensors, now=BEGINNING)
        plant.add(asset="north/hall-1/line-1/nobody-knows")
        assign(database, Assignment(path=OTHER, bundle="special", assigned_at=BEGINNING))
        add_profile(database, profile(1), BEGINNING)
        add_profile(database, profile(1, asset=OTHER, bundle="fake"), BEGINNING)

        with database.read() as connection:
            assert unlearned(connection, "fake") == [(OTHER, "special")]
