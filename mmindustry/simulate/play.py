"""Sends a simulated plant into the stream, at its own pace or faster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmindustry.clock import Clock
from mmindustry.ports import Publisher
from mmindustry.simulate.plant import SimulatedPlant
from mmindustry.simulate.roads import Emission

_BATCH = 64


class Stop(Protocol):
    """A `threading.Event`, a daemon's stop, or one cranked by hand."""

    def wait(self, seconds: float, /) -> bool:
        """Return whether the end is asked for, at once or within `seconds` (0: now)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """How to play: `speed` times real time, None = as fast as it goes; until when, in seconds of
    plant time, None = for ever; who is `told` of each message once it is sent."""

    speed: float | None = 1.0
    until_seconds: float | None = None
    told: Callable[[Emission], None] | None = None

    def __post_init__(self) -> None:
        """Refuse a speed that never ends."""
        if self.speed is not None and self.speed <= 0:
            raise ValueError(f"speed is {self.speed}; it must be above 0, or None for the fastest")


def run_simulation(
    plant: SimulatedPlant,
    publisher: Publisher,
    *,
    clock: Clock,
    stop: Stop,
    play: Play | None = None,
) -> int:
    """Publish every message when it is due and return how many were sent.

    Messages due together leave together, a topic at a time, in order of arrival within a topic.

    Args:
        plant: Whose `start` is taken as the moment of the call.
        publisher: Where to; acknowledged before the next are sent.
        clock: Its stop-watch paces the play.
        stop: Set to end early.
        play: Speed, end and who is told; at real time for ever where not given.

    Raises:
        DependencyDown: The stream is out of reach.
    """
    play = play or Play()
    begun, sent = clock.monotonic(), 0
    due: list[Emission] = []
    for emission in plant.emissions(play.until_seconds):
        wait = _wait_seconds(emission, plant, play, clock.monotonic() - begun)
        if wait > 0 or len(due) == _BATCH:
            sent += _send(due, publisher, play.told)
        if stop.wait(max(wait, 0.0)):
            return sent + _send(due, publisher, play.told)
        due.append(emission)
    return sent + _send(due, publisher, play.told)


def _wait_seconds(
    emission: Emission, plant: SimulatedPlant, play: Play, elapsed_seconds: float
) -> float:
    """Return how long until the message is due; 0 or less: it is."""
    if play.speed is None:
        return 0.0
    return (emission.arrival - plant.start).total_seconds() / play.speed - elapsed_seconds


def _send(
    due: list[Emission], publisher: Publisher, told: Callable[[Emission], None] | None
) -> int:
    """Publish and empty `due`; return how many it held."""
    topics: dict[str, list[Emission]] = {}
    for emission in due:
        topics.setdefault(emission.topic, []).append(emission)
    for topic, batch in topics.items():
        publisher.send(topic, [(e.key, e.value, e.headers) for e in batch])
    if told is not None:
        for emission in due:
            told(emission)
    count = len(due)
    due.clear()
    return count


def truth_of(emission: Emission) -> Mapping[str, object]:
    """Return a message's truth as plain JSON: what it is, when, and what is so."""
    headers = dict(emission.headers)
    return {
        "topic": emission.topic,
        "id": headers["ce_id"].decode(),
        "source": headers["ce_source"].decode(),
        "time": emission.time.isoformat(),
        "arrival": emission.arrival.isoformat(),
        **emission.truth_note,
    }


class Nowhere:
    """A publisher that keeps nothing: for looking at what would be sent."""

    def send(
        self,
        topic: str,
        messages: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
    ) -> Sequence[int]:
        """Return partition 0 for each."""
        del topic
        return [0] * len(messages)
