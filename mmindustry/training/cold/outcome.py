"""From what the rules did with a fleet to figures, and the controls beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmindustry.alerting.scores import NOVELTY
from mmindustry.alerting.watch import Phase
from mmindustry.codec.rfc3339 import parse_time
from mmindustry.domain import AlarmState, AlarmTransition, Change
from mmindustry.training.cold.life import FIRST, FleetPlan, Life, healthy_moments
from mmindustry.training.controls import controls
from mmindustry.training.events import EventScores, Raised, Span, Trouble, alarm_scores


@dataclass(frozen=True, slots=True)
class Watched:
    """What the rules made of one machine: its alarms, and when they were armed."""

    alarms: list[Raised] = field(default_factory=list)
    armed: list[Span] = field(default_factory=list)


def watched(
    asset: str, changes: Sequence[AlarmTransition], states: Sequence[AlarmState], end: float
) -> Watched:
    """Return what one machine's transitions and last state say; `end` is that of the weeks."""
    raised: dict[str, float] = {}
    alarms: list[Raised] = []
    for change in changes:
        at = (change.at - FIRST).total_seconds()
        if change.key.fault == NOVELTY and change.change is Change.RAISED:
            raised[change.key.window] = at
        elif change.key.window in raised:
            alarms.append(Raised(asset, raised.pop(change.key.window), at))
    alarms += [Raised(asset, at, end) for at in raised.values()]
    return Watched(alarms, _armed(asset, states, end))


def _armed(asset: str, states: Sequence[AlarmState], end: float) -> list[Span]:
    """Return when the watch was armed, as its trail tells."""
    spans: list[Span] = []
    for state in states:
        for part in _policies(state):
            trail = part["watch"]["trail"]
            begun = [(phase, (parse_time(at) - FIRST).total_seconds()) for phase, at in trail]
            ends = [at for _, at in begun[1:]] + [end]
            spans += [
                Span(asset, at, until)
                for (phase, at), until in zip(begun, ends, strict=True)
                if phase == Phase.ARMED
            ]
    return spans


def _policies(state: AlarmState) -> list[Mapping[str, Mapping[str, list[tuple[str, str]]]]]:
    policies = state.memory.get("policies", {})
    return (
        [part for part in policies.values() if part["watch"]] if isinstance(policies, dict) else []
    )


def scores_of(
    lives: Sequence[Life], seen: Sequence[Watched], step_seconds: float
) -> EventScores | None:
    """Return the alarm figures; false alarms are counted over armed healthy time, None without."""
    healthy = [
        Span(life.asset, float(at), float(at) + step_seconds)
        for life, one in zip(lives, seen, strict=True)
        for at in life.at[_healthy(life) & _within(life, one.armed)]
    ]
    if not healthy:
        return None
    events = [event for life in lives for event in life.events]
    return alarm_scores([alarm for one in seen for alarm in one.alarms], events, healthy)


def _healthy(life: Life) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return healthy_moments(life, [*life.events, *life.unended])


def _within(life: Life, spans: Sequence[Span]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    inside = np.zeros(len(life.at), np.bool_)
    for span in spans:
        inside |= (life.at >= span.start) & (life.at < span.end)
    return inside


def armed_share(lives: Sequence[Life], seen: Sequence[Watched]) -> float:
    """Return the share of the watched moments after the learning days at which alarms could be."""
    after = [life.at >= 0 for life in lives]
    armed = [
        _within(life, one.armed) & later
        for life, one, later in zip(lives, seen, after, strict=True)
    ]
    return float(sum(map(np.sum, armed)) / max(1, sum(map(np.sum, after))))


def figures_of(scores: EventScores | None, *, budget: float, armed: float) -> dict[str, object]:
    """Return the figures of one way to watch as plain values."""
    if scores is None:
        return {"event_recall": 0.0, "armed_share": armed, "achieved_over_budget": None}
    return scores.figures() | {
        "armed_share": armed,
        "achieved_over_budget": scores.false.rate / budget,
        "within_1.5_of_budget": scores.false.rate <= 1.5 * budget,
    }


def control_figures(
    lives: Sequence[Life], plan: FleetPlan, budget: float
) -> dict[str, dict[str, object]]:
    """Return what alarms without knowledge are worth over the same faults and hours."""
    end = (plan.days - plan.normal_days) * 86_400.0
    events: list[Trouble] = [event for life in lives for event in life.events]
    over = [Span(life.asset, 0.0, end) for life in lives]
    healthy = [
        Span(life.asset, float(at), float(at) + plan.step_seconds)
        for life in lives
        for at in life.at[_healthy(life)]
    ]
    found = controls(events, over, healthy, budget_per_week=budget, seed=plan.seed)
    return {name: scores.figures() for name, scores in found.items()}
