"""Sets and intervals fitted on held-out machines, and whether they keep their word on others."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmindustry.fusion import hazard
from mmindustry.fusion.calibration import Calibration
from mmindustry.fusion.conformal import LEVEL, ClassSets, fit_class_sets, fit_life
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.typical import SHARE, fit_typical
from mmindustry.training.evaluate import Views, fused_probabilities

Array = NDArray[np.float64]


def promise(
    held: Views,
    spec: NetworkSpec,
    calibration: Calibration,
    *,
    prior: Array,
    kinds: NDArray[np.str_],
) -> Calibration:
    """Return the calibration with class sets, life interval and what is unknown, by held-out
    machines.

    Args:
        held: What the network said of them.
        spec: Its shapes.
        calibration: Its temperatures.
        prior: (faults,) that will serve; sets are told from what is served.
        kinds: (windows,) asset types; empty = not known.
    """
    likely = fused_probabilities(held, calibration, prior)
    truth = held.truth
    # what `unknown` may take away is given beforehand, so that both together keep the level
    sets = fit_class_sets(likely, truth.fault, kinds, level=LEVEL + SHARE)
    typical = fit_typical(
        held.natural.embeddings, held.seen, truth.fault, truth.group, classes=len(spec.faults)
    )
    seen = _failures(held)
    life = fit_life(_quantiles(held, spec)[seen], truth.hours[seen], truth.group[seen], level=LEVEL)
    return replace(calibration, sets=ClassSets(LEVEL, sets.limits), life=life, typical=typical)


def coverage_figures(
    views: Views,
    spec: NetworkSpec,
    calibration: Calibration,
    *,
    prior: Array,
    kinds: NDArray[np.str_],
) -> dict[str, float]:
    """Return how often sets and intervals hold the truth on machines never met, and their width.

    `set_coverage` beside `level`, over all classes alike (`set_coverage_worst`: of the worst);
    `set_size`: mean number of classes; `unknown`: share of empty sets. `life_coverage` of the
    interval that is told and `life_coverage_raw` as the network gave it, each unit weighing the
    same; `life_width`: median of its end over its beginning.
    """
    sets = calibration.sets
    if sets is None or calibration.typical is None:
        return {}
    likely = fused_probabilities(views, calibration, prior)
    inside = sets.members(likely, kinds.tolist())
    strange = calibration.typical.strange(views.natural.embeddings, views.seen)
    inside &= ~strange[:, None]
    truth = views.truth.fault
    held = inside[np.arange(len(truth)), truth]
    each = [float(held[truth == c].mean()) for c in range(len(spec.faults)) if (truth == c).any()]
    return {
        "level": sets.level,
        "set_coverage": float(np.mean(each)),
        "set_coverage_worst": min(each),
        "set_size": float(inside.sum(axis=1).mean()),
        "set_single": float((inside.sum(axis=1) == 1).mean()),
        "unknown": float(strange.mean()),
        **_life_figures(views, spec, calibration),
    }


def _life_figures(views: Views, spec: NetworkSpec, calibration: Calibration) -> dict[str, float]:
    seen = _failures(views)
    raw = _quantiles(views, spec)[seen]
    if calibration.life is None or not seen.any():
        return {}
    told = calibration.life.stretched(raw, spec.hazard_last_hours)
    hours, units = views.truth.hours[seen], views.truth.group[seen]
    return {
        "life_coverage": _held(told, hours, units),
        "life_coverage_raw": _held(raw, hours, units),
        "life_width": float(np.median(told[:, 2] / told[:, 0])),
    }


def _held(life: Array, hours: Array, units: NDArray[np.str_]) -> float:
    inside = (hours >= life[:, 0]) & (hours <= life[:, 2])
    return float(np.mean([inside[units == unit].mean() for unit in np.unique(units)]))


def _failures(views: Views) -> NDArray[np.bool_]:
    """Return the windows whose failure was seen, later than they were."""
    hours = views.truth.hours
    seen: NDArray[np.bool_] = np.isfinite(hours) & (views.truth.failed > 0) & (hours > 0)
    return seen


def _quantiles(views: Views, spec: NetworkSpec) -> Array:
    curve = hazard.survival(views.natural.hazard)
    return hazard.remaining_life_hours(curve, hazard.edges_hours(spec))
