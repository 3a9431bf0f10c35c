"""Plants told by hand: the one of `mmindustry demo`, and the same without a fault."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from mmindustry.codec.policy import CodecPolicy
from mmindustry.simulate.agenda import Script, ScriptedNote
from mmindustry.simulate.faults import Decay
from mmindustry.simulate.machine import draw_machine
from mmindustry.simulate.plant import SimulatedPlant
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.situation import Twin
from mmindustry.simulate.truth import Episode
from mmindustry.simulate.wire import later

ONSET_SECONDS = 12.0
"""When the demo's fault begins, after the start."""
SEVERE_SECONDS = 20.0
"""When it is severe (severity 0.9)."""
FAILURE_SECONDS = 3600.0
"""When the machine would fail: the plant goes on until the demo ends."""

_FAULT = "bearing_outer"
_SICK = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A plant with its story. `policy` and `script` make it; `fault` names what comes, "" for
    nothing, on the machine at `path`."""

    policy: SimulatePolicy
    fault: str
    path: str
    script: Callable[[datetime], Script]

    def plant(self, start: datetime, *, codec: CodecPolicy | None = None) -> SimulatedPlant:
        """Return the plant, its first second at `start`."""
        return SimulatedPlant(self.policy, start, script=self.script(start), codec=codec)


def demo_scenario(seed: int = 7) -> Scenario:
    """Return four machines of which one loses a bearing's outer race within twenty seconds.

    It is heard (impacts), seen (smoke, shaking) and written of; around the healthy ones stand
    look-alikes: a hosed floor, a welder's plume, a transformer's hum.
    """
    policy = _steady(seed)
    machine = draw_machine(policy, _SICK)

    def script(start: datetime) -> Script:
        episode = Episode(
            asset=machine.path,
            fault=_FAULT,
            onset=later(start, ONSET_SECONDS),
            failure=later(start, ONSET_SECONDS + FAILURE_SECONDS),
            decay=_steep(),
        )
        return replace(_calm(policy), episodes=(episode,), notes=(*_daily(policy), *_alarmed()))

    return Scenario(policy=policy, fault=_FAULT, path=machine.path, script=script)


def healthy_scenario(seed: int = 7) -> Scenario:
    """Return the demo's plant, look-alikes and daily entries included, without its fault."""
    policy = _steady(seed)

    def script(_: datetime) -> Script:
        return replace(_calm(policy), notes=_daily(policy))

    return Scenario(policy=policy, fault="", path="", script=script)


def _steady(seed: int) -> SimulatePolicy:
    """Return the demo's settings: good clocks, quick roads and good parts, so that a minute shows
    the fault and nothing else raises an alarm."""
    return SimulatePolicy(
        seed=seed,
        assets=4,
        site="demo",
        frame_every_seconds=1.0,
        state_every_seconds=2.0,
        defect_ratio=0.0,
        clock_offset_seconds=0.05,
        clock_drift_ppm=0.0,
        latency_seconds=0.1,
        duplicate_share=0.005,
        late_share=0.0,
        outages_per_hour=0.0,
        broken_sensors_per_hour=0.0,
    )


def _steep() -> Decay:
    """Return severity that climbs to 0.9 within eight seconds of an hour and on to 1 at its end.

    The grid is as fine as the climb, a point each second.
    """
    seconds = np.arange(FAILURE_SECONDS + 1)
    climb = SEVERE_SECONDS - ONSET_SECONDS
    rising = 0.9 * np.minimum(1.0, seconds / climb)
    slow = 0.06 * np.clip((seconds - climb) / 60, 0, 1)
    last = 0.04 * np.clip((seconds - climb) / (FAILURE_SECONDS - climb), 0, 1)
    return Decay(tuple(float(v) for v in rising + slow + last))


def _calm(policy: SimulatePolicy) -> Script:
    """Return the look-alikes that stand around, with no fault and no entry."""
    twins = (
        (0, frozenset({Twin.WASH_DOWN})),
        (2, frozenset({Twin.WELDING})),
        (3, frozenset({Twin.TRANSFORMER})),
    )
    return Script(twins=tuple(pair for pair in twins if pair[0] < policy.assets))


def _daily(policy: SimulatePolicy) -> tuple[ScriptedNote, ...]:
    """Return entries of an ordinary day on every machine."""
    lines = (
        (0, 2.0, "P-101 hosed dn floor 0610", "b.okoro"),
        (1, 3.0, "P-102 greased DE brg WO44120", "a.miller"),
        (2, 4.0, "welders working next bay", "d.hughes"),
        (3, 5.0, "P-104点检正常", "zhang.wei"),
        (0, 26.0, "P-101 oil lvl ok topped up", "b.okoro"),
        (2, 31.0, "P-103 shift handover nothing to report", "d.hughes"),
    )
    return tuple(_line(*line) for line in lines if line[0] < policy.assets)


def _alarmed() -> tuple[ScriptedNote, ...]:
    """Return what the crew writes of the failing bearing."""
    return (
        _line(_SICK, 17.0, "P-102 grinding noise fm DE brg", "a.miller"),
        _line(_SICK, 22.0, "P-102 smoke fm DE brg, outer race damage suspected", "c.novak"),
        _line(_SICK, 40.0, "P-102 驱动端轴承异响 冒烟", "wang.fang"),
    )


def _line(machine: int, seconds: float, text: str, author: str) -> ScriptedNote:
    return ScriptedNote(
        machine=machine, seconds=seconds, arrival_seconds=seconds + 0.5, text=text, author=author
    )
