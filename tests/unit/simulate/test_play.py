from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from mmindustry.simulate.play import Nowhere, Play, run_simulation, truth_of
from mmindustry.simulate.roads import Emission
from mmindustry.simulate.scenario import healthy_scenario
from mmindustry.testing.clock import HandClock

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Cranked:
    """A stop whose waiting lets time pass on a hand clock; it ends at a set second."""

    def __init__(self, clock: HandClock, end: float = 1e9) -> None:
        self.clock = clock
        self.end = end

    def wait(self, seconds: float, /) -> bool:
        self.clock.crank(max(0.0, min(seconds, self.end - self.clock.monotonic())))
        return self.clock.monotonic() >= self.end


class Ledger:
    """A publisher that notes when each message left."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.sent: list[tuple[float, str, bytes]] = []

    def send(
        self,
        topic: str,
        messages: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
    ) -> Sequence[int]:
        at = self.clock.monotonic()
        self.sent += [(at, topic, value or b"") for _, value, _ in messages]
        return [0] * len(messages)


@pytest.mark.parametrize("speed", [1.0, 4.0], ids=["real time", "four times"])
def test_each_message_leaves_when_it_is_due(speed: float) -> None:
    plant, clock = healthy_scenario().plant(START), HandClock(START)
    ledger, due = Ledger(clock), list(plant.emissions(5))

    count = run_simulation(
        plant,
        ledger,
        clock=clock,
        stop=Cranked(clock),
        play=Play(speed=speed, until_seconds=5),
    )

    assert count == len(due) == len(ledger.sent)
    left = {value: at for at, _, value in ledger.sent}
    for emission in due:
        expected = (emission.arrival - START).total_seconds() / speed
        assert left[emission.value] == pytest.approx(expected, abs=1.0 / speed)
        assert left[emission.value] >= expected - 1e-6


def test_at_the_fastest_nothing_is_waited_for() -> None:
    plant, clock = healthy_scenario().plant(START), HandClock(START)
    ledger = Ledger(clock)

    count = run_simulation(
        plant, ledger, clock=clock, stop=Cranked(clock), play=Play(speed=None, until_seconds=5)
    )

    assert clock.monotonic() == 0
    assert count == len(ledger.sent) == len(list(plant.emissions(5)))


def test_a_stop_ends_the_play_at_once() -> None:
    plant, clock = healthy_scenario().plant(START), HandClock(START)
    ledger = Ledger(clock)

    run_simulation(plant, ledger, clock=clock, stop=Cranked(clock, end=3.0), play=Play())

    assert clock.monotonic() == 3.0
    assert max(at for at, _, _ in ledger.sent) <= 3.0


def test_messages_of_one_topic_keep_their_order() -> None:
    plant, clock = healthy_scenario().plant(START), HandClock(START)
    ledger = Ledger(clock)

    run_simulation(
        plant, ledger, clock=clock, stop=Cranked(clock), play=Play(speed=None, until_seconds=6)
    )

    for topic in ("mm.frames", "mm.audio", "mm.states"):
        sent = [value for _, name, value in ledger.sent if name == topic]
        assert sent == [e.value for e in plant.emissions(6) if e.topic == topic]


def test_the_truth_is_told_once_a_message_and_never_sent() -> None:
    plant, clock = healthy_scenario().plant(START), HandClock(START)
    told: list[Emission] = []

    count = run_simulation(
        plant,
        Nowhere(),
        clock=clock,
        stop=Cranked(clock),
        play=Play(speed=None, until_seconds=3, told=told.append),
    )

    assert len(told) == count
    document = truth_of(told[0])
    assert {"topic", "id", "source", "time", "arrival", "asset", "fault"} <= set(document)
    assert all(b"severity" not in e.value and "fault" not in dict(e.headers) for e in told)


def test_a_speed_that_never_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Play(speed=0.0)
