"""What every Recorder promises: the fake, SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from mmindustry.domain import (
    AlarmState,
    AssetCard,
    Bearing,
    Event,
    LastPicture,
    LogEntry,
    Modality,
    SourceState,
    Step,
    Window,
)
from mmindustry.errors import Fenced
from mmindustry.testing import ASSET, BEGINNING, make_event, make_window
from tests.contracts.record_world import (
    POLICY,
    World,
    evidence_of,
    fake_world,
    make_late,
    make_progress,
    make_state,
    make_step,
    sealing,
    sql_world,
)

OTHER = "north/hall-1/line-1/fan-2"


@pytest.fixture(params=["fake", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A record with one worker that has claimed partition 0."""
    if request.param == "fake":
        yield fake_world()
        return
    made = sql_world(request.getfixturevalue(f"{request.param}_url"))
    yield made
    made.close()


def text(at: float, *, offset: int = 0, end: float | None = None, words: str = "noisy") -> Event:
    event = make_event(Modality.TEXT, at, offset=offset, text=words)
    return event if end is None else replace(event, end=BEGINNING + timedelta(seconds=end))


def state(at: float, *, offset: int = 0) -> Event:
    return make_event(Modality.STATE, at, offset=offset)


def in_partition(event: Event, partition: int, *, asset: str) -> Event:
    """Return the event as another asset's, in that asset's partition."""
    return replace(event, asset=asset, position=event.position._replace(partition=partition))


def cut(window: Window, **below: int) -> Window:
    """Return the window with its cut at these offsets of mm.logs and mm.states."""
    return replace(window, cut={f"mm.{topic}": offset for topic, offset in below.items()})


def ids(events: tuple[Event, ...]) -> list[str]:
    return [event.id for event in events]


class TestClaim:
    def test_the_first_claim_knows_nothing(self, world: World) -> None:
        assert world.claim.partition == 0
        assert world.claim.progress is None
        assert (world.claim.assets, world.claim.unsealed, world.claim.alarms) == ((), (), ())

    def test_every_claim_raises_the_epoch(self, world: World) -> None:
        epochs = [world.claim.epoch, *(world.again().epoch for _ in range(3))]

        assert epochs == [epochs[0] + n for n in range(4)]

    def test_claims_come_in_the_order_asked_for(self, world: World) -> None:
        claims = world.worker().claim([2, 0, 1])

        assert [claim.partition for claim in claims] == [2, 0, 1]

    def test_a_claim_gives_back_what_the_last_step_wrote(self, world: World) -> None:
        sources = {
            "cam-1": SourceState(
                Modality.IMAGE,
                time=BEGINNING,
                heard=BEGINNING + timedelta(microseconds=1),
                set_aside=True,
                quiet_since=BEGINNING,
                expected=BEGINNING + timedelta(seconds=2.5),
                picture=LastPicture(BEGINNING, "c0ffee"),
            ),
            "mic-1": SourceState(Modality.AUDIO),
        }
        kept = replace(
            make_state(frontier=BEGINNING),
            sources=sources,
            text_windows={BEGINNING: BEGINNING + timedelta(seconds=3)},
        )
        memory = {"bearing_outer": {"votes": [1, 0.25, None], "since": "2026-01-05T06:00:00Z"}}

        world.save(assets=(make_state(),))
        world.recorder.save(
            Step(
                progress=(make_progress(read=5, in_flight=3),),
                assets=(kept,),
                alarm_states=(AlarmState(ASSET, memory),),
            )
        )

        claim = world.again()
        assert claim.progress == make_progress(read=5, in_flight=3)
        assert claim.assets == (kept,)
        assert claim.alarms == (AlarmState(ASSET, memory),)

    def test_a_claim_holds_only_its_own_partition(self, world: World) -> None:
        world.recorder.claim([0, 1])
        world.save(make_window([make_event()]))

        other, own = world.worker().claim([1, 0])

        assert (other.assets, other.unsealed, other.progress) == ((), (), None)
        assert len(own.unsealed) == 1


