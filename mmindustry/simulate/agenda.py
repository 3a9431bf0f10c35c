"""What happens to one machine over time: shifts, load, faults, repairs, neighbours, troubles.

All is looked up by slot of time, each slot with a random stream of its own: any moment can be
asked, in any order, and the answer is the same.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from mmindustry.domain import Modality
from mmindustry.simulate.faults import (
    CATALOGUE,
    HEALTHY,
    draw_decay,
    draw_hours_to_onset,
    draw_life_hours,
)
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import Situation, Twin, draw_speed, draw_twins
from mmindustry.simulate.truth import Episode
from mmindustry.simulate.wire import later

_TWIN_SLOT_SECONDS = 600.0
_LOAD_SLOT_SECONDS = 300.0
_RAMP_SECONDS = 20.0
_OVERHAUL_SHARE = 0.3
_REPAIR_HOURS = 3.0
_SHORT_STOP_SHARE = 0.02
_NIGHT_STOP_SHARE = 1 / 3
_NIGHT = (22, 5)
_DROWNED_SEVERITY = 0.93
_BROKEN_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A plant told by hand: these episodes and no others, machines that never stop, sensors that
    work, and look-alikes that stay. `twins`: machine number -> what is near it all the time."""

    episodes: tuple[Episode, ...] = ()
    twins: tuple[tuple[int, frozenset[Twin]], ...] = ()
    notes: tuple["ScriptedNote", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedNote:
    """A log entry at a moment: seconds after the start when noticed, and when it arrives."""

    machine: int
    seconds: float
    arrival_seconds: float
    text: str
    author: str


@dataclass(slots=True)
class Agenda:
    """One machine's life. `at` seconds are counted from `start`."""

    machine: Machine
    policy: SimulatePolicy
    start: datetime
    script: Script | None = None
    _episodes: list[Episode] = field(default_factory=list)
    _to_come: Iterator[Episode] = field(default_factory=lambda: iter(()))
    _slots: dict[tuple[str, int], object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take the faults of the script, or make ready to draw them."""
        if self.script is None:
            self._to_come = _draw_episodes(self.machine, self.policy, self.start)
            self._episodes.append(next(self._to_come))
        else:
            mine = (e for e in self.script.episodes if e.asset == self.machine.path)
            self._episodes = sorted(mine, key=lambda episode: episode.onset)

    def episodes(self, until: datetime) -> tuple[Episode, ...]:
        """Return the faults that begin at or before `until`, by onset, drawn as far as needed."""
        return tuple(self._episodes[: self._begun(until)])

    def situation(self, at: float) -> Situation:
        """Return what is true `at` seconds after the start."""
        moment = later(self.start, at)
        episode = self.episode(moment)
        speed_rpm, load_ratio = self._operating(at)
        return Situation(
            fault=episode.fault if episode else HEALTHY,
            severity=episode.severity(moment) if episode else 0.0,
            speed_rpm=speed_rpm,
            load_ratio=load_ratio,
            twins=self._twins(at),
            running=self.running(at),
            loudness_dbfs=self.machine.microphone.level_dbfs + 2 * self._habit("loudness", at),
            light=0.7 if self.script else _daylight(moment),
            variant=0.5 + 0.5 * float(np.tanh(self._habit("variant", 0.0))),
        )

    def episode(self, moment: datetime) -> Episode | None:
        """Return the fault under way at `moment`."""
        last = self._last_begun(moment)
        return last if last is not None and moment <= last.last else None

    def _last_begun(self, moment: datetime) -> Episode | None:
        place = self._begun(moment)
        return self._episodes[place - 1] if place else None

    def _begun(self, moment: datetime) -> int:
        """Return how many faults have begun by `moment`, drawing them where they aren't yet."""
        while self.script is None and self._episodes[-1].onset <= moment:
            self._episodes.append(next(self._to_come))
        return bisect_right(self._episodes, moment, key=lambda episode: episode.onset)

    def running(self, at: float) -> bool:
        """Return whether the machine turns: not at night shifts off, short stops and repairs."""
        if self.script is not None:
            return True
        moment = later(self.start, at)
        if self._under_repair(moment):
            return False
        stops_at_night = generator(self.policy.seed, "night", self.machine.number).random()
        if stops_at_night < _NIGHT_STOP_SHARE and not _NIGHT[1] <= moment.hour < _NIGHT[0]:
            return False
        return not self._happens("stop", at, _LOAD_SLOT_SECONDS, _SHORT_STOP_SHARE)

    def trouble(self, modality: Modality, at: float) -> str:
        """Return what ails a sensor: "" nothing, `outage`, or a bounded sensor-fault code.

        Outages come in bursts, and a leak in its last stage drowns the microphone.
        """
        if self.script is not None:
            return ""
        return self._drowned(modality, at) or self._broken(modality, at)

    def _drowned(self, modality: Modality, at: float) -> str:
        moment = later(self.start, at)
        episode = self.episode(moment)
        if modality is not Modality.AUDIO or episode is None or episode.fault != "seal_leak":
            return ""
        return "microphone_silent" if episode.severity(moment) > _DROWNED_SEVERITY else ""

    def _broken(self, modality: Modality, at: float) -> str:
        slot = self.policy.outage_seconds
        share = self.policy.outages_per_hour * slot / 3600
        if self._happens(f"outage-{modality}", at, slot, share):
            return "outage"
        codes, share = _BROKEN.get(modality, ("",)), self.policy.broken_sensors_per_hour / 6
        broken = self._happens(f"broken-{modality}", at, _BROKEN_SECONDS, share)
        return codes[int(at // _BROKEN_SECONDS) % len(codes)] if broken else ""

    def _under_repair(self, moment: datetime) -> bool:
        episode = self._last_begun(moment)
        if episode is None:
            return False
        back = later(episode.last, 3600 * _REPAIR_HOURS / self.policy.acceleration)
        return episode.last < moment < back

    def _operating(self, at: float) -> tuple[float, float]:
        """Return (speed, load): a level for each five minutes, with a ramp to the next."""
        if self.script is not None:
            return self.machine.shaft_rpm, 0.75
        slot = int(at // _LOAD_SLOT_SECONDS)
        now, before = self._level(slot), self._level(slot - 1)
        share = min(1.0, (at - slot * _LOAD_SLOT_SECONDS) / _RAMP_SECONDS)
        return (
            before[0] + (now[0] - before[0]) * share,
            before[1] + (now[1] - before[1]) * share,
        )

    def _level(self, slot: int) -> tuple[float, float]:
        """Return a slot's operating point; two slots in three keep that of the slot before."""
        rng = generator(self.policy.seed, "load", self.machine.number, slot - slot % 3)
        return draw_speed(self.machine, rng, self.policy.speed_low_ratio)

    def _twins(self, at: float) -> frozenset[Twin]:
        if self.script is not None:
            return dict(self.script.twins).get(self.machine.number, frozenset())
        key = ("twins", int(at // _TWIN_SLOT_SECONDS))
        if key not in self._slots:
            rng = generator(self.policy.seed, *key, self.machine.number)
            self._slots = {key: draw_twins(rng, self.policy.twin_share)}
        found = self._slots[key]
        return found if isinstance(found, frozenset) else frozenset()

    def _happens(self, kind: str, at: float, slot_seconds: float, share: float) -> bool:
        number, slot = self.machine.number, int(at // slot_seconds)
        return bool(generator(self.policy.seed, kind, number, slot).random() < share)

    def _habit(self, kind: str, at: float) -> float:
        slot = int(at // 3600)
        return float(generator(self.policy.seed, kind, self.machine.number, slot).normal())


_BROKEN: dict[Modality, Sequence[str]] = {
    Modality.IMAGE: ("camera_frozen", "camera_black"),
    Modality.AUDIO: ("microphone_silent", "microphone_clipped"),
}


def _daylight(moment: datetime) -> float:
    """Return the light of the hall's windows: 0 at midnight, 1 at noon."""
    hour = moment.hour + moment.minute / 60
    return float(0.5 - 0.5 * np.cos(hour / 12 * np.pi))


def _draw_episodes(machine: Machine, policy: SimulatePolicy, start: datetime) -> Iterator[Episode]:
    """Yield faults one after the other for ever; three in ten are overhauled before they fail."""
    rng = generator(policy.seed, "agenda", machine.number)
    modes = list(CATALOGUE.values())
    hours = draw_hours_to_onset(policy.fault_every_hours, rng) / policy.acceleration
    while True:
        mode = modes[int(rng.integers(len(modes)))]
        onset = later(start, 3600 * hours)
        life = draw_life_hours(mode, rng) / policy.acceleration
        overhauled, share = rng.random() < _OVERHAUL_SHARE, float(rng.uniform(0.4, 0.95))
        episode = Episode(
            asset=machine.path,
            fault=mode.name,
            onset=onset,
            failure=later(onset, 3600 * life),
            decay=draw_decay(mode, rng),
            ended=later(onset, 3600 * life * share) if overhauled else None,
        )
        yield episode
        well = _REPAIR_HOURS + draw_hours_to_onset(policy.fault_every_hours, rng)
        hours = (episode.last - start).total_seconds() / 3600 + well / policy.acceleration
