"""Alarms over visits: what a round that looks at each machine every few hours would have raised.

Simulated windows of a machine are visits, `VISIT_SECONDS` apart, four of one episode in a row with
severity rising. A fault's alarm is raised where its served probability comes to `on` and cleared
below `off`, as the bundle says; a fault begins with its first visit and ends with its failure, or
with the repair before the next visit.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion.spec import HEALTHY, NetworkSpec
from mmindustry.simulate.windows import VISIT_SECONDS
from mmindustry.training.controls import controls
from mmindustry.training.dataset import Targets
from mmindustry.training.events import Raised, Span, Trouble, alarm_scores, healthy_spans

Thresholds = Mapping[str, Mapping[str, float]]


def visit_alarms(
    served: NDArray[np.float64], truth: Targets, spec: NetworkSpec, thresholds: Thresholds
) -> dict[str, object] | None:
    """Return what the alarms were worth beside controls that know nothing; None without a fault.

    Args:
        served: (windows, faults) probabilities under the prior that serves.
        truth: Of the same windows, each machine's in order of time.
        spec: Names of the faults.
        thresholds: Fault -> `on` and `off`.
    """
    at = _clock(truth.group)
    events = list(_troubles(truth, at, spec))
    watched = list(_watched(truth.group, at))
    healthy = healthy_spans(watched, events, grace_seconds=0.0)
    if not events or not healthy:
        return None
    alarms = list(_raised(served, truth, spec, thresholds))
    beside = controls(events, watched, healthy)
    return {
        "visit_hours": VISIT_SECONDS / 3600,
        "bundle": alarm_scores(alarms, events, healthy).figures(),
        **{name: scores.figures() for name, scores in beside.items()},
    }


def _clock(group: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return seconds since each machine's first visit."""
    count: dict[str, int] = {}
    at = np.zeros(len(group))
    for row, name in enumerate(group.tolist()):
        at[row] = count.get(name, 0) * float(VISIT_SECONDS)
        count[name] = count.get(name, 0) + 1
    return at


def _troubles(truth: Targets, at: NDArray[np.float64], spec: NetworkSpec) -> Iterator[Trouble]:
    rows = zip(truth.group.tolist(), truth.fault.tolist(), range(len(at)), strict=True)
    for (asset, fault), visits in groupby(rows, key=lambda row: row[:2]):
        if spec.faults[fault] == HEALTHY:
            continue
        numbers = [number for _, _, number in visits]
        last = numbers[-1]
        left = float(truth.hours[last]) * 3600.0 if np.isfinite(truth.hours[last]) else np.inf
        end = at[last] + min(float(VISIT_SECONDS), max(1.0, left))
        yield Trouble(asset, float(at[numbers[0]]), float(end), spec.faults[fault])


def _watched(group: NDArray[np.str_], at: NDArray[np.float64]) -> Iterator[Span]:
    for asset in sorted(set(group.tolist())):
        yield Span(asset, 0.0, float(at[group == asset].max()) + VISIT_SECONDS)


def _raised(
    served: NDArray[np.float64], truth: Targets, spec: NetworkSpec, thresholds: Thresholds
) -> Iterator[Raised]:
    at = _clock(truth.group)
    for column, fault in enumerate(spec.faults):
        if fault == HEALTHY:
            continue
        on = thresholds.get(fault, {}).get("on", 1.0)
        off = thresholds.get(fault, {}).get("off", on)
        for asset in sorted(set(truth.group.tolist())):
            mine = truth.group == asset
            yield from _spells(asset, at[mine], served[mine, column], on=on, off=off)


def _spells(
    asset: str, at: NDArray[np.float64], likely: NDArray[np.float64], *, on: float, off: float
) -> Iterator[Raised]:
    since: float | None = None
    until = 0.0
    for moment, p in zip(at.tolist(), likely.tolist(), strict=True):
        if since is None and p >= on:
            since = moment
        elif since is not None and p < off:
            yield Raised(asset, since, until)
            since = None
        until = moment
    if since is not None:
        yield Raised(asset, since, until)