class TestFence:
    def test_a_worker_saves_step_after_step(self, world: World) -> None:
        for read in range(1, 4):
            world.save(progress=(make_progress(read=read),))

        assert world.again().progress == make_progress(read=3)

    def test_the_save_of_a_zombie_is_fenced_and_writes_nothing(self, world: World) -> None:
        world.save(progress=(make_progress(read=1),))
        world.again()

        with pytest.raises(Fenced):
            world.save(make_window([make_event()]), progress=(make_progress(read=2),))

        claim = world.again()
        assert claim.progress == make_progress(read=1)
        assert claim.unsealed == ()

    def test_one_lost_partition_fences_the_whole_step(self, world: World) -> None:
        world.recorder.claim([0, 1])
        world.worker().claim([1])
        both = (make_progress(0, read=7), make_progress(1, read=7))

        with pytest.raises(Fenced):
            world.save(progress=both)

        claims = world.worker().claim([0, 1])
        assert [claim.progress for claim in claims] == [None, None]

    def test_a_partition_never_claimed_is_fenced(self, world: World) -> None:
        with pytest.raises(Fenced):
            world.save(progress=(make_progress(1),))

    def test_a_worker_that_claims_again_may_save(self, world: World) -> None:
        world.again()
        world.recorder.claim([0])

        world.save(progress=(make_progress(read=4),))

        assert world.again().progress == make_progress(read=4)


class TestFirstWrite:
    def test_a_committed_row_never_changes(self, world: World) -> None:
        first, second = make_event(offset=1), make_event(offset=2)

        world.save(make_window([first]))
        world.save(make_window([first, second]))

        (unsealed,) = world.again().unsealed
        assert unsealed.row.evidence == (evidence_of(first),)


class TestUnsealed:
    def test_a_row_without_a_shard_is_awaited_with_all_its_evidence(self, world: World) -> None:
        items = [make_event(offset=1), make_event(Modality.AUDIO, 1.5, offset=2)]
        window = make_window(items)

        world.save(window)

        (unsealed,) = world.again().unsealed
        assert unsealed.row.key == window.key
        assert not unsealed.row.late
        assert unsealed.row.evidence == tuple(evidence_of(item) for item in items)
        assert (unsealed.partition, unsealed.end) == (0, window.end)

    def test_a_row_is_sealed_by_the_step_that_names_its_shard(self, world: World) -> None:
        now, later = make_window([make_event()]), make_window([make_event(at=12)], start=10)

        world.save(now, later, shards=(sealing([now], number=900),))
        before = world.window_keys()
        world.recorder.claim([0])
        world.save(shards=(sealing([later], number=901),))

        assert before == {later.key}
        assert world.window_keys() == set()

    def test_evidence_given_up_is_awaited_no_more(self, world: World) -> None:
        window = make_window([make_event()])

        world.save(window, shards=(sealing([window], number=900, lost="archive_full"),))

        assert world.window_keys() == set()

    def test_a_window_without_items_awaits_nothing(self, world: World) -> None:
        world.save(make_window([]))

        assert world.again().unsealed == ()

    def test_a_late_event_is_awaited_once_whatever_it_missed(self, world: World) -> None:
        late = make_late(make_event(at=6), 0.0, 5.0)

        world.save(late=[late], assets=(make_state(),))

        (unsealed,) = world.again().unsealed
        assert unsealed.row.late
        assert unsealed.row.evidence == (evidence_of(late.event),)
        assert unsealed.row.key.start == BEGINNING

    def test_a_late_event_is_sealed_by_its_shard(self, world: World) -> None:
        world.save(late=[make_late(make_event(at=6), 0.0, 5.0)], seal=True, assets=(make_state(),))

        assert world.again().unsealed == ()


