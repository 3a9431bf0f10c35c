"""A whole plant that runs: every sensor of every machine, as messages in order of arrival."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import Modality
from mmindustry.simulate.agenda import Agenda, Script
from mmindustry.simulate.camera import Camera, Picture
from mmindustry.simulate.cases import part_kind
from mmindustry.simulate.diary import written_between
from mmindustry.simulate.machine import Machine, draw_fleet
from mmindustry.simulate.microphone import Listener
from mmindustry.simulate.papers import equipment_of_fleet
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.product import EMPTY, Part, draw_part
from mmindustry.simulate.roads import Emission, Given, Road
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import Situation, names
from mmindustry.simulate.truth import Episode
from mmindustry.simulate.wire import Content, chunk_of, frame_of, later, state_of

_NO_PART_SHARE = 0.12


class SimulatedPlant:
    """A plant from `start` on. The same policy, start and script give the same bytes."""

    def __init__(
        self,
        policy: SimulatePolicy,
        start: datetime,
        *,
        script: Script | None = None,
        codec: CodecPolicy | None = None,
    ) -> None:
        if start.tzinfo is None:
            raise ValueError("start has no time zone; give an aware datetime")
        topics = {m: (codec or CodecPolicy()).topic_of(m) for m in Modality}
        self.policy = policy
        self.start = start
        self.fleet = draw_fleet(policy)
        self._agendas = tuple(Agenda(m, policy, start, script) for m in self.fleet)
        self._road = Road(policy, start, topics)

    def equipment(self) -> dict[str, object]:
        """Return the registry document for `mmindustry plant import`."""
        return equipment_of_fleet(self.fleet, self.policy)

    def episodes(self, until_seconds: float = 30 * 86_400.0) -> tuple[Episode, ...]:
        """Return the faults that begin within `until_seconds`, by onset: the truth."""
        end = later(self.start, until_seconds)
        found = [episode for agenda in self._agendas for episode in agenda.episodes(end)]
        return tuple(sorted(found, key=lambda episode: (episode.onset, episode.asset)))

    def emissions(self, until_seconds: float | None = None) -> Iterator[Emission]:
        """Yield every message in order of arrival, those begun before `until_seconds`.

        None = for ever. Sound is rendered one chunk at a time, just before it is due.
        """
        waiting: list[tuple[datetime, int, Emission]] = []
        count, tick = 0, 0
        posts = [Post(agenda) for agenda in self._agendas]
        while until_seconds is None or tick * self.policy.chunk_seconds < until_seconds:
            begin = tick * self.policy.chunk_seconds
            yield from _due(waiting, later(self.start, begin))
            for post in posts:
                for given in post.give(tick):
                    for emission in self._road.carry(given, post.next_number()):
                        count += 1
                        heapq.heappush(waiting, (emission.arrival, count, emission))
            tick += 1
        yield from _due(waiting, None)


def _due(
    waiting: list[tuple[datetime, int, Emission]], until: datetime | None
) -> Iterator[Emission]:
    while waiting and (until is None or waiting[0][0] < until):
        yield heapq.heappop(waiting)[2]


@dataclass(slots=True)
class Post:
    """All sensors around one machine, moved on one chunk of sound at a time."""

    agenda: Agenda
    _camera: Camera = field(init=False)
    _listener: Listener = field(init=False)
    _frozen: Picture | None = None
    _number: int = 0

    def __post_init__(self) -> None:
        """Put up camera and microphone."""
        self._camera = Camera(self._machine, self._policy)
        self._listener = Listener(self._machine, self._policy)

    @property
    def _machine(self) -> Machine:
        return self.agenda.machine

    @property
    def _policy(self) -> SimulatePolicy:
        return self.agenda.policy

    def next_number(self) -> int:
        """Return a number no other item of this machine has."""
        self._number += 1
        return self._number

    def give(self, tick: int) -> Iterator[Given]:
        """Yield what all sensors give in one chunk's time."""
        lasts = self._policy.chunk_seconds
        begin = tick * lasts
        situation = self.agenda.situation(begin)
        yield from self._sound(situation, begin, lasts)
        for at in _times(begin, lasts, self._policy.frame_every_seconds, self._phase("camera")):
            yield from self._frame(self.agenda.situation(at), at)
        for at in _times(begin, lasts, self._policy.state_every_seconds, self._phase("drive")):
            yield from self._state(self.agenda.situation(at), at)
        for line in written_between(self.agenda, begin, begin + lasts):
            note = self._note(situation, "")
            yield self._given(line.entry, (line.at, 0.0, line.delay_seconds), note)

    def _sound(self, situation: Situation, at: float, lasts: float) -> Iterator[Given]:
        trouble = self.agenda.trouble(Modality.AUDIO, at)
        if trouble == "outage":
            return
        heard = self._listener.give(situation, lasts, trouble)
        content = chunk_of(heard, self._policy.rate_hz)
        yield self._given(content, (at, lasts, 0.0), self._note(situation, trouble))

    def _frame(self, situation: Situation, at: float) -> Iterator[Given]:
        trouble = self.agenda.trouble(Modality.IMAGE, at)
        if trouble == "outage":
            return
        part = self.part(at)
        picture = self._picture(situation, part, at, trouble)
        note = self._note(situation, trouble)
        if not trouble:
            note |= {"product": part.state if part else EMPTY, **picture.gauges}
        yield self._given(frame_of(picture), (at, 0.0, 0.0), note)

    def _picture(self, situation: Situation, part: Part | None, at: float, trouble: str) -> Picture:
        if trouble == "camera_black":
            return self._camera.dark(seconds=at)
        if trouble == "camera_frozen" and self._frozen is not None:
            return self._frozen
        self._frozen = self._camera.see(situation, part, seconds=at)
        return self._frozen

    def _state(self, situation: Situation, at: float) -> Iterator[Given]:
        if self.agenda.trouble(Modality.STATE, at):
            return
        content = state_of(
            situation.speed_rpm,
            situation.load_ratio,
            f"{self._machine.look}-{at:.3f}",
            running=situation.running,
        )
        yield self._given(content, (at, 0.0, 0.0), self._note(situation, ""))

    def part(self, at: float) -> Part | None:
        """Return the part on the lane at a moment; it stays for the policy's dwell time."""
        slot = int(at // self._policy.dwell_seconds)
        rng = generator(self._policy.seed, "part", self._machine.number, slot)
        part = draw_part(rng, part_kind(self._machine), self._policy.defect_ratio)
        return part if rng.random() >= _NO_PART_SHARE else None

    def _phase(self, name: str) -> float:
        """Return where in its own period this sensor fires, 0..1."""
        rng = generator(self._policy.seed, "phase", name, self._machine.number)
        return float(rng.uniform(0.05, 0.9))

    def _note(self, situation: Situation, trouble: str) -> dict[str, object]:
        return {
            "asset": self._machine.path,
            "fault": situation.fault,
            "severity": round(situation.severity, 4),
            "running": situation.running,
            "twins": list(names(situation.twins)),
            "sensor_fault": trouble,
        }

    def _given(
        self,
        content: Content,
        when: tuple[float, float, float],
        note: Mapping[str, object],
    ) -> Given:
        at, lasts, held_back = when
        return Given(
            machine=self._machine,
            content=content,
            at=at,
            lasts=lasts,
            held_back=held_back,
            note=note,
        )


def _times(begin: float, lasts: float, every: float, phase: float) -> Iterator[float]:
    """Yield the moments in [begin, begin + lasts) at which a sensor fires: phase, phase + 1 ..."""
    shift = phase * every
    number = max(0, int(-(-(begin - shift) // every)))
    while (at := shift + number * every) < begin + lasts:
        if at >= begin:
            yield at
        number += 1
