"""One simulated machine over weeks: which moments are looked at, and what is rendered for each.

Weeks of sound and pictures can't be rendered. The plant's physics is asked at one moment each
`step_seconds`; of the moments after the learning days that show a healthy machine a pool is
rendered, and each such moment takes one of the pool from the same hours of the day. That changes
nothing that a monitor could use: in this plant a healthy moment's load and look-alikes last for a
quarter of an hour at most, light follows the hour, and noise is new each time. Moments of a
learning day, and of a fault that any sense shows, are rendered themselves, of a long fault every
n-th; those between take one of their rendered neighbours. Log entries are all written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Modality
from mmindustry.simulate.agenda import Agenda
from mmindustry.simulate.diary import written_between
from mmindustry.simulate.machine import draw_machine
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.wire import later
from mmindustry.training.events import Trouble

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
"""The midnight at which faults may begin; the learning days lie before it."""

DAY_SECONDS = 86_400.0
_DIARY_SECONDS = 600.0
_SENSES = (Modality.IMAGE, Modality.AUDIO, Modality.TEXT)
_SENSORS = (Modality.IMAGE, Modality.AUDIO)
_NEAREST = 3
_SAME_HOURS = 0.2  # of the pool, nearest by hour of the day: about five hours

LEARNING, HEALTHY, FAULTY, RESTING, BROKEN = range(5)
"""What a moment is: of a learning day, healthy later, with a fault that shows, the machine stands
still, a sensor is in trouble. The last two are looked at by no one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """How large the fleet is, how long it runs, how closely it is looked at."""

    seed: int = 7
    """Of machines and of all that befalls them; any whole number from 0."""
    assets: int = 20
    """Machines, at least 1."""
    days: int = 60
    """Days in all, the learning days among them; above `normal_days`."""
    normal_days: int = 7
    """First days, without a fault, all that a monitor may learn from; at least 1."""
    step_seconds: float = 1200.0
    """Pause between moments, seconds; a share of a day."""
    pool: int = 300
    """Healthy moments rendered of each machine after its learning days, at least 20."""
    fault_windows: int = 30
    """Most moments rendered of one fault, at least 5."""
    length_seconds: float = 4.0
    """Length of a window, as the bundle was trained for."""

    def __post_init__(self) -> None:
        """Refuse a fleet that can't be watched."""
        if self.assets < 1 or not 1 <= self.normal_days < self.days:
            raise ValueError("assets >= 1 and 1 <= normal_days < days must hold")
        if self.pool < 20 or self.fault_windows < 5:  # noqa: PLR2004 - as said
            raise ValueError("pool must be at least 20 and fault_windows at least 5")
        if not self.length_seconds < self.step_seconds <= DAY_SECONDS / 4:
            raise ValueError("step_seconds must exceed a window and be at most six hours")

    def plant(self) -> SimulatePolicy:
        """Return the plant's settings: pictures no larger than the network looks at them."""
        return SimulatePolicy(
            seed=self.seed, assets=self.assets, frame_width=192, frame_every_seconds=2.0
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A log entry: noticed and written so many seconds after `FIRST`."""

    noticed: float
    written: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One machine's weeks. `at`: seconds after `FIRST` of each moment; `what`: see `LEARNING` ...;
    `look`: which of `rendered` it takes, -1 for none; `rendered`: moments that are rendered."""

    asset: str
    at: NDArray[np.float64]
    what: NDArray[np.int64]
    look: NDArray[np.int64]
    rendered: tuple[float, ...]
    lines: tuple[Line, ...]
    events: tuple[Trouble, ...] = field(default=())
    """Faults that were over before the end."""
    unended: tuple[Trouble, ...] = field(default=())
    """Faults still under way at the end: neither events nor healthy time."""


def agenda_of(plan: FleetPlan, number: int) -> Agenda:
    """Return what befalls one machine of the fleet; nothing does before `FIRST`."""
    policy = plan.plant()
    return Agenda(draw_machine(policy, number), policy, FIRST)


def live(plan: FleetPlan, number: int) -> Life:
    """Return one machine's weeks, nothing rendered yet; the same plan gives the same."""
    agenda = agenda_of(plan, number)
    begin, end = -plan.normal_days * DAY_SECONDS, (plan.days - plan.normal_days) * DAY_SECONDS
    at = np.arange(begin + plan.step_seconds / 4, end, plan.step_seconds)
    what = np.array([_kind(agenda, float(moment)) for moment in at], np.int64)
    rendered, look = _looks(plan, agenda, at, what)
    events = [
        _trouble(agenda, e.fault, e.onset, e.last) for e in agenda.episodes(later(FIRST, end))
    ]
    return Life(
        asset=agenda.machine.path,
        at=at,
        what=what,
        look=look,
        rendered=tuple(rendered),
        lines=tuple(_diary(agenda, begin, end)),
        events=tuple(event for event in events if event.end <= end),
        unended=tuple(event for event in events if event.end > end),
    )


def _kind(agenda: Agenda, at: float) -> int:
    if not agenda.running(at):
        return RESTING
    if any(agenda.trouble(modality, at) for modality in _SENSORS):
        return BROKEN
    if at < 0:
        return LEARNING
    situation = agenda.situation(at)
    return FAULTY if any(situation.shows(sense) > 0 for sense in _SENSES) else HEALTHY


def _looks(
    plan: FleetPlan, agenda: Agenda, at: NDArray[np.float64], what: NDArray[np.int64]
) -> tuple[list[float], NDArray[np.int64]]:
    """Return the moments to render, and for each moment the place of the one it takes."""
    rng = generator(plan.seed, "cold", agenda.machine.number)
    look = np.full(len(at), -1, np.int64)
    learning, healthy = np.flatnonzero(what == LEARNING), np.flatnonzero(what == HEALTHY)
    rendered = [float(at[place]) for place in learning]
    look[learning] = np.arange(len(learning))
    pool = np.sort(rng.permutation(healthy)[: plan.pool])
    first = len(rendered)
    rendered += [float(at[place]) for place in pool]
    look[healthy] = first + _same_hour(at[healthy], at[pool], rng)
    look[pool] = first + np.arange(len(pool))
    for stretch in _stretches(np.flatnonzero(what == FAULTY)):
        every = max(1, -(-len(stretch) // plan.fault_windows))
        first, taken = len(rendered), stretch[::every]
        rendered += [float(at[place]) for place in taken]
        look[stretch] = first + _near(stretch, taken, rng)
    return rendered, look


def _same_hour(
    moments: NDArray[np.float64], pool: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return for each moment one of the pool's that are nearest to it by hour of the day."""
    apart = np.abs(moments[:, None] - pool[None, :]) % DAY_SECONDS
    apart = np.minimum(apart, DAY_SECONDS - apart)
    count = max(1, round(_SAME_HOURS * len(pool)))
    near = np.argsort(apart, axis=1, kind="stable")[:, :count]
    picks = rng.integers(near.shape[1], size=len(moments))
    return near[np.arange(len(moments)), picks]


def _near(
    stretch: NDArray[np.int64], taken: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return for each moment itself where it is rendered, else one of its nearest that are."""
    apart = np.abs(stretch[:, None] - taken[None, :])
    near = np.argsort(apart, axis=1, kind="stable")[:, :_NEAREST]
    picks = np.where(apart.min(axis=1) == 0, 0, rng.integers(near.shape[1], size=len(stretch)))
    return near[np.arange(len(stretch)), picks]


def _stretches(places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the places cut where a day or more lies between two: one fault each, about."""
    if not len(places):
        return []
    return np.split(places, np.flatnonzero(np.diff(places) > 72) + 1)  # noqa: PLR2004 - a pause


def _trouble(agenda: Agenda, fault: str, onset: datetime, last: datetime) -> Trouble:
    begin, end = (onset - FIRST).total_seconds(), (last - FIRST).total_seconds()
    return Trouble(agenda.machine.path, begin, end, fault)


def _diary(agenda: Agenda, begin: float, end: float) -> list[Line]:
    """Return all entries, by when they were written."""
    found = [
        Line(noticed=one.at, written=one.at + one.delay_seconds, text=one.entry.text)
        for at in np.arange(begin, end, _DIARY_SECONDS)
        for one in written_between(agenda, float(at), float(at) + _DIARY_SECONDS)
    ]
    return sorted(found, key=lambda line: line.written)


def healthy_moments(life: Life, troubles: Sequence[Trouble]) -> NDArray[np.bool_]:
    """Return which moments after the learning days are watched and outside every fault."""
    watched = (life.at >= 0) & np.isin(life.what, (HEALTHY, FAULTY))
    for trouble in troubles:
        watched &= ~((life.at >= trouble.onset) & (life.at <= trouble.end + DAY_SECONDS))
    return watched