class TestUnknown:
    def test_new_things_are_sorted_by_kind_in_order(self, world: World) -> None:
        late = [make_late(make_event(at=n, offset=n)) for n in (3, 1, 2)]
        mixed = [late[0], make_late(text(1)), late[1], make_late(state(1)), late[2]]

        fresh = world.recorder.unknown(mixed)

        assert fresh.late == tuple(late)
        assert fresh.entries == (mixed[1].event,)
        assert fresh.states == (mixed[3].event,)
        assert fresh.duplicates == ()

    def test_nothing_is_sorted_into_nothing(self, world: World) -> None:
        fresh = world.recorder.unknown([])

        assert (fresh.late, fresh.entries, fresh.states, fresh.duplicates) == ((), (), (), ())

    def test_the_second_of_two_alike_is_a_duplicate(self, world: World) -> None:
        first, second = text(1, offset=1), replace(text(1, offset=1), id="text-1")

        fresh = world.recorder.unknown([make_late(first), make_late(second)])

        assert (fresh.entries, fresh.duplicates) == ((first,), (second,))

    def test_what_a_row_names_is_a_duplicate(self, world: World) -> None:
        event = make_event(at=3, offset=4)
        world.save(make_window([event]))
        again = replace(event, position=event.position._replace(offset=99))

        fresh = world.recorder.unknown([make_late(again)])

        assert (fresh.late, fresh.duplicates) == ((), (again,))

    def test_what_the_late_list_names_is_a_duplicate(self, world: World) -> None:
        event = make_event(at=3, offset=4)
        world.save(late=[make_late(event)], assets=(make_state(),))

        assert world.recorder.unknown([make_late(event)]).duplicates == (event,)

    def test_entries_and_states_of_the_record_are_duplicates(self, world: World) -> None:
        entry, known = text(1), state(2)
        world.save(entries=(entry,), states=(known,), assets=(make_state(),))

        fresh = world.recorder.unknown([make_late(entry), make_late(known)])

        assert fresh.duplicates == (entry, known)

    def test_another_id_time_or_source_is_another_event(self, world: World) -> None:
        event = make_event(at=3, offset=4)
        world.save(make_window([event]))
        others = [
            replace(event, id="other"),
            replace(event, source="cam-2"),
            replace(event, time=event.time + timedelta(microseconds=1)),
        ]

        fresh = world.recorder.unknown([make_late(other) for other in others])

        assert [late.event for late in fresh.late] == others

    def test_what_two_assets_name_alike_is_two_events_even_at_once(self, world: World) -> None:
        fan = world.worker()
        fan.claim([1])
        both = [make_event(kind, 1, id="7") for kind in (Modality.TEXT, Modality.STATE)]
        theirs = [in_partition(event, 1, asset=OTHER) for event in both]

        first = world.recorder.unknown([make_late(event) for event in both])
        second = fan.unknown([make_late(event) for event in theirs])
        for worker, fresh, asset, partition in (
            (world.recorder, first, ASSET, 0),
            (fan, second, OTHER, 1),
        ):
            state = make_state(asset, BEGINNING, partition)
            found = {"entries": fresh.entries, "states": fresh.states, "assets": (state,)}
            worker.save(make_step(partition=partition, fields=found))

        assert (*first.entries, *first.states) == tuple(both)
        assert (*second.entries, *second.states) == tuple(theirs)
        for worker, events in ((world.recorder, both), (fan, theirs)):
            assert worker.unknown([make_late(e) for e in events]).duplicates == tuple(events)
            window = cut(make_window([events[0]]), logs=9, states=9)
            (context,) = worker.contexts([window], [])
            assert (*context.entries, *context.states) == tuple(events)

    def test_what_two_assets_name_alike_in_one_step_is_two_events(self, world: World) -> None:
        kinds = (Modality.IMAGE, Modality.AUDIO, Modality.TEXT, Modality.STATE)
        mine = [make_event(kind, 1, id="7", offset=1) for kind in kinds]
        others = [
            replace(event, asset=OTHER, position=event.position._replace(offset=2))
            for event in mine
        ]

        fresh = world.recorder.unknown([make_late(event) for event in (*mine, *others)])

        assert fresh.duplicates == ()
        world.save(
            late=fresh.late,
            entries=fresh.entries,
            states=fresh.states,
            assets=(make_state(), make_state(OTHER)),
        )
        again = [make_late(event) for event in (*others, *mine)]
        assert world.recorder.unknown(again).duplicates == (*others, *mine)


