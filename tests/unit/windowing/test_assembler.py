"""How windows open, close, wait and name what they lack (design: Time)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mmindustry.domain import (
    Arrival,
    Claim,
    Closing,
    Event,
    Fresh,
    Gap,
    GapKind,
    Modality,
    Sensor,
    Shard,
    ShardRow,
    Window,
)
from mmindustry.testing import ASSET, BEGINNING, make_event
from mmindustry.windowing.assembler import Assembler
from mmindustry.windowing.policy import WindowPolicy

POLICY = WindowPolicy()
CAMERA = Sensor(source="cam", asset=ASSET, modality=Modality.IMAGE)
MICROPHONE = Sensor(source="mic", asset=ASSET, modality=Modality.AUDIO)


def at(seconds: float) -> datetime:
    return BEGINNING + timedelta(seconds=seconds)


def arrival(seconds: float, *, ready: bool = True, through: int = 0) -> dict[int, Arrival]:
    return {0: Arrival(at(seconds), ready=ready, read_through={"mm.frames": through})}


def claimed(*sensors: Sensor, policy: WindowPolicy = POLICY) -> Assembler:
    assembler = Assembler(policy)
    assembler.restore(Claim(partition=0, epoch=1, progress=None, sensors=sensors))
    return assembler


def frame(seconds: float, offset: int, **more: object) -> Event:
    return make_event(Modality.IMAGE, seconds, source="cam", offset=offset, **more)  # type: ignore[arg-type]


def chunk(seconds: float, offset: int) -> Event:
    return make_event(Modality.AUDIO, seconds, source="mic", offset=offset)


def close(assembler: Assembler, seconds: float) -> list[Window]:
    return assembler.close(arrival(seconds))[0]


def test_a_window_closes_when_the_watermark_passes_its_end() -> None:
    assembler = claimed(CAMERA)
    assembler.add([frame(1, 0), frame(14.9, 1)])

    before = close(assembler, 15)
    assembler.add([frame(15, 2)])
    after = close(assembler, 15)

    assert before == []
    assert [(w.key.start, w.closed_by) for w in after] == [(at(0), Closing.WATERMARK)]
    assert [e.id for e in after[0].items] == ["image-0"]


def test_the_slowest_awaited_source_holds_the_watermark() -> None:
    assembler = claimed(CAMERA, MICROPHONE)
    assembler.add([frame(1, 0), chunk(2, 0), frame(20, 1)])

    assert close(assembler, 20) == []
    assembler.add([chunk(15, 1)])
    assert len(close(assembler, 20)) == 1


def test_a_window_waits_so_long_for_a_silent_source_and_names_it() -> None:
    assembler = claimed(CAMERA, MICROPHONE)
    assembler.add([frame(1, 0)])

    too_early = close(assembler, 25.9)
    window = close(assembler, 26)[0]

    assert too_early == []
    assert window.closed_by is Closing.WAITING
    assert window.missing == ("mic",)


def test_a_source_waited_for_in_vain_is_set_aside_until_its_time_passes_the_frontier() -> None:
    assembler = claimed(CAMERA, MICROPHONE)
    assembler.add([frame(1, 0)])
    close(assembler, 26)

    assembler.add([frame(12, 1), frame(25, 2, appended=27)])
    unheld = close(assembler, 27)
    late = assembler.add([chunk(3, 0)])
    assembler.add([chunk(21, 1), frame(36, 3, appended=28)])
    held = close(assembler, 28)

    assert [w.closed_by for w in unheld] == [Closing.WATERMARK]
    assert unheld[0].missing == ("mic",)
    assert [u.late_for for u in late] == [(at(0),)]
    assert held == []


def test_a_source_slower_than_the_window_is_not_awaited() -> None:
    slow = replace(MICROPHONE, every=timedelta(seconds=60))
    assembler = claimed(CAMERA, slow)
    assembler.add([frame(1, 0), frame(15, 1)])

    window = close(assembler, 15)[0]

    assert window.closed_by is Closing.WATERMARK
    assert window.missing == ()


def test_a_sensor_beyond_its_validity_is_not_awaited() -> None:
    gone = replace(MICROPHONE, valid_to=BEGINNING)
    assembler = claimed(CAMERA, gone)
    assembler.add([frame(1, 0), frame(15, 1)])

    assert close(assembler, 15)[0].missing == ()


@pytest.mark.parametrize("second", [0.0, 40.0])
def test_every_span_of_a_sensor_holds_the_watermark_and_is_told_missing(second: float) -> None:
    spans = (
        replace(MICROPHONE, valid_from=at(0), valid_to=at(30)),
        replace(MICROPHONE, valid_from=at(40)),
    )
    assembler = claimed(CAMERA, *spans)
    times = (second + 1, second + 15)
    assembler.add([frame(s, i, appended=i) for i, s in enumerate(times)])

    held = close(assembler, 24.9)
    window = close(assembler, 25)[0]

    assert held == []
    assert (window.closed_by, window.missing) == (Closing.WAITING, ("mic",))


def test_between_two_spans_a_sensor_is_not_awaited() -> None:
    spans = (replace(MICROPHONE, valid_to=at(10)), replace(MICROPHONE, valid_from=at(40)))
    assembler = claimed(CAMERA, *spans)
    assembler.add([frame(21, 0), frame(35, 1)])

    window = close(assembler, 35)[0]

    assert (window.closed_by, window.missing) == (Closing.WATERMARK, ())


def test_each_span_has_its_own_pace() -> None:
    slow = replace(MICROPHONE, valid_to=at(30), every=timedelta(seconds=60))
    assembler = claimed(CAMERA, slow, replace(MICROPHONE, valid_from=at(30)))
    assembler.add([frame(11, 0), frame(25, 1)])

    paced = close(assembler, 25)
    assembler.add([frame(31, 2), frame(45, 3)])

    assert [(w.key.start, w.missing) for w in paced] == [(at(10), ())]
    assert [(w.key.start, w.missing) for w in close(assembler, 60)] == [
        (at(20), ()),
        (at(30), ("mic",)),
    ]


def test_a_sensor_is_expected_in_a_window_whose_last_instant_it_is_valid_at() -> None:
    last = replace(MICROPHONE, source="last", valid_to=at(10))
    gone = replace(MICROPHONE, source="gone", valid_to=at(9.9))
    next_one = replace(MICROPHONE, source="next", valid_from=at(10))
    assembler = claimed(CAMERA, last, gone, next_one)
    assembler.add([frame(1, 0), frame(15, 1)])

    assert close(assembler, 40)[0].missing == ("last",)


def test_text_opens_windows_where_the_sensors_have_gone() -> None:
    gone, coming = replace(CAMERA, valid_to=at(-10)), replace(CAMERA, valid_from=at(10))
    note = make_event(Modality.TEXT, 3, source="hand", offset=0)
    opened = []
    for sensors in ((gone,), (gone, coming)):
        assembler = claimed(*sensors)
        assembler.admit(Fresh(entries=tuple(u.event for u in assembler.add([note]))))
        opened.append(len(close(assembler, 28)))

    assert opened == [1, 0]


def test_the_same_identity_twice_is_one_event() -> None:
    assembler = claimed(CAMERA)

    left = assembler.add([frame(1, 0, id="x"), frame(1, 1, id="x"), frame(15, 2)])
    window = close(assembler, 15)[0]

    assert left == []
    assert [e.position.offset for e in window.items] == [0]
    assert assembler.progress(())[0].dropped == {"duplicate": 1}


def test_late_media_leaves_the_assembler_and_comes_back_by_admission_only() -> None:
    assembler = claimed(CAMERA)
    assembler.add([frame(1, 0), frame(15, 1)])
    close(assembler, 15)

    untaken = assembler.add([frame(2, 2)])
    assembler.admit(Fresh(late=tuple(untaken)))
    progress = assembler.progress(())[0]

    assert untaken[0].late_for == (at(0),)
    assert (progress.received, progress.in_flight) == (3, 1)


def test_over_its_byte_budget_the_longest_open_window_closes_with_its_assets_earlier_ones() -> None:
    assembler = claimed(policy=WindowPolicy(budget_bytes=2048))
    other = "n/h/l/other"
    assembler.add(
        [
            frame(11, 0, payload=b"x" * 600, appended=1),
            frame(1, 1, payload=b"x" * 100, appended=2),
            frame(2, 2, payload=b"x" * 500, appended=3, asset=other),
        ]
    )

    windows = close(assembler, 4)

    assert [(w.key.asset, w.key.start) for w in windows] == [(ASSET, at(0)), (ASSET, at(10))]
    assert {w.closed_by for w in windows} == {Closing.MEMORY}


def test_at_most_the_limit_closes_in_one_step_earliest_ends_first() -> None:
    assembler = claimed(CAMERA, policy=WindowPolicy(close_limit=2))
    assembler.add([frame(s, i) for i, s in enumerate((1, 11, 21, 31, 60))])

    first = close(assembler, 60)
    more = assembler.more
    second = close(assembler, 60)

    assert [w.key.start for w in first] == [at(0), at(10)]
    assert more
    assert [w.key.start for w in second] == [at(20), at(30)]


def test_hopping_windows_share_their_events_and_count_them_once() -> None:
    assembler = claimed(CAMERA, policy=WindowPolicy(hop_seconds=5.0))
    assembler.add([frame(7, 0), frame(20, 1)])

    windows = close(assembler, 20)

    assert [w.key.start for w in windows] == [at(0), at(5)]
    assert all([e.offset for e in [i.position for i in w.items]] == [0] for w in windows)
    assert assembler.progress(())[0].in_flight == 1


def test_text_opens_a_window_only_where_nobody_is_awaited() -> None:
    note = make_event(Modality.TEXT, 3, source="hand", offset=0)
    lonely, watched = claimed(), claimed(CAMERA)

    for assembler in (lonely, watched):
        untaken = assembler.add([note])
        assembler.admit(Fresh(entries=tuple(u.event for u in untaken)))

    assert [w.closed_by for w in close(lonely, 28)] == [Closing.WAITING]
    assert close(watched, 1000) == []


def test_text_opens_windows_once_a_sound_that_reached_beyond_its_window_was_waited_for() -> None:
    assembler = claimed(MICROPHONE)
    assembler.add([chunk(9.5, 0)])
    waited = close(assembler, 9.5 + 25)

    assembler.admit(Fresh(entries=(make_event(Modality.TEXT, 50, offset=3),)))

    assert [(w.key.start, w.closed_by) for w in waited] == [(at(0), Closing.WAITING)]
    assert [w.key.start for w in close(assembler, 100)] == [at(50)]


def test_a_late_sound_that_reaches_beyond_the_frontier_makes_nobody_wait_again() -> None:
    assembler = claimed(MICROPHONE)
    assembler.add([chunk(9.5, 0)])
    close(assembler, 9.5 + 25)
    late = make_event(Modality.AUDIO, 9.7, source="mic", offset=1)
    (untaken,) = assembler.add([late])

    assembler.admit(Fresh(late=(untaken,)))
    assembler.admit(Fresh(entries=(make_event(Modality.TEXT, 50, offset=3),)))

    assert [w.key.start for w in close(assembler, 100)] == [at(50)]


STRAYS = WindowPolicy(stray_after_seconds=60.0, most_strays=2)


def stray(name: str, seconds: float, offset: int) -> Event:
    return make_event(Modality.IMAGE, seconds, source=name, offset=offset)


def test_a_source_nobody_registered_is_missed_for_a_while_and_then_no_more() -> None:
    assembler = claimed(CAMERA, policy=STRAYS)
    assembler.add([stray("cmms", 1, 0), *(frame(2.0 * n, n) for n in range(1, 100))])

    missing = {w.key.start: w.missing for w in close(assembler, 200)}

    assert missing[at(10)] == ("cmms",)
    assert missing[at(50)] == ("cmms",)
    assert missing[at(180)] == ()


def test_the_gap_of_a_source_nobody_registered_ends_when_it_is_given_up() -> None:
    assembler = claimed(CAMERA, policy=STRAYS)
    assembler.add([stray("cmms", 1, 0), frame(2, 1)])
    assembler.add([frame(float(second), second) for second in range(3, 62)])
    began = assembler.close(arrival(62))[1]
    assembler.add([frame(float(second), second) for second in range(62, 140)])
    ended = [gap for second in range(62, 200, 10) for gap in assembler.close(arrival(second))[1]]

    assert [(gap.source, gap.ended) for gap in began] == [("cmms", None)]
    assert [(gap.source, gap.ended is None) for gap in ended if gap.source == "cmms"] == [
        ("cmms", False)
    ]


def test_only_so_many_sources_that_nobody_registered_are_waited_for_but_all_are_taken() -> None:
    assembler = claimed(CAMERA, policy=STRAYS)
    names = [f"image-{number}.jpg" for number in range(20)]
    assembler.add([stray(name, 1 + 0.1 * n, n) for n, name in enumerate(names)])
    assembler.add([frame(float(second), 100 + second) for second in range(2, 40)])

    windows = close(assembler, 40)

    assert len({e.source for e in windows[0].items if e.source != "cam"}) == len(names)
    assert windows[1].missing == ("image-0.jpg", "image-1.jpg")


def test_strays_that_were_given_up_make_room_for_others() -> None:
    assembler = claimed(CAMERA, policy=STRAYS)
    assembler.add([stray("a", 1, 0), stray("b", 2, 1)])
    for second in range(3, 200):
        assembler.add([frame(float(second), second)])
        assembler.close(arrival(second))
    assembler.add([stray("c", 201, 300), *(frame(200.0 + n, 400 + n) for n in range(60))])

    windows = {w.key.start: w.missing for w in close(assembler, 260)}

    assert windows[at(220)] == ("c",)


def test_silence_makes_one_gap_that_the_next_event_ends() -> None:
    assembler = claimed(CAMERA)
    assembler.add([frame(1, 0)])

    none = assembler.close(arrival(60.9))[1]
    begun = assembler.close(arrival(61))[1]
    again = assembler.close(arrival(200))[1]
    assembler.add([frame(300, 1)])
    ended = assembler.close(arrival(300))[1]

    assert none == [] == again
    assert [(g.source, g.kind, g.started, g.ended) for g in begun] == [
        ("cam", GapKind.QUIET, at(1), None)
    ]
    assert [(g.started, g.ended) for g in ended] == [(at(1), at(300))]


def test_a_registered_source_that_never_spoke_is_quiet_once_its_asset_speaks() -> None:
    assembler = claimed(CAMERA, MICROPHONE)
    assembler.add([frame(1, 0), frame(50, 1), frame(62, 2)])

    gaps = assembler.close(arrival(62))[1]

    assert [g.source for g in gaps] == ["mic"]


def test_nothing_closes_before_the_partition_is_back_at_what_was_read() -> None:
    assembler = claimed(CAMERA)
    assembler.add([frame(1, 0), frame(50, 1)])

    assert assembler.close(arrival(99, ready=False)) == ([], [])


def test_needed_from_waits_for_open_windows_and_for_shards() -> None:
    assembler = claimed(CAMERA)
    assembler.add([frame(1, 0), frame(15, 1)])
    window = assembler.close(arrival(15, through=2))[0][0]

    unsealed = assembler.progress(())[0].topics["mm.frames"].needed_from
    row = ShardRow(key=window.key, late=False, evidence=window.evidence)
    shard = Shard(id="s", partition=0, epoch=1, rows=(row,), uri="file:s", bytes=1)
    sealed = assembler.progress((shard,))[0].topics["mm.frames"].needed_from

    assert (unsealed, sealed) == (0, 1)


def test_what_retention_took_in_flight_is_dropped_by_that_name_and_its_windows_say_so() -> None:
    first = claimed(CAMERA)
    first.add([frame(1, 0), frame(2, 1)])
    first.close(arrival(2, through=2))
    claim = Claim(
        partition=0,
        epoch=2,
        progress=first.progress(())[0],
        assets=first.changed(),
        sensors=(CAMERA,),
    )
    second = Assembler(POLICY)
    second.restore(claim)
    loss = Gap(
        partition=0,
        asset="",
        source="mm.frames",
        kind=GapKind.DATA,
        started=at(2),
        first_offset=0,
        last_offset=1,
    )
    second.lose([loss])
    second.add([replace(frame(2, 1), seen=True), frame(15, 2)])

    window = second.close(arrival(15, through=3))[0][0]
    progress = second.progress(())[0]

    assert progress.dropped == {"retention": 1}
    assert (progress.received, progress.in_flight) == (3, 1)
    assert window.evidence_lost is not None
    assert "mm.frames 0..1" in window.evidence_lost


def test_a_claim_restores_watermark_frontier_and_set_aside_sources() -> None:
    first = claimed(CAMERA, MICROPHONE)
    first.add([frame(1, 0)])
    first.close(arrival(26))
    states = first.changed()
    second = Assembler(POLICY)
    second.restore(Claim(partition=0, epoch=2, progress=None, assets=states))

    untaken = second.add([frame(9, 1)])

    assert states[0].frontier == at(10)
    assert states[0].sources["mic"].set_aside
    assert [u.late_for for u in untaken] == [(at(0),)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("length_seconds", 0.5),
        ("hop_seconds", 11.0),
        ("grace_seconds", -1.0),
        ("max_wait_seconds", 3601.0),
        ("quiet_after_seconds", 0.0),
        ("horizon_seconds", -1.0),
        ("budget_bytes", 10),
        ("close_limit", 0),
        ("name", ""),
    ],
)
def test_a_policy_out_of_range_is_refused_by_name(field: str, value: float | str) -> None:
    with pytest.raises(ValueError, match=field):
        WindowPolicy(**{field: value})  # type: ignore[arg-type]
