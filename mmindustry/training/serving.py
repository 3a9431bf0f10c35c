"""From a trained network to one that may serve: calibration, priors, thresholds, figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmindustry.fusion.calibration import PATTERNS, Calibration, fit_temperature
from mmindustry.fusion.runtime import Runtime
from mmindustry.fusion.spec import EMPTY, GOOD, HEALTHY, NetworkSpec
from mmindustry.training.augment import foreign_words, text_spans
from mmindustry.training.coverage import coverage_figures, promise
from mmindustry.training.dataset import DataSet
from mmindustry.training.evaluate import (
    Views,
    alarm_figures,
    calibrate,
    calibrated,
    figures,
    fused_probabilities,
    hidden,
    over_threshold,
    view,
)
from mmindustry.training.losses import class_prior
from mmindustry.training.split import Rows, Split, in_parts

_ON, _ON_HIGHEST = 0.6, 0.9
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Serving:
    """What is expected where a bundle serves: shares of healthy windows and of good products.

    `seed`: of the shuffled controls.
    """

    healthy: float
    good: float
    seed: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What held-out machines told: calibration and thresholds by some, figures by the others."""

    spec: NetworkSpec
    calibration: Calibration
    prior: dict[str, float]
    thresholds: dict[str, dict[str, float]]
    product_temperature: float
    product_shift: dict[str, float]
    metrics: dict[str, Any]


def measure(
    runtime: Runtime, data: DataSet, split: Split, *, prior: NDArray[np.float64], serving: Serving
) -> Measured:
    """Return what the network is worth, and what it needs to serve where machines are mostly well.

    Args:
        runtime: The network as it will serve.
        data: All windows.
        split: Its sides; `validate` calibrates, `test` gives the figures.
        prior: Share of each class the network was trained on.
        serving: How often all is well where it will serve.
    """
    spec = data.spec
    held = view(runtime, data, split.validate, seed=serving.seed)
    views = view(runtime, data, split.test, seed=serving.seed)
    calibration = calibrate(held, prior)
    metrics = figures(views, spec, calibration, prior)
    expected = serving_prior(spec, serving.healthy)
    thresholds = choose_thresholds(held, spec, fused_probabilities(held, calibration, expected))
    served = fused_probabilities(views, calibration, expected)
    kinds = data.kinds()
    calibration = promise(held, spec, calibration, prior=expected, kinds=kinds[split.validate])
    metrics["coverage"] = coverage_figures(
        views, spec, calibration, prior=expected, kinds=kinds[split.test]
    )
    metrics["alarms"] = alarm_figures(views, spec, served, thresholds)
    calm = (views.truth.fault == spec.faults.index(HEALTHY)) & views.seen[:, 2]
    for name, evidence, there in with_foreign_words(runtime, data, split.test[calm]):
        likely = calibrated(evidence, there, calibration, expected)
        metrics["alarms"][name] = float(over_threshold(likely, spec, thresholds).any(axis=1).mean())
    metrics["windows"] = counts(data, split)
    seen = (held.truth.product >= 0) & held.seen[:, 0]
    temperature = fit_temperature(
        held.natural.product[seen].astype(np.float64),
        held.truth.product[seen],
        np.full(len(spec.products), 1.0),
    )
    return Measured(
        spec,
        calibration,
        dict(zip(spec.faults, expected.tolist(), strict=True)),
        thresholds,
        temperature,
        product_shift(spec, data.targets().product[split.train], serving.good),
        metrics,
    )


def with_foreign_words(
    runtime: Runtime, data: DataSet, rows: Rows
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.bool_]]]:
    """Yield (name, evidence (windows, faults), seen (windows, modalities)) of windows whose log
    entries are made of unknown words: `healthy_foreign_over` with the sound and the pictures that
    are there, `text_foreign_over` with nothing but the entries."""
    random = torch.Generator().manual_seed(0)
    shown = {"healthy_foreign_over": (True, True, True), "text_foreign_over": PATTERNS["text"]}
    said: dict[str, list[NDArray[np.float32]]] = {name: [] for name in shown}
    seen: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in shown}
    spans = text_spans(data.spec.recipe)
    for part in in_parts(rows, _BATCH):
        arrays = data.batch(part)
        for array in [name for name in spans if name in arrays]:
            ids = torch.from_numpy(arrays[array])
            every = torch.ones(ids.shape[:2])
            arrays[array] = foreign_words(ids, every, spans[array], random).numpy()
        for name, present in shown.items():
            left = hidden(arrays, present)
            said[name].append(runtime.run(left).evidence)
            seen[name].append(left["present"] > 0)
    for name in shown if len(rows) else ():
        yield name, np.concatenate(said[name]).astype(np.float64), np.concatenate(seen[name])


def serving_prior(spec: NetworkSpec, healthy: float) -> NDArray[np.float64]:
    """Return the prior of a plant whose machines are mostly well, faults alike likely."""
    others = (1.0 - healthy) / max(1, len(spec.faults) - 1)
    return np.array([healthy if fault == HEALTHY else others for fault in spec.faults])


def product_shift(spec: NetworkSpec, seen: NDArray[np.int64], good: float) -> dict[str, float]:
    """Return log(serving share / training share) of each product class, in nats.

    `good` is the share among products; how often nothing lies there is left as it was seen.
    """
    trained = class_prior(seen[seen >= 0], len(spec.products))
    shares = dict(zip(spec.products, trained.tolist(), strict=True))
    empty = shares.pop(EMPTY, 0.0)
    others = (1.0 - good) / max(1, len(shares) - 1)
    there = {name: (good if name == GOOD else others) * (1.0 - empty) for name in shares}
    serving = np.array([there.get(name, empty) for name in spec.products])
    return dict(zip(spec.products, np.log(serving / trained).tolist(), strict=True))


def choose_thresholds(
    held: Views, spec: NetworkSpec, served: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    """Return each fault's `on`: 0.6, or where healthy held-out windows come higher, above all but
    one in 200 of them (0.9 at most); `off` is two thirds of it."""
    healthy = held.truth.fault == spec.faults.index(HEALTHY)
    found = {}
    for column, fault in enumerate(spec.faults):
        if fault == HEALTHY:
            continue
        top = float(np.quantile(served[healthy, column], 0.995)) if healthy.any() else 0.0
        on = round(min(max(_ON, top), _ON_HIGHEST), 3)
        found[fault] = {"on": on, "off": round(on * 2 / 3, 3)}
    return found


def counts(data: DataSet, split: Split) -> dict[str, int]:
    """Return how many windows and machines stand on each side."""
    groups = data.targets().group
    sides = {"train": split.train, "validate": split.validate, "test": split.test}
    windows = {name: len(rows) for name, rows in sides.items()}
    machines = {f"{name}_machines": len(set(groups[rows])) for name, rows in sides.items()}
    return {**windows, **machines}