class TestEntriesInContext:
    def test_the_last_twenty_come_oldest_first(self, world: World) -> None:
        entries = tuple(text(-n, offset=n) for n in range(30))
        world.save(entries=entries, assets=(make_state(),))

        (context,) = world.recorder.contexts([cut(make_window([]), logs=100)], [])

        assert ids(context.entries) == [f"text-{n}" for n in range(19, -1, -1)]

    def test_an_entry_at_or_beyond_the_cut_does_not_count(self, world: World) -> None:
        world.save(entries=tuple(text(1, offset=n) for n in range(4)), assets=(make_state(),))

        (context,) = world.recorder.contexts([cut(make_window([]), logs=2)], [])

        assert ids(context.entries) == ["text-0", "text-1"]

    def test_an_entry_counts_from_its_end(self, world: World) -> None:
        within, beyond = text(1, offset=1, end=10.0), text(1, offset=2, end=10.000001)
        world.save(entries=(within, beyond), assets=(make_state(),))

        (context,) = world.recorder.contexts([cut(make_window([]), logs=9)], [])

        assert ids(context.entries) == ["text-1"]

    def test_an_entry_older_than_the_look_back_does_not_count(self, world: World) -> None:
        week = 7 * 86_400.0
        inside, outside = text(10 - week, offset=1), text(9.999 - week, offset=2)
        world.save(entries=(inside, outside), assets=(make_state(),))

        (context,) = world.recorder.contexts([cut(make_window([]), logs=9)], [])

        assert ids(context.entries) == ["text-1"]

    def test_entries_of_this_step_count_too(self, world: World) -> None:
        world.save(entries=(text(1, offset=0),), assets=(make_state(),))
        fresh = [text(2, offset=1), text(3, offset=7)]

        (context,) = world.recorder.contexts([cut(make_window([]), logs=5)], fresh)

        assert ids(context.entries) == ["text-0", "text-1"]

    def test_texts_together_stay_within_eight_kibibytes(self, world: World) -> None:
        entries = tuple(text(n, offset=n, words="ü" * 1500) for n in range(5))
        world.save(entries=entries, assets=(make_state(),))

        (context,) = world.recorder.contexts([cut(make_window([]), logs=9)], [])

        assert ids(context.entries) == ["text-3", "text-4"]

    def test_an_entry_comes_back_as_it_was(self, world: World) -> None:
        entry = replace(
            text(1),
            content=LogEntry("轴承 noisy", "Müller", BEGINNING, timedelta(days=1)),
            flags=("control_characters",),
        )
        world.save(entries=(entry,), assets=(make_state(),))

        (context,) = world.recorder.contexts([cut(make_window([]), logs=9)], [])

        assert context.entries == (entry,)

    def test_another_assets_entries_stay_with_it(self, world: World) -> None:
        foreign = make_event(Modality.TEXT, 1, asset=OTHER, offset=1)
        world.save(entries=(foreign,), assets=(make_state(), make_state(OTHER)))

        (context,) = world.recorder.contexts([cut(make_window([]), logs=9)], [])

        assert context.entries == ()


class TestStatesInContext:
    def test_the_states_of_the_span_and_the_one_before(self, world: World) -> None:
        states = tuple(state(at, offset=n) for n, at in enumerate((-8, -3, 0, 4, 10)))
        world.save(states=states, assets=(make_state(),))

        (context,) = world.recorder.contexts([cut(make_window([]), states=9)], [])

        assert context.states == states[1:4]

    def test_a_state_beyond_the_cut_does_not_count(self, world: World) -> None:
        world.save(states=(state(1, offset=1), state(2, offset=2)), assets=(make_state(),))

        (context,) = world.recorder.contexts([cut(make_window([]), states=2)], [])

        assert ids(context.states) == ["state-1"]

    def test_states_of_this_step_count_too(self, world: World) -> None:
        world.save(states=(state(-4, offset=1),), assets=(make_state(),))

        (context,) = world.recorder.contexts(
            [cut(make_window([]), states=9)], [state(-2, offset=2), state(5, offset=3)]
        )

        assert ids(context.states) == ["state-2", "state-3"]


