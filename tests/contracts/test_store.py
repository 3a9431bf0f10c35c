"""What the record promises beyond the Recorder port, on SQLite and on PostgreSQL."""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.exc import OperationalError

from mmindustry.alerting.lifecycle import Act
from mmindustry.domain import (
    AlarmKey,
    AlarmTransition,
    AssetCard,
    Change,
    DeadLetter,
    Failed,
    Gap,
    GapKind,
    Label,
    Modality,
    Outcome,
    Position,
    Prediction,
    Priority,
    Profile,
    Sensor,
    Step,
    TopicProgress,
    Untaken,
    Window,
)
from mmindustry.errors import Fenced, StoreError
from mmindustry.store import tables
from mmindustry.store.database import Database, open_database
from mmindustry.store.layout import Layout, read_layout, relayout_count, relayout_log
from mmindustry.store.ledger import Balance, read_ledger
from mmindustry.store.operators import Answer, answer_alarm
from mmindustry.store.outbox import SqlOutbox
from mmindustry.store.pairs import read_unpaired
from mmindustry.store.plant import list_assets, register_assets
from mmindustry.store.policy import OutboxPolicy, RecordPolicy, RetentionPolicy, StorePolicy
from mmindustry.store.profiles import add_profile, next_version
from mmindustry.store.queries.detail import read_window
from mmindustry.store.queries.scope import Scope
from mmindustry.store.recorder import SqlRecorder
from mmindustry.store.registry import (
    Assignment,
    Bundle,
    add_bundle,
    add_label,
    assign,
    list_bundles,
    named_shards,
)
from mmindustry.store.retention import Retention
from mmindustry.store.retry import Patience
from mmindustry.testing import (
    ASSET,
    BEGINNING,
    HandClock,
    make_event,
    make_message,
    make_window,
)
from tests.contracts.record_world import (
    make_late,
    make_progress,
    make_state,
    make_step,
    sealing,
    sql_recorder,
)


@pytest.fixture
def recorder(database: Database) -> SqlRecorder:
    """A worker that has claimed partition 0."""
    worker = sql_recorder(database, RecordPolicy(publish_predictions=True))
    worker.claim([0])
    return worker


def rows(database: Database, table: Table) -> list[dict[Any, Any]]:
    with database.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def predict(window: Window, **more: Any) -> Prediction:
    said = Prediction(
        window=window.key,
        end=window.end,
        bundle="bundle-1",
        profile="profile-1",
        faults={"healthy": np.float32(0.25), "bearing_outer": np.float32(0.75)},  # type: ignore[dict-item]
        risk={"24h": 0.5},
        remaining_life_seconds=(1.0, 2.0, math.inf),
        product={},
        novelty={"audio": 0.01, "image": 0.5},
        terms={"audio": 1.5},
        present={"audio": True},
        quality={"audio": 1.0},
        findings=(("camera_black", "cam-1"),),
    )
    return replace(said, **more)


def transition(change: Change = Change.RAISED, at: float = 10.0, **more: Any) -> AlarmTransition:
    made = AlarmTransition(
        key=AlarmKey(ASSET, "bearing_outer", "2026-01-05T06:00:00Z"),
        change=change,
        at=BEGINNING + timedelta(seconds=at),
        raised_at=BEGINNING + timedelta(seconds=10),
        priority=Priority.HIGH,
        score=0.75,
        evidence={"risk": {"24h": 0.5}},
    )
    return replace(made, **more)


def letter(offset: int, *, stage: str = "decode", topic: str = "mm.frames") -> DeadLetter:
    message = make_message(Position(topic, 0, offset), key=b"\xff\x00key")
    return DeadLetter(message, "image_corrupt", stage, Modality.IMAGE, "broken\x00 \ud800")


