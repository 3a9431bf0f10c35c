"""Who counts as quiet: since when, by whose word, and what ends it (design: Time)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mmindustry.domain import Arrival, Claim, Event, Fresh, Gap, Modality, Sensor
from mmindustry.testing import ASSET, BEGINNING, make_event
from mmindustry.windowing.assembler import Assembler
from mmindustry.windowing.policy import WindowPolicy

CAMERA = Sensor(source="cam", asset=ASSET, modality=Modality.IMAGE)
MICROPHONE = Sensor(source="mic", asset=ASSET, modality=Modality.AUDIO)
PAST = timedelta(days=300)


def at(seconds: float) -> datetime:
    return BEGINNING + timedelta(seconds=seconds)


def frame(
    seconds: float, offset: int, *, appended: float | None = None, ago: bool = False
) -> Event:
    """Return a frame; with `ago`, of a recording made 300 days before."""
    event = make_event(
        Modality.IMAGE, seconds, source="cam", offset=offset, id=str(seconds), appended=appended
    )
    return replace(event, time=event.time - PAST, end=event.end - PAST) if ago else event


class Line:
    """An assembler over one partition, its gaps told as (source, begun, ended) in seconds."""

    def __init__(self, *sensors: Sensor) -> None:
        self.assembler = Assembler(WindowPolicy())
        self.sensors = sensors
        self.assembler.restore(Claim(partition=0, epoch=1, progress=None, sensors=sensors))

    def gaps(
        self, clock: float, *events: Event, known: Sequence[Event] = ()
    ) -> list[tuple[str, float, float | None]]:
        """Carry events of which the record knows some; return the gaps found at `clock`."""
        untaken = self.assembler.add(events)
        late = tuple(one for one in untaken if one.event not in known)
        twice = tuple(one.event for one in untaken if one.event in known)
        self.assembler.admit(Fresh(late=late, duplicates=twice))
        found = self.assembler.close({0: Arrival(at(clock), ready=True, read_through={})})[1]
        return [(gap.source, _second(gap.started), _ended(gap)) for gap in found]

    def claimed_again(self) -> "Line":
        """Return the line of another worker, that knows what the record keeps."""
        other = Line()
        other.assembler.restore(
            Claim(
                partition=0,
                epoch=2,
                progress=None,
                assets=self.assembler.changed(),
                sensors=self.sensors,
            )
        )
        return other


def _second(time: datetime) -> float:
    return (time - BEGINNING).total_seconds()


def _ended(gap: Gap) -> float | None:
    return None if gap.ended is None else _second(gap.ended)


def test_what_an_open_window_holds_already_is_no_sign_of_life() -> None:
    line = Line(CAMERA)
    line.gaps(1, frame(1, 0))

    quiet = line.gaps(61, frame(1, 1, appended=50))

    assert quiet == [("cam", 1.0, None)]


@pytest.mark.parametrize("known", [True, False])
def test_only_news_of_a_closed_window_ends_a_silence(known: bool) -> None:  # noqa: FBT001 - two cases
    line = Line(CAMERA)
    line.gaps(30, frame(1, 0))
    quiet = line.gaps(61)
    again = frame(1, 1, appended=70)

    ended = line.gaps(70, again, known=[again] if known else [])

    assert quiet == [("cam", 1.0, None)]
    assert ended == ([] if known else [("cam", 1.0, 70.0)])
    assert line.gaps(129) == []
    assert line.gaps(130) == ([] if known else [("cam", 70.0, None)])


def test_a_silence_ends_with_the_first_item_whichever_is_late() -> None:
    line = Line(CAMERA)
    line.gaps(30, frame(1, 0))
    line.gaps(61)

    ended = line.gaps(80, frame(2, 1, appended=70), frame(80, 2, appended=80))

    assert ended == [("cam", 1.0, 70.0)]


def test_a_recording_that_has_ended_is_not_quiet() -> None:
    line = Line(replace(CAMERA, valid_from=at(0) - PAST, valid_to=at(2) - PAST))
    line.gaps(10, frame(1, 0, appended=10, ago=True))

    assert [line.gaps(clock) for clock in (11, 70, 10_000)] == [[], [], []]


def test_a_recording_broken_off_is_quiet_until_it_would_have_ended() -> None:
    line = Line(replace(CAMERA, valid_to=at(101) - PAST))
    line.gaps(10, frame(1, 0, appended=10, ago=True))

    quiet = line.gaps(70)
    still = line.gaps(109.5)
    ended = line.gaps(110)

    assert (quiet, still) == ([("cam", 10.0, None)], [])
    assert ended == [("cam", 10.0, 110.0)]
    assert line.gaps(10_000) == []


def test_another_source_beyond_the_end_ends_a_silence_too() -> None:
    line = Line(replace(CAMERA, valid_to=at(1000)), MICROPHONE)
    line.gaps(1, frame(1, 0))
    quiet = line.gaps(61)
    sound = make_event(Modality.AUDIO, 1000, source="mic", appended=62)

    ended = line.gaps(62, sound)

    assert {source for source, *_ in quiet} == {"cam", "mic"}
    assert {(source, end) for source, _, end in ended} == {("cam", 62.0), ("mic", 62.0)}


def test_a_sensor_is_quiet_only_when_it_has_been_valid_for_long_enough() -> None:
    line = Line(CAMERA, replace(MICROPHONE, valid_from=at(500)))
    for second in range(0, 500, 50):
        assert line.gaps(second, frame(second, second)) == []

    assert [line.gaps(clock, frame(clock, clock)) for clock in (500, 540, 559)] == [[], [], []]
    assert line.gaps(560) == [("mic", 500.0, None)]


def test_a_sensor_is_quiet_again_in_its_next_span() -> None:
    line = Line(
        replace(CAMERA, valid_to=at(10)),
        replace(CAMERA, valid_from=at(200)),
    )
    line.gaps(1, frame(1, 0))

    assert line.gaps(199) == []
    assert line.gaps(259) == []
    assert line.gaps(260) == [("cam", 200.0, None)]


def test_the_pause_that_is_allowed_is_that_of_the_row_in_force() -> None:
    slow = replace(CAMERA, valid_to=at(50), every=timedelta(seconds=1000))
    line = Line(slow, replace(CAMERA, valid_from=at(50), every=timedelta(seconds=40)))
    line.gaps(1, frame(1, 0))

    assert line.gaps(120.9) == []
    assert line.gaps(121) == [("cam", 1.0, None)]


def test_a_claim_does_not_make_a_source_that_never_spoke_wait_anew() -> None:
    line = Line(CAMERA, MICROPHONE)
    line.gaps(1, frame(1, 0))
    line.gaps(30, frame(30, 1))

    other = line.claimed_again()

    assert other.gaps(61) == [("mic", 1.0, None)]


def test_a_source_taken_from_the_registry_before_it_spoke_is_no_longer_quiet() -> None:
    line = Line(CAMERA, MICROPHONE)
    line.gaps(1, frame(1, 0))
    quiet = line.gaps(61, frame(60, 1))
    line.assembler.register(0, [CAMERA])

    assert quiet == [("mic", 1.0, None)]
    assert line.gaps(62) == [("mic", 1.0, 62.0)]


def test_a_validity_prolonged_counts_silence_from_where_it_was_excused() -> None:
    line = Line(replace(CAMERA, valid_to=at(100)))
    line.gaps(1, frame(1, 0))
    quiet, excused = line.gaps(61), line.gaps(100)
    line.assembler.register(0, [CAMERA])

    assert (quiet, excused) == ([("cam", 1.0, None)], [("cam", 1.0, 100.0)])
    assert line.gaps(159) == []
    assert line.gaps(160) == [("cam", 100.0, None)]