class TestPapersInContext:
    def test_an_asset_nobody_registered_has_no_card(self, world: World) -> None:
        (context,) = world.recorder.contexts([make_window([make_event()])], [])

        assert (context.registered, context.card, context.profile) == (False, None, None)
        assert context.bundle == "fake"

    def test_a_registered_asset_brings_its_card(self, world: World) -> None:
        card = AssetCard(
            kind="pump",
            nominal_speed_rpm=1480.0,
            bearings=(Bearing("drive end", 9, 7.94, 39.04, 0.5),),
            blades=6,
            regions={"gauge": (0.1, 0.2, 0.3, 0.4)},
        )
        world.register(ASSET, card)

        (context,) = world.recorder.contexts([make_window([make_event()])], [])

        assert (context.registered, context.card) == (True, card)

    def test_each_window_has_its_own_context_in_order(self, world: World) -> None:
        world.register(OTHER, AssetCard(kind="fan"))
        world.save(entries=tuple(text(10.0 * n, offset=n) for n in range(90)))
        foreign = make_window([make_event(asset=OTHER)])
        own = [cut(make_window([], start=10.0 * n), logs=99) for n in range(90)]

        contexts = world.recorder.contexts([*own, foreign], [])

        assert [len(context.entries) for context in contexts[:-1]] == [
            min(n + 2, 20) if n < 89 else 20 for n in range(90)
        ]
        assert (contexts[-1].entries, contexts[-1].registered) == ((), True)
        assert not contexts[0].registered