class TestRows:
    def test_a_window_keeps_who_judged_it(self, database: Database, recorder: SqlRecorder) -> None:
        window = make_window([make_event()])

        recorder.save(make_step(window, fields={"predictions": (predict(window),)}))

        (row,) = rows(database, tables.windows)
        assert (row["bundle"], row["profile"], row["id"]) == (
            "bundle-1",
            "profile-1",
            window.key.id,
        )

    def test_a_prediction_is_kept_whole(self, database: Database, recorder: SqlRecorder) -> None:
        window = make_window([make_event()])

        recorder.save(make_step(window, fields={"predictions": (predict(window),)}))

        (row,) = rows(database, tables.predictions)
        assert (row["fault"], row["fault_probability"], row["health"]) == (
            "bearing_outer",
            0.75,
            0.25,
        )
        assert (row["risk_24h"], row["novelty_p"]) == (0.5, 0.01)
        assert row["findings"] == [["camera_black", "cam-1"]]
        assert row["remaining_life_p95_seconds"] == math.inf
        assert row["start"] == BEGINNING
        assert row["reason"] is None

    def test_a_failed_prediction_is_recorded_with_its_code(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        window = make_window([make_event()])
        failed = Failed(window.key, window.end, "predict", "model_fault", "NaN", "bundle-1")

        recorder.save(make_step(window, fields={"predictions": (failed,)}))

        (row,) = rows(database, tables.predictions)
        assert (row["stage"], row["reason"], row["faults"]) == ("predict", "model_fault", None)

    def test_predictions_of_other_bundles_stand_apart(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        window = make_window([make_event()])
        said = (predict(window), predict(window, bundle="shadow"), predict(window, risk={}))

        recorder.save(make_step(window, fields={"predictions": said}))

        found = {row["bundle"]: row["risk"] for row in rows(database, tables.predictions)}
        assert found == {"bundle-1": {"24h": 0.5}, "shadow": {"24h": 0.5}}

    def test_not_a_number_is_refused_and_nothing_is_written(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        window = make_window([make_event()])
        step = make_step(window, fields={"predictions": (predict(window, risk={"1h": math.nan}),)})

        with pytest.raises(Exception, match=r"not JSON compliant"):
            recorder.save(step)

        assert count(database, tables.windows) == 0

    def test_a_dead_letter_counts_once_and_hostile_text_is_harmless(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        recorder.save(make_step(fields={"dead_letters": (letter(3),)}))
        recorder.save(make_step(fields={"dead_letters": (letter(3), letter(4))}))

        found = rows(database, tables.dead_letters)
        assert [row["offset"] for row in found] == [3, 4]
        assert found[0]["key"] == "��key"

    def test_a_gap_is_ended_by_its_second_coming_and_stays_so(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        gap = Gap(partition=0, asset=ASSET, source="cam-1", kind=GapKind.QUIET, started=BEGINNING)
        ends = [None, BEGINNING + timedelta(seconds=5), BEGINNING + timedelta(seconds=9)]

        for end in ends:
            recorder.save(make_step(fields={"gaps": (replace(gap, ended=end),)}))

        (row,) = rows(database, tables.gaps)
        assert row["ended"] == ends[1]

    def test_an_asset_nobody_registered_is_listed(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        recorder.save(make_step(make_window([make_event()])))

        (asset,) = list_assets(database, registered=False)
        assert (asset.path, asset.partition, asset.registered) == (ASSET, 0, False)

    def test_a_registered_asset_gets_its_partition_by_its_first_message(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        register_assets(database, {ASSET: AssetCard()}, now=BEGINNING)
        before = list_assets(database)[0].partition

        recorder.save(make_step(make_window([make_event()])))

        (asset,) = list_assets(database)
        assert (before, asset.partition, asset.registered) == (None, 0, True)

    def test_a_claim_names_the_registered_assets_of_its_partition(self, database: Database) -> None:
        register_assets(database, {ASSET: AssetCard()}, now=BEGINNING)
        worker = sql_recorder(database, RecordPolicy(), partitions=2)

        found = {claim.partition: claim.registered for claim in worker.claim([0, 1])}

        assert sorted(found.values()) == [(), (ASSET,)]

    def test_a_claim_brings_the_sensors_of_its_partition(self, database: Database) -> None:
        sensor = Sensor(
            source="cam-1",
            asset=ASSET,
            modality=Modality.IMAGE,
            every=timedelta(seconds=2),
            valid_to=BEGINNING,
            rate_hz=1.5,
        )
        register_assets(database, {}, [sensor], now=BEGINNING)
        worker = sql_recorder(database, RecordPolicy(), partitions=2)

        found = {claim.partition: claim.sensors for claim in worker.claim([0, 1])}

        assert sorted(found.values()) == [(), (sensor,)]

    def test_evidence_beyond_the_horizon_is_kept_and_never_revised(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        day = timedelta(days=1)
        near, far = make_event(at=0, offset=1), make_event(at=-1, offset=2)
        late = (make_late(near), Untaken(far, "tumbling-10s", (BEGINNING - timedelta(seconds=10),)))
        recorder.save(
            make_step(
                make_window([make_event()]),
                late=late,
                shards=(sealing([make_window([make_event()])], late, number=1),),
                fields={"assets": (make_state(frontier=BEGINNING + day),)},
            )
        )

        found = {row["offset"]: row["unrevised"] for row in rows(database, tables.late)}

        assert found == {1: None, 2: "late_beyond_horizon"}
        assert [one.key.start for one in recorder.revisable(9)] == [BEGINNING]

    def test_late_evidence_given_up_is_never_revised(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        late = make_late(make_event(at=1, offset=5))
        shard = sealing([], [late], number=1, lost="archive_full")

        recorder.save(make_step(late=(late,), shards=(shard,), fields={"assets": (make_state(),)}))

        (row,) = rows(database, tables.late)
        assert (row["unrevised"], row["evidence_lost"]) == ("evidence_lost", "archive_full")
        assert recorder.revisable(9) == []

    def test_a_revision_tells_where_its_parts_lie(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        event, more = make_event(at=5, offset=1), [make_event(at=n, offset=n) for n in (3, 4)]
        window, late = make_window([event]), [make_late(one) for one in more]
        for number, (closed, came) in enumerate([([window], []), ([], late[:1]), ([], late[1:])]):
            shards = (sealing(closed, came, number=number),)
            recorder.save(make_step(*closed, late=tuple(came), shards=shards))
            if came:
                revised = make_window([event, *more[:number]], revision=number)
                recorder.save_revision(Step(progress=(make_progress(),), windows=(revised,)))
        unsealed = make_window([make_event(at=15, offset=9)], start=10.0)
        recorder.save(make_step(unsealed))

        with database.read() as connection:
            details = [
                read_window(connection, Scope(), key.id)
                for key in (*(window.key._replace(revision=n) for n in range(3)), unsealed.key)
            ]

        assert [one and one.shards for one in details] == [
            ("shard-0",),
            ("shard-0", "shard-1"),
            ("shard-0", "shard-1", "shard-2"),
            (),
        ]

    def test_what_no_revision_will_take_is_noted(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        window, late = make_window([make_event()]), make_late(make_event(at=1, offset=5))
        recorder.save(
            make_step(window, late=(late,), shards=(sealing([window], [late], number=1),))
        )
        (revisable,) = recorder.revisable(9)

        recorder.save_revision(Step(progress=(), unrevised=((revisable.key, "late_unrevised"),)))

        assert recorder.revisable(9) == []
        assert rows(database, tables.late)[0]["unrevised"] == "late_unrevised"

    def test_late_evidence_found_unreadable_is_a_dead_letter_and_waits_no_more(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        window, late = make_window([make_event()]), make_late(make_event(at=1, offset=5))
        recorder.save(
            make_step(window, late=(late,), shards=(sealing([window], [late], number=1),))
        )

        recorder.save_revision(Step(progress=(), dead_letters=(letter(5, stage="build"),)))

        assert recorder.revisable(9) == []
        assert rows(database, tables.late)[0]["dead"]

    def test_the_record_says_which_shards_it_names(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        window = make_window([make_event()])
        recorder.save(make_step(window, shards=(sealing([window], number=7),)))

        assert list(named_shards(database)(["shard-7", "shard-8"])) == ["shard-7"]


class TestLostAnswers:
    def test_a_commit_whose_answer_was_lost_is_not_written_twice(
        self, database: Database, recorder: SqlRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lost_once = _LoseFirstAnswer(database)
        monkeypatch.setattr(recorder, "_database", lost_once)

        recorder.save(make_step(make_window([make_event()]), fields={"alarms": (transition(),)}))
        recorder.save(make_step(fields={"progress": (make_progress(read=9),)}))

        assert lost_once.lost == 1
        assert count(database, tables.outbox) == 2
        (row,) = rows(database, tables.partition_progress)
        assert (row["step"], row["received"]) == (2, 9)

    def test_patience_ends_when_the_worker_must_let_go(self, database_url: str) -> None:
        tries: list[Exception] = []

        def keep() -> None:
            if len(tries) == 3:
                raise Fenced("asked to stop")

        patience = Patience(
            keep=keep,
            wait=lambda _: None,
            random=Random(1),
            policy=StorePolicy(url=database_url),
            failed=tries.append,
        )
        away = open_database(StorePolicy(url=_away(database_url)))

        def ask() -> None:
            with away.read():
                pass

        with pytest.raises(Fenced):
            patience.persist(ask)

        assert len(tries) == 3


def _away(url: str) -> str:
    """Return the URL of a database that can't be opened: a folder, or a server that is not."""
    if url.startswith("sqlite"):
        return url.rpartition("/")[0]
    return "postgresql://postgres@/gone?host=/nowhere"


class _LoseFirstAnswer:
    """A database whose first write is committed, but whose caller hears of a lost connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._database.write() as connection:
            yield connection
        if not self.lost:
            self.lost += 1
            cause = sqlite3.OperationalError("connection lost")
            cause.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise OperationalError("COMMIT", None, cause)


class TestAlarms:
    def test_an_alarm_is_raised_and_cleared_once(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        cleared = transition(Change.CLEARED, 30)
        again = transition(Change.CLEARED, 99)
        for one in (transition(), cleared, again):
            recorder.save(make_step(fields={"alarms": (one,)}))

        (alarm,) = rows(database, tables.alarms)
        assert alarm["id"] == transition().key.id
        assert (alarm["raised_at"], alarm["cleared_at"]) == (transition().at, cleared.at)
        assert alarm["evidence"] == {"risk": {"24h": 0.5}}

    def test_every_change_leaves_by_every_channel_and_predictions_too(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        window = make_window([make_event()])
        recorder.save(
            make_step(window, fields={"alarms": (transition(),), "predictions": (predict(window),)})
        )

        found = rows(database, tables.outbox)
        assert [row["channel"] for row in found] == ["alertmanager", "webhook", "mm.predictions"]
        assert found[0]["body"]["alarm"] == transition().key.id
        assert found[2]["body"]["start"] == "2026-01-05T06:00:00+00:00"

    def test_a_zombies_alarm_never_leaves(self, database: Database, recorder: SqlRecorder) -> None:
        sql_recorder(database, RecordPolicy()).claim([0])

        with pytest.raises(Fenced):
            recorder.save(make_step(fields={"alarms": (transition(),)}))

        assert count(database, tables.outbox) == 0


class TestOutbox:
    @pytest.fixture
    def clock(self) -> HandClock:
        return HandClock()

    @pytest.fixture
    def outbox(self, database: Database, recorder: SqlRecorder, clock: HandClock) -> SqlOutbox:
        """An outbox with two rows: one alarm on two channels."""
        recorder.save(make_step(fields={"alarms": (transition(),)}))
        return self.another(database, clock)

    @staticmethod
    def another(database: Database, clock: HandClock) -> SqlOutbox:
        policy = OutboxPolicy(lease_seconds=60, backoff_first_seconds=2, backoff_most_seconds=10)
        patience = Patience(
            keep=lambda: None, wait=lambda _: None, random=Random(0), policy=StorePolicy()
        )
        return SqlOutbox(database, policy, patience=patience, clock=clock)

    def test_no_row_goes_to_two_claimants(
        self, database: Database, outbox: SqlOutbox, clock: HandClock
    ) -> None:
        first, second = outbox.claim(1), self.another(database, clock).claim(9)

        assert len(first) == len(second) == 1
        assert first[0].id < second[0].id
        assert outbox.claim(9) == []

    def test_a_row_that_was_sent_never_comes_again(
        self, outbox: SqlOutbox, clock: HandClock
    ) -> None:
        outbox.mark([Outcome(row.id, sent=True, final=True) for row in outbox.claim(9)])
        clock.crank(100_000)

        assert outbox.claim(9) == []
        assert outbox.waiting() == 0

    def test_a_refused_row_never_comes_again(self, outbox: SqlOutbox, clock: HandClock) -> None:
        refused = [Outcome(r.id, sent=False, final=True, detail="400") for r in outbox.claim(9)]
        outbox.mark(refused)
        clock.crank(100_000)

        assert outbox.claim(9) == []

    def test_a_failed_row_comes_again_after_growing_pauses(
        self, outbox: SqlOutbox, clock: HandClock
    ) -> None:
        pauses = []
        for _ in range(5):
            taken = outbox.claim(9)
            outbox.mark([Outcome(row.id, sent=False, final=False) for row in taken])
            pause = 0
            while not outbox.claim(1):
                clock.crank(1)
                pause += 1
            clock.crank(61)  # the lease of the row just peeked at
            pauses.append(pause)

        assert pauses == sorted(pauses)
        assert pauses[0] == 2
        assert pauses[-1] == 10

    def test_the_rows_of_a_dead_notifier_come_back(
        self, outbox: SqlOutbox, clock: HandClock
    ) -> None:
        taken = outbox.claim(9)
        clock.crank(59)
        too_early = outbox.claim(9)
        clock.crank(1)

        again = outbox.claim(9)

        assert too_early == []
        assert [row.id for row in again] == [row.id for row in taken]
        assert [row.attempts for row in again] == [2, 2]

    def test_a_clear_waits_until_its_raise_has_left(
        self, outbox: SqlOutbox, recorder: SqlRecorder, clock: HandClock
    ) -> None:
        (first, second) = outbox.claim(9)
        recorder.save(make_step(fields={"alarms": (transition(Change.CLEARED, 30),)}))
        other = transition(key=AlarmKey(ASSET, "belt", "w"))
        recorder.save(make_step(fields={"alarms": (other,)}))

        outbox.mark([Outcome(first.id, sent=False, final=False)])
        outbox.mark([Outcome(second.id, sent=True, final=True)])
        meanwhile = outbox.claim(9)
        clock.crank(2)
        again = outbox.claim(9)
        outbox.mark([Outcome(first.id, sent=True, final=True)])
        after = outbox.claim(9)

        assert [(row.channel, row.body["change"]) for row in meanwhile] == [
            (second.channel, "cleared"),
            (first.channel, "raised"),
            (second.channel, "raised"),
        ]
        assert [row.id for row in again] == [first.id]
        assert [(row.channel, row.body["change"]) for row in after] == [(first.channel, "cleared")]

    def test_a_clear_leaves_when_its_raise_was_refused_for_good(
        self, outbox: SqlOutbox, recorder: SqlRecorder
    ) -> None:
        recorder.save(make_step(fields={"alarms": (transition(Change.CLEARED, 30),)}))
        raised = outbox.claim(9)
        held_back = outbox.claim(9)

        outbox.mark([Outcome(row.id, sent=False, final=True) for row in raised])

        assert {row.body["change"] for row in raised} == {"raised"}
        assert held_back == []
        assert {row.body["change"] for row in outbox.claim(9)} == {"cleared"}

    def test_alarms_that_wait_hold_back_nobody_else(
        self, outbox: SqlOutbox, recorder: SqlRecorder
    ) -> None:
        outbox.mark([Outcome(row.id, sent=False, final=False) for row in outbox.claim(9)])
        recorder.save(make_step(fields={"alarms": (transition(Change.CLEARED, 30),)}))
        other = transition(key=AlarmKey(ASSET, "belt", "w"))
        recorder.save(make_step(fields={"alarms": (other,)}))

        assert [row.body["fault"] for row in outbox.claim(2)] == ["belt", "belt"]

    @pytest.mark.parametrize(
        ("away", "back"),
        [
            (Act.SHELVE, Act.UNSHELVE),
            (Act.SUPPRESS, Act.UNSUPPRESS),
            (Act.OUT_OF_SERVICE, Act.IN_SERVICE),
        ],
    )
    def test_what_an_operator_put_away_is_not_told_again(
        self, database: Database, outbox: SqlOutbox, clock: HandClock, *, away: Act, back: Act
    ) -> None:
        until = clock.now() + timedelta(hours=1) if away is Act.SHELVE else None
        seen = [len(outbox.active())]
        version: int | None = 0
        for act in (Act.ACKNOWLEDGE, away, Act.COMMENT, back):
            answer = Answer(
                alarm_id=transition().key.id,
                act=act,
                author="kim",
                at=clock.now(),
                version=version or 0,
                until=until if act is away else None,
                comment="so be it",
            )
            with database.write() as connection:
                version = answer_alarm(connection, Scope(), answer)
            seen.append(len(outbox.active()))
            clock.crank(1)

        assert seen == [1, 1, 0, 0, 1]

    def test_what_was_shelved_is_told_again_when_its_time_is_over(
        self, database: Database, outbox: SqlOutbox, clock: HandClock
    ) -> None:
        until = clock.now() + timedelta(minutes=5)
        answer = Answer(
            alarm_id=transition().key.id,
            act=Act.SHELVE,
            author="kim",
            at=clock.now(),
            version=0,
            until=until,
        )
        with database.write() as connection:
            answer_alarm(connection, Scope(), answer)

        before = outbox.active()
        clock.crank(300)

        assert before == []
        assert len(outbox.active()) == 1

    def test_active_alarms_are_told_again_until_they_clear(
        self, outbox: SqlOutbox, recorder: SqlRecorder
    ) -> None:
        active = outbox.active()
        recorder.save(make_step(fields={"alarms": (transition(Change.CLEARED, 30),)}))

        assert [body["alarm"] for body in active] == [transition().key.id]
        assert outbox.active() == []


class TestRegistry:
    def test_the_longest_assigned_prefix_serves(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        for path, bundle in (("", "all"), ("north/hall-1", "hall"), ("north/hall", "other")):
            assign(database, Assignment(path=path, bundle=bundle, assigned_at=BEGINNING))
        assign(
            database,
            Assignment(path=ASSET, bundle="shadow", role="shadow", assigned_at=BEGINNING),
        )
        windows = [make_window([make_event(asset=asset)]) for asset in (ASSET, "south/a/b/c")]

        contexts = recorder.contexts(windows, [])

        assert [context.bundle for context in contexts] == ["hall", "all"]

    def test_the_newest_profile_of_the_serving_bundle_is_given(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        bank = np.arange(6, dtype=np.float32).reshape(2, 3)
        for version in (1, 2):
            profile = Profile(
                id=f"profile-{version}",
                asset=ASSET,
                version=next_version(database, ASSET),
                bundle="fake",
                normal_hours=4.5,
                arrays={"bank": bank * version},
                limits={"p": 0.01},
            )
            add_profile(database, profile, BEGINNING)

        (context,) = recorder.contexts([make_window([make_event()])], [])

        assert context.profile is not None
        assert (context.profile.id, context.profile.version) == ("profile-2", 2)
        np.testing.assert_array_equal(context.profile.arrays["bank"], bank * 2)

    def test_bundles_and_labels_are_kept_as_they_are(self, database: Database) -> None:
        bundle = Bundle(
            id="b1", uri="builtin", sha256="0" * 64, card={"f1": 0.5}, created_at=BEGINNING
        )
        label = Label(
            asset=ASSET,
            start=BEGINNING,
            end=BEGINNING,
            fault="healthy",
            verdict="rejected",
            author="ann",
            written_at=BEGINNING,
        )

        add_bundle(database, bundle)
        add_bundle(database, replace(bundle, sha256="1" * 64))
        ids = [add_label(database, label) for _ in range(2)]

        assert list_bundles(database) == [bundle]
        assert ids[0] != ids[1]


class TestLedger:
    def fill(self, recorder: SqlRecorder) -> None:
        """Save twelve messages: 3 in windows, 2 late, entry, state, 2 dead, 2 dropped, 1 flying."""
        topics = {
            "mm.frames": TopicProgress("id", 100, 110, 100, 0),
            "mm.logs": TopicProgress("id", 0, 3, 0, 1),
        }
        first = make_window([make_event(at=n, offset=100 + n) for n in range(3)])
        broken = make_window([make_event(at=12, offset=103)], start=10)
        late = (
            make_late(make_event(at=6, offset=104), 0.0, 5.0),
            make_late(make_event(offset=105)),
        )
        recorder.save(
            make_step(
                first,
                broken,
                late=late,
                fields={
                    "progress": (
                        replace(
                            make_progress(in_flight=1),
                            topics=topics,
                            received=12,
                            dropped={"duplicate": 2},
                        ),
                    ),
                    "entries": (make_event(Modality.TEXT, 1, offset=1),),
                    "states": (make_event(Modality.STATE, 1, offset=2),),
                    "dead_letters": (letter(103, stage="build"), letter(106)),
                },
            )
        )

    def test_it_balances_when_two_workers_save_what_two_assets_name_alike(
        self, database: Database
    ) -> None:
        workers = [sql_recorder(database, RecordPolicy(), partitions=2) for _ in range(2)]
        found = []
        for partition, worker in enumerate(workers):
            worker.claim([partition])
            asset = f"north/hall-1/line-1/pump-{partition}"
            event = make_event(Modality.TEXT, 1, id="7", asset=asset, partition=partition)
            found.append(worker.unknown([make_late(event)]))
        for partition, (worker, fresh) in enumerate(zip(workers, found, strict=True)):
            progress = replace(
                make_progress(partition),
                topics={"mm.logs": TopicProgress("id", 0, 1, 1, 0)},
                received=1,
                dropped={"duplicate": len(fresh.duplicates)},
            )
            worker.save(Step(progress=(progress,), entries=fresh.entries))

        balances = read_ledger(database)

        assert [balance.stored for balance in balances] == [1, 1]
        assert all(balance.is_balanced for balance in balances)

    def test_every_message_is_accounted_for_once(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        self.fill(recorder)

        (balance,) = read_ledger(database)

        assert balance == Balance(
            partition=0,
            era=0,
            closed=False,
            received=12,
            counted=12,
            stored=7,
            dead_lettered=2,
            dropped={"duplicate": 2},
            in_flight=1,
            retired=0,
        )
        assert balance.is_balanced

    @pytest.mark.parametrize("table", ["windows", "late", "entries", "states", "dead_letters"])
    def test_a_row_deleted_by_hand_is_found(
        self, database: Database, recorder: SqlRecorder, table: str
    ) -> None:
        self.fill(recorder)
        with database.write() as connection:
            connection.execute(delete(tables.metadata.tables[table]))

        (balance,) = read_ledger(database)

        assert not balance.is_balanced
        assert balance.difference > 0

    def test_a_message_in_two_rows_counts_once(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        item = make_event(at=6, offset=0)
        overlapping = [make_window([item], start=start) for start in (0.0, 5.0)]
        progress = replace(make_progress(read=1), dropped={})

        recorder.save(make_step(*overlapping, fields={"progress": (progress,)}))

        assert [(b.stored, b.is_balanced) for b in read_ledger(database)] == [(1, True)]

    @pytest.mark.parametrize("order", ["windows first", "late first"])
    def test_retention_keeps_the_balance(
        self, database: Database, recorder: SqlRecorder, order: str
    ) -> None:
        self.fill(recorder)
        seal = [make_window([make_event(at=n, offset=100 + n) for n in range(3)])]
        seal += [make_window([make_event(at=12, offset=103)], start=10)]
        late = [
            make_late(make_event(at=6, offset=104), 0.0, 5.0),
            make_late(make_event(offset=105)),
        ]
        step = make_step(shards=(sealing(seal, late, number=1),))
        recorder.save(replace(step, progress=(), assets=()))
        if order == "late first":  # as when the windows were written a day later
            with database.write() as connection:
                connection.execute(
                    tables.windows.update().values(written_at=BEGINNING + timedelta(days=9))
                )
            self.retain(database, days=10)

        self.retain(database, days=30)

        (balance,) = read_ledger(database)
        assert balance.is_balanced
        assert (balance.stored, balance.dead_lettered, balance.retired) == (0, 1, 8)
        assert count(database, tables.windows) == count(database, tables.late) == 0

    @staticmethod
    def retain(database: Database, *, days: float) -> None:
        policy = RetentionPolicy(windows_days=2.5, batch=10)
        now = BEGINNING + timedelta(days=days)
        Retention(database=database, policy=policy, now=now, remove=lambda _: None).run()


class TestRetention:
    def run(self, database: Database, removed: list[str] | None = None, **more: Any) -> Any:
        fields: dict[str, Any] = {
            "raw_days": 1,
            "windows_days": 1,
            "predictions_days": 1,
            "outbox_days": 1,
        }
        policy = RetentionPolicy(**(fields | more))
        gone = [] if removed is None else removed
        now = BEGINNING + timedelta(days=2)
        return Retention(database=database, policy=policy, now=now, remove=gone.append).run()

    def fill(self, recorder: SqlRecorder) -> None:
        """Save an hour of one window a minute, each with its prediction, in two shards."""
        windows = [
            make_window([make_event(at=60.0 * n, offset=n)], start=60.0 * n) for n in range(60)
        ]
        shards = tuple(sealing(windows[i : i + 30], number=i) for i in (0, 30))
        said = tuple(predict(window) for window in windows)
        recorder.save(make_step(*windows, shards=shards, fields={"predictions": said}))

    def test_old_facts_go_and_files_with_them(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        self.fill(recorder)
        removed: list[str] = []

        found = self.run(database, removed)

        assert (found["windows"], found["predictions"], found["shard_files"]) == (60, 60, 2)
        assert removed == ["archive/shard-0.parquet", "archive/shard-30.parquet"]
        assert self.run(database).total() == 0

    def test_the_evidence_of_an_alarm_is_held_with_it(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        self.fill(recorder)
        alarm = transition(at=1800.0, raised_at=BEGINNING + timedelta(seconds=1800))
        recorder.save(make_step(fields={"alarms": (alarm, transition(Change.CLEARED, 2100.0))}))
        removed: list[str] = []

        found = self.run(database, removed, hold_before_seconds=300.0)

        kept = sorted(row["start"] for row in rows(database, tables.windows))
        assert (kept[0] - BEGINNING, kept[-1] - BEGINNING) == (
            timedelta(minutes=25),
            timedelta(minutes=35),
        )
        assert found["windows"] == 60 - 11
        assert removed == []
        assert count(database, tables.predictions) == 11

    def test_what_came_late_for_the_window_of_an_alarm_is_held_too(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        self.fill(recorder)
        near, far = (make_late(make_event(at=at, offset=99), at) for at in (1800.0, 600.0))
        shards = (sealing([], [near], number=60), sealing([], [far], number=61))
        alarms = (
            transition(at=1800.0, raised_at=BEGINNING + timedelta(seconds=1800)),
            transition(Change.CLEARED, 2100.0),
        )
        recorder.save(make_step(late=(near, far), shards=shards, fields={"alarms": alarms}))
        removed: list[str] = []

        self.run(database, removed, hold_before_seconds=300.0)

        assert "archive/shard-60.parquet" not in removed

    def test_once_the_alarm_goes_its_evidence_goes(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        self.fill(recorder)
        changes = (transition(), transition(Change.CLEARED, 2100.0))
        recorder.save(make_step(fields={"alarms": changes}))

        self.run(database, alarms_days=1)
        self.run(database, alarms_days=1)

        assert count(database, tables.windows) == count(database, tables.alarms) == 0
        assert count(database, tables.alarm_transitions) == 0

    def test_an_active_alarm_never_goes(self, database: Database, recorder: SqlRecorder) -> None:
        recorder.save(make_step(fields={"alarms": (transition(),)}))

        self.run(database, alarms_days=1)

        assert count(database, tables.alarms) == 1

    def test_what_has_not_left_stays_in_the_outbox(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        recorder.save(make_step(fields={"alarms": (transition(),)}))

        self.run(database)

        assert count(database, tables.outbox) == 2

    def test_rows_without_a_shard_stay(self, database: Database, recorder: SqlRecorder) -> None:
        recorder.save(make_step(make_window([make_event()])))

        assert self.run(database)["windows"] == 0

    def test_zero_days_means_for_ever(self, database: Database, recorder: SqlRecorder) -> None:
        self.fill(recorder)

        found = self.run(database, raw_days=0, windows_days=0, predictions_days=0)

        assert found.total() == 0

    def test_a_dry_run_only_counts(self, database: Database, recorder: SqlRecorder) -> None:
        self.fill(recorder)
        policy = RetentionPolicy(raw_days=1, windows_days=1, predictions_days=1)
        now = BEGINNING + timedelta(days=2)

        found = Retention(
            database=database, policy=policy, now=now, remove=lambda _: None, dry_run=True
        ).run()

        assert (found["windows"], found["shard_files"]) == (60, 2)
        assert count(database, tables.windows) == 60


class TestPairs:
    @pytest.fixture
    def filled(self, database: Database, recorder: SqlRecorder) -> Database:
        """Three judged windows, a revision, one nobody was asked about; an alarm that cleared."""
        made = [make_window([make_event(at=10.0 * n, offset=n)], start=10.0 * n) for n in range(3)]
        made.append(make_window([], start=30.0))  # text only
        revised = replace(made[0], key=made[0].key._replace(revision=1))
        said = [predict(window) for window in (*made, revised)]
        said.append(predict(made[0], bundle="shadow"))
        unasked = make_window([], start=40.0)
        raised = transition(window=made[1].key)
        changes = (raised, transition(Change.CLEARED, 30.0, window=made[2].key))
        fields = {"predictions": tuple(said), "alarms": changes}
        shards = (sealing([*made[:3], revised], number=1),)
        recorder.save(make_step(*made, revised, unasked, shards=shards, fields=fields))
        return database

    def test_a_whole_record_has_no_row_alone(self, filled: Database) -> None:
        assert read_unpaired(filled) == []

    @pytest.mark.parametrize(
        ("robbery", "found"),
        [
            ("DELETE FROM predictions WHERE revision = 1", {"windows_without_prediction": 1}),
            (
                "DELETE FROM windows WHERE bundle <> '' AND CAST(evidence AS TEXT) = '[]'",
                {"predictions_without_window": 1},
            ),
            (
                "DELETE FROM windows WHERE bundle <> '' AND revision = 0",
                {"predictions_without_window": 5, "alarms_without_window": 1},
            ),
            ("DELETE FROM alarm_transitions", {"alarms_without_transition": 1}),
            (
                "DELETE FROM alarm_transitions WHERE change = 'cleared'",
                {"alarms_without_transition": 1},
            ),
        ],
    )
    def test_a_row_taken_by_hand_leaves_its_partner_alone(
        self, filled: Database, robbery: str, found: dict[str, int]
    ) -> None:
        with filled.write() as connection:
            connection.exec_driver_sql(robbery)

        alone = read_unpaired(filled)

        assert {one.what: one.rows for one in alone} == found
        assert all(one.example for one in alone)

    def test_the_trail_of_an_alarm_that_is_gone_is_told(self, filled: Database) -> None:
        if filled.path is None:
            return  # PostgreSQL lets nobody take an alarm without its trail
        with closing(sqlite3.connect(filled.path)) as by_hand:
            by_hand.execute("DELETE FROM alarms")
            by_hand.commit()

        assert [(one.what, one.rows) for one in read_unpaired(filled)] == [
            ("transitions_without_alarm", 2)
        ]

    @pytest.mark.parametrize("first", ["windows", "predictions", "both"])
    def test_what_retention_leaves_alone_is_no_difference(
        self, filled: Database, first: str
    ) -> None:
        days = {"windows": 3.0, "predictions": 3.0} | ({} if first == "both" else {first: 1.0})
        left = []
        for day in (2.0, 5.0):
            self.retain(filled, day=day, windows=days["windows"], predictions=days["predictions"])
            assert read_unpaired(filled) == []
            left.append((count(filled, tables.windows), count(filled, tables.predictions)))

        after = {"windows": (0, 6), "predictions": (6, 0), "both": (6, 6)}
        assert left == [after[first], (0, 0)]

    def test_a_row_taken_by_hand_shows_among_those_retention_left_alone(
        self, filled: Database
    ) -> None:
        self.retain(filled, day=2.0, windows=0.0, predictions=1.0)
        with filled.write() as connection:
            connection.exec_driver_sql("DELETE FROM windows WHERE revision = 1")

        (alone,) = read_unpaired(filled)

        assert (alone.what, alone.rows) == ("windows_without_prediction", -1)

    @staticmethod
    def retain(database: Database, *, day: float, windows: float, predictions: float) -> None:
        policy = RetentionPolicy(
            windows_days=windows, predictions_days=predictions, alarms_days=0.1, raw_days=0
        )
        now = BEGINNING + timedelta(days=day)
        for _ in range(2):  # the alarm goes first, and what it held after it
            Retention(database=database, policy=policy, now=now, remove=lambda _: None).run()


class TestRelayout:
    def test_another_count_moves_assets_and_fences_everyone(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        window = make_window([make_event()])
        recorder.save(make_step(window, shards=(sealing([window], number=1),)))
        found = Layout(partitions=64, topic_ids={"mm.frames": "id-1"})

        moved = relayout_count(database, found, BEGINNING)

        home = list_assets(database)[0].partition
        assert (moved, read_layout(database)) == (2, found)
        assert home not in (0, None)
        (claim,) = sql_recorder(database, RecordPolicy(), partitions=64).claim([home or 0])
        assert [state.asset for state in claim.assets] == [ASSET]
        with pytest.raises(Fenced):
            recorder.save(make_step())

    def test_another_count_waits_for_rows_in_flight(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        recorder.save(make_step(make_window([make_event()])))

        with pytest.raises(StoreError, match="1 rows wait for their shard"):
            relayout_count(database, Layout(partitions=2, topic_ids={}), BEGINNING)

    def test_a_log_made_anew_begins_a_new_era_and_both_books_balance(
        self, database: Database, recorder: SqlRecorder
    ) -> None:
        def save(offsets: range, in_flight: int) -> None:
            window = make_window(
                [make_event(at=n, offset=n) for n in offsets], start=10.0 * len(offsets)
            )
            progress = make_progress(read=len(offsets) + in_flight, in_flight=in_flight)
            recorder.save(make_step(window, fields={"progress": (replace(progress, dropped={}),)}))

        save(range(3), in_flight=2)
        given_up = relayout_log(
            database, Layout(partitions=1, topic_ids={"mm.frames": "id-2"}), BEGINNING
        )
        (claim,) = recorder.claim([0])
        save(range(4), in_flight=0)

        assert given_up == 2
        assert (claim.progress, claim.unsealed) == (None, ())
        books = read_ledger(database)
        assert [(b.era, b.closed, b.received, b.stored) for b in books] == [
            (0, True, 5, 3),
            (1, False, 4, 4),
        ]
        assert all(book.is_balanced for book in books)
        assert books[0].dropped == {"retention": 2}
        (gap,) = rows(database, tables.gaps)
        assert (gap["kind"], gap["source"], gap["last_offset"]) == ("data_gap", "mm.frames", 5)
