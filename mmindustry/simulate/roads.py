"""The way from a sensor into the stream: clocks that are off, delays, duplicates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from mmindustry.domain import Modality
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.wire import Content, Item, later


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """One message on its way: `time` as the sensor's clock told it, `arrival` when it reaches the
    stream; `truth_note` is never sent."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    time: datetime
    arrival: datetime
    truth_note: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a sensor gave, in true seconds since the start: begun `at`, whole after `lasts`."""

    machine: Machine
    content: Content
    at: float
    lasts: float
    held_back: float
    note: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Road:
    """Carries what sensors give; the same item takes the same way each time."""

    policy: SimulatePolicy
    start: datetime
    topics: Mapping[Modality, str]

    def carry(self, given: Given, sequence: int) -> Iterator[Emission]:
        """Yield the message, and its duplicate now and then."""
        rng = generator(self.policy.seed, "road", given.machine.number, sequence)
        item = self._item(given, sequence, rng)
        emission = self._emission(item, given)
        yield emission
        if rng.random() < self.policy.duplicate_share:
            again = emission.arrival + timedelta(seconds=float(rng.uniform(0.05, 5)))
            yield self._emission(item, given, arrival=again)

    def _item(self, given: Given, sequence: int, rng: np.random.Generator) -> Item:
        delay = self.policy.latency_seconds * float(rng.lognormal(0.0, 0.4)) + given.held_back
        if rng.random() < self.policy.late_share:
            delay += self.policy.late_seconds * float(rng.lognormal(0.0, 0.8))
        item = Item(
            machine=given.machine,
            content=given.content,
            time=self.start,
            arrival=later(self.start, given.at + given.lasts + delay),
            id=f"{self.policy.seed}-{given.machine.number}-{sequence}",
        )
        told = given.at + self._clock_error(given.machine, item.modality, given.at)
        return Item(
            machine=item.machine,
            content=item.content,
            time=later(self.start, told),
            arrival=item.arrival,
            id=item.id,
        )

    def _clock_error(self, machine: Machine, modality: Modality, at: float) -> float:
        """Return how far a sensor's clock is off: its offset and its drift since the start."""
        rng = generator(self.policy.seed, "clock", machine.number, modality.value)
        offset = rng.normal() * self.policy.clock_offset_seconds
        return float(offset + at * rng.normal() * self.policy.clock_drift_ppm * 1e-6)

    def _emission(self, item: Item, given: Given, arrival: datetime | None = None) -> Emission:
        encoded = item.encoded()
        return Emission(
            topic=self.topics[item.modality],
            key=encoded.key,
            value=encoded.value,
            headers=encoded.headers,
            time=item.time,
            arrival=arrival or item.arrival,
            truth_note=given.note,
        )