class TestRevisions:
    def test_archived_late_evidence_may_be_revised(self, world: World) -> None:
        event, late = make_event(at=5, offset=1), make_event(at=3, offset=2)
        window = make_window([event])
        world.save(window, seal=True)
        world.save(late=[make_late(late)], seal=True, assets=(make_state(),))

        (revisable,) = world.recorder.revisable(10)

        assert revisable.key == window.key._replace(revision=1)
        assert (revisable.end, revisable.partition) == (window.end, 0)
        assert revisable.cut == window.cut
        assert revisable.evidence == (evidence_of(late), evidence_of(event))
        assert revisable.late == (evidence_of(late),)

    def test_a_revision_is_told_what_its_window_lacked_and_lost(self, world: World) -> None:
        window = replace(
            make_window([make_event(at=5, offset=1)], missing=("mic",)),
            evidence_lost="retention: mm.frames 3..5",
        )
        world.save(window, seal=True)
        world.save(late=[make_late(make_event(at=3, offset=2))], seal=True, assets=(make_state(),))

        (revisable,) = world.recorder.revisable(10)

        assert revisable.missing == ("mic",)
        assert revisable.evidence_lost == "retention: mm.frames 3..5"

    def test_the_last_pictures_before_a_window_are_those_of_all_revisions(
        self, world: World
    ) -> None:
        def shown(at: float, *, by: str = "cam", revision: int = 0, start: float = 0.0) -> Window:
            picture = LastPicture(BEGINNING + timedelta(seconds=at), f"seen-at-{at:g}")
            window = make_window([make_event(at=start)], start=start, revision=revision)
            return replace(window, pictures={by: picture})

        world.save(
            shown(5), shown(2, by="cam-2", start=10), shown(5, start=20), shown(39, start=30)
        )
        world.recorder.save_revision(make_step(shown(9, revision=1)))
        third = make_window([], start=20).key

        assert world.recorder.pictures(make_window([]).key) == {}
        assert world.recorder.pictures(third) == {
            "cam": LastPicture(BEGINNING + timedelta(seconds=9), "seen-at-9"),
            "cam-2": LastPicture(BEGINNING + timedelta(seconds=2), "seen-at-2"),
        }
        assert world.recorder.pictures(third._replace(asset=OTHER)) == {}

    def test_late_evidence_waits_for_its_shard(self, world: World) -> None:
        world.save(make_window([make_event()]), seal=True)
        world.save(late=[make_late(make_event(at=3, offset=2))], assets=(make_state(),))

        assert list(world.recorder.revisable(10)) == []

    def test_what_a_revision_holds_is_not_revised_again(self, world: World) -> None:
        self._revise(world)

        assert list(world.recorder.revisable(10)) == []

    def test_the_next_late_event_makes_the_next_revision(self, world: World) -> None:
        held = self._revise(world)
        late = make_event(at=4, offset=3)
        world.save(late=[make_late(late)], seal=True, assets=(make_state(),))

        (revisable,) = world.recorder.revisable(10)

        assert revisable.key.revision == 2
        assert set(revisable.evidence) == {*held, evidence_of(late)}
        assert evidence_of(late) in revisable.late

    def test_a_window_given_up_is_revised_once_more_evidence_is_archived(
        self, world: World
    ) -> None:
        world.save(make_window([make_event(at=5, offset=1)]), seal=True)
        world.save(late=[make_late(make_event(at=3, offset=2))], seal=True, assets=(make_state(),))
        (unreadable,) = world.recorder.revisable(10)
        given_up = ((unreadable.key, "evidence_unreadable"),)
        world.recorder.save_revision(Step(progress=(make_progress(),), unrevised=given_up))
        none = list(world.recorder.revisable(10))
        world.save(late=[make_late(make_event(at=6, offset=4))], seal=True)

        (revisable,) = world.recorder.revisable(10)

        assert none == []
        assert [evidence.position.offset for evidence in revisable.late] == [4]

    def test_evidence_not_archived_yet_is_not_given_up(self, world: World) -> None:
        window = make_window([make_event(at=5, offset=1)])
        world.save(window, seal=True)
        late = make_late(make_event(at=4, offset=3))
        world.save(late=[late], assets=(make_state(),))
        given_up = ((window.key._replace(revision=1), "evidence_unreadable"),)
        world.recorder.save_revision(Step(progress=(make_progress(),), unrevised=given_up))
        shard = sealing((), [late], number=next(world.ids))
        world.recorder.save(make_step(shards=(shard,)))

        (revisable,) = world.recorder.revisable(10)

        assert [evidence.position.offset for evidence in revisable.late] == [3]

    def test_a_revision_leaves_progress_alone(self, world: World) -> None:
        self._revise(world)

        assert world.again().progress == make_progress()

    def test_a_window_that_never_was_begins_with_revision_1(self, world: World) -> None:
        world.save(make_window([make_event()], start=10.0), seal=True)
        late = make_event(at=3, offset=2)
        world.save(
            late=[make_late(late)],
            seal=True,
            progress=(make_progress(read=6),),
            assets=(make_state(),),
        )

        (revisable,) = world.recorder.revisable(10)

        assert revisable.key == (ASSET, POLICY, BEGINNING, 1)
        assert revisable.end == BEGINNING + timedelta(seconds=10)
        assert revisable.cut == {"mm.frames": 6}
        assert revisable.evidence == (evidence_of(late),)

    def test_at_most_so_many_are_given_oldest_first(self, world: World) -> None:
        for n in range(3):
            world.save(make_window([make_event(at=10.0 * n, offset=n)], start=10.0 * n), seal=True)
        late = [make_late(make_event(at=10.0 * n + 1, offset=9 + n), 10.0 * n) for n in (2, 0, 1)]
        world.save(late=late, seal=True, assets=(make_state(),))

        starts = [one.key.start - BEGINNING for one in world.recorder.revisable(2)]

        assert starts == [timedelta(0), timedelta(seconds=10)]

    def test_only_held_partitions_are_revised(self, world: World) -> None:
        world.save(make_window([make_event()]), seal=True)
        world.save(late=[make_late(make_event(at=3, offset=2))], seal=True, assets=(make_state(),))
        other = world.worker()
        other.claim([1])

        assert list(other.revisable(10)) == []

    def test_the_revision_of_a_zombie_is_fenced(self, world: World) -> None:
        window = make_window([make_event()])
        world.save(window, seal=True)
        world.save(late=[make_late(make_event(at=3, offset=2))], seal=True, assets=(make_state(),))
        world.again()

        with pytest.raises(Fenced):
            world.recorder.save_revision(make_step(make_window([make_event()], revision=1)))

    @staticmethod
    def _revise(world: World) -> tuple[object, ...]:
        """Revise one window by one late event; return the evidence of the revision."""
        event, late = make_event(at=5, offset=1), make_event(at=3, offset=2)
        world.save(make_window([event]), seal=True)
        world.save(late=[make_late(late)], seal=True, assets=(make_state(),))
        (revisable,) = world.recorder.revisable(10)
        window = make_window([late, event], revision=revisable.key.revision)
        world.recorder.save_revision(Step(progress=(make_progress(),), windows=(window,)))
        return window.evidence
