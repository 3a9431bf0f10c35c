"""`mmindustry evaluate fleet`: what a plant's monitor is worth that was told nothing but normal.

Each machine of the simulated fleet is learned from its first days but the last, followed in shadow
on that, and then watched to the end by the alarm rules of the line themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmindustry.alerting.budget import BUDGET_PER_MACHINE_WEEK
from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.alerting.rules import Rules
from mmindustry.alerting.watch import levels_of
from mmindustry.domain import Prediction, WindowKey
from mmindustry.features.spec import MODALITIES
from mmindustry.fusion.bank import Bank
from mmindustry.simulate.wire import later
from mmindustry.training.bank import halves, learn_bank
from mmindustry.training.cold.life import BROKEN, FIRST, LEARNING, FleetPlan, Life, live
from mmindustry.training.cold.outcome import (
    Watched,
    armed_share,
    control_figures,
    figures_of,
    scores_of,
    watched,
)
from mmindustry.training.cold.views import TEXT_EVERY_SECONDS, Eye, Views, views_of
from mmindustry.training.events import detections, gain_over
from mmindustry.training.watching import Told, limits_of

Tell = Callable[[str], None]

_REFERENCES = 2000
_POLICY = "cold"
_LEAST_MOMENTS = 40
_IN_SHADOW = 0.6
"""Of the shadow's hours a machine that stops at night runs, less what sensors lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRun:
    """What to measure: the fleet, the budget, and what looks at it."""

    plan: FleetPlan
    bundle: Path
    work: Path
    budget: float = BUDGET_PER_MACHINE_WEEK
    """False alarms a machine-week."""
    shadow_hours: float = 24.0
    """Of the learning days the last hours, in shadow."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine: its weeks, and the p-values of each modality, NaN where there is none; scores
    of its later normals."""

    life: Life
    p_values: Mapping[str, NDArray[np.float64]]
    told: Mapping[str, Told]
    hours: float


def evaluate_fleet(run: FleetRun, tell: Tell) -> dict[str, object]:
    """Return the figures of the fleet, all modalities together and each alone, and the controls.

    Raises:
        BundleError: The bundle is damaged.
        ValueError: No fault ends within the weeks, or no machine is ever armed.
    """
    eye = Eye.open(run.bundle)
    machines = []
    for number in range(run.plan.assets):
        life = live(run.plan, number)
        views = views_of(run.plan, life, number, eye=eye, work=run.work)
        machines.append(learned(run, life, views))
        tell(f"machine {number + 1} of {run.plan.assets}: {len(life.events)} faults")
    lives = [machine.life for machine in machines]
    events = [event for life in lives for event in life.events]
    if not events:
        raise ValueError("no fault ends within these weeks; give more --days or --assets")
    ways = {"all": MODALITIES, **{f"{name}_alone": (name,) for name in MODALITIES}}
    figures: dict[str, dict[str, object]] = {}
    caught: dict[str, NDArray[np.bool_]] = {}
    for name, modalities in ways.items():
        seen = [follow(run, machine, modalities) for machine in machines]
        scores = scores_of(lives, seen, run.plan.step_seconds)
        armed = armed_share(lives, seen)
        figures[name] = figures_of(scores, budget=run.budget, armed=armed)
        caught[name] = detections([alarm for one in seen for alarm in one.alarms], events)
        tell(f"{name}: {int(caught[name].sum())} of {len(events)} faults")
    gain = gain_over(caught["all"], caught["audio_alone"])
    return {
        **asdict(run.plan),
        "budget": run.budget,
        "shadow_hours": run.shadow_hours,
        "bundle": eye.predictor.bundle,
        "events": len(events),
        "unended": sum(len(life.unended) for life in lives),
        "moments": sum(len(life.at) for life in lives),
        "broken_moments": sum(int((life.what == BROKEN).sum()) for life in lives),
        "rendered_windows": sum(len(life.rendered) for life in lives),
        "ways": figures | control_figures(lives, run.plan, run.budget),
        "gain_over_audio_alone": gain[0],
        "gain_over_audio_alone_95": list(gain[1:]),
    }


def learned(run: FleetRun, life: Life, views: Views) -> Machine:
    """Return what the learning days less the shadow's hours tell, and all p-values by it."""
    early = (life.what == LEARNING) & (life.at < -3600.0 * run.shadow_hours)
    p_values, told = {}, {}
    for modality in MODALITIES:
        points = views.of(modality, life)
        there = ~np.isnan(points[:, 0])
        mine = np.flatnonzero(early & there)
        if len(mine) < _LEAST_MOMENTS:
            continue
        bank = learn_bank(points[mine], _REFERENCES)
        told[modality] = _later(run, modality, bank, (points[mine], life.at[mine]))
        surprise = np.full(len(life.at), np.nan)
        surprise[there] = bank.surprise(points[there])
        p_values[modality] = surprise
    return Machine(life, p_values, told, float(early.sum()) * run.plan.step_seconds / 3600.0)


def _later(
    run: FleetRun,
    modality: str,
    bank: Bank,
    normal: tuple[NDArray[np.float32], NDArray[np.float64]],
) -> Told:
    points, at = normal
    held = len(halves(points).later)
    pause = TEXT_EVERY_SECONDS if modality == "text" else run.plan.step_seconds
    return Told(
        scores=bank.scores(points[len(points) - held :]),
        seconds=at[len(at) - held :],
        present=1.0,
        step_seconds=max(pause, run.plan.step_seconds),
    )


def follow(run: FleetRun, machine: Machine, modalities: Sequence[str]) -> Watched:
    """Return what the line's own rules make of the machine by these modalities alone."""
    told = {name: machine.told[name] for name in modalities if name in machine.told}
    if not told:
        return Watched()
    limits = limits_of(
        told, budget=run.budget, step_seconds=run.plan.step_seconds, hours=machine.hours
    )
    rules = Rules(AlertingPolicy(shadow_hours=_IN_SHADOW * run.shadow_hours))
    predictions = [
        _prediction(run, machine, limits, place)
        for place in np.flatnonzero(machine.life.at >= -3600.0 * run.shadow_hours).tolist()
        if machine.life.look[place] >= 0
    ]
    changes, states = rules.fold(predictions, ())
    end = float(machine.life.at[-1]) + run.plan.step_seconds
    return watched(machine.life.asset, changes, states, end)


def _prediction(
    run: FleetRun, machine: Machine, limits: Mapping[str, float], place: int
) -> Prediction:
    named = levels_of(limits)
    told = {name: float(machine.p_values[name][place]) for name in named}
    start = later(FIRST, float(machine.life.at[place]))
    return Prediction(
        window=WindowKey(machine.life.asset, _POLICY, start),
        end=later(start, run.plan.length_seconds),
        bundle="",
        profile=f"{machine.life.asset}@1",
        faults={"healthy": 1.0},
        risk={},
        remaining_life_seconds=(0.0, 0.0, 0.0),
        product={},
        novelty={name: p for name, p in told.items() if not np.isnan(p)},
        terms={},
        present=dict.fromkeys(MODALITIES, True),
        quality=dict.fromkeys(MODALITIES, 1.0),
        registered=True,
        limits=limits,
    )
