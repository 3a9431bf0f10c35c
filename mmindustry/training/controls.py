"""Alarms without any knowledge, the controls that every alarm figure stands beside."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from mmindustry.alerting.budget import BUDGET_PER_MACHINE_WEEK
from mmindustry.training.events import (
    HOLD_OFF_SECONDS,
    EventScores,
    Raised,
    Span,
    Trouble,
    alarm_scores,
)

_WEEK_SECONDS = 604_800.0
_DRAWS = 101


def controls(
    events: Sequence[Trouble],
    watched: Sequence[Span],
    healthy: Sequence[Span],
    *,
    budget_per_week: float = BUDGET_PER_MACHINE_WEEK,
    seed: int = 0,
) -> dict[str, EventScores]:
    """Return what alarms without any knowledge are worth, by name.

    `random`: a Poisson process at the budget (the median of 101 draws by recall); `periodic`: one
    alarm each 1/budget weeks, each asset from a phase of its own; `always_on`: as often as the
    hold-off lets it count; `age_only`: once an asset has run for so long since its last repair,
    the limit set in hindsight so that it just keeps the budget.
    """
    every = _WEEK_SECONDS / budget_per_week
    rng = np.random.default_rng(seed)
    phase = {asset: float(rng.uniform(0, every)) for asset in sorted({s.asset for s in watched})}

    def score(alarms: Iterable[Raised]) -> EventScores:
        return alarm_scores(alarms, events, healthy)

    drawn = [score(_poisson(watched, every, rng)) for _ in range(_DRAWS)]
    drawn.sort(key=lambda one: (one.recall, one.lead_median_seconds))
    return {
        "random": drawn[_DRAWS // 2],
        "periodic": score(_periodic(watched, every, phase)),
        "always_on": score(_periodic(watched, HOLD_OFF_SECONDS + 1.0, {})),
        "age_only": _age_only(events, watched, score, budget_per_week),
    }


def _poisson(watched: Sequence[Span], every: float, rng: np.random.Generator) -> list[Raised]:
    return [
        Raised(span.asset, float(at), float(at))
        for span in watched
        for at in rng.uniform(span.start, span.end, rng.poisson((span.end - span.start) / every))
    ]


def _periodic(watched: Sequence[Span], every: float, phase: Mapping[str, float]) -> list[Raised]:
    return [
        Raised(span.asset, float(at), float(at))
        for span in watched
        for at in np.arange(span.start + phase.get(span.asset, 0.0), span.end, every)
    ]


def _age_only(
    events: Sequence[Trouble],
    watched: Sequence[Span],
    score: Callable[[Iterable[Raised]], EventScores],
    budget: float,
) -> EventScores:
    """Return the best of the age limits that keep the budget; none does: the longest."""
    lives = _lives(events, watched)
    limits = sorted({round(life.end - life.start) for life in lives})
    grid = np.unique(np.quantile(limits, np.linspace(0, 1, 41)))
    tried = [
        score(
            Raised(life.asset, life.start + limit, life.start + limit)
            for life in lives
            if life.start + limit <= life.end
        )
        for limit in grid
    ]
    kept = [one for one in tried if one.false.rate <= budget]
    return max(kept or tried[-1:], key=lambda one: (one.recall, one.lead_median_seconds))


def _lives(events: Sequence[Trouble], watched: Sequence[Span]) -> list[Span]:
    """Return the stretches from one repair to the next: an age is counted from their start."""
    lives = []
    for span in watched:
        at = span.start
        for event in sorted(events, key=lambda one: one.onset):
            if event.asset == span.asset and at < event.end <= span.end:
                lives.append(Span(span.asset, at, event.end))
                at = event.end
        if at < span.end:
            lives.append(Span(span.asset, at, span.end))
    return lives
