"""What is lost by serving seven presence patterns with one network, and whether it stays honest.

For each pattern: the network trained with modalities dropped, or a bundle that was, shown that
pattern only, against a specialist trained on nothing else, by the same recipe and from the same
windows. The specialist drops nothing in training, since it will miss nothing, and learns from its
fused answer whatever the recipe says, since it gives no other: it is as good as that pattern gets.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmindustry.fusion.bundle import Bundle
from mmindustry.fusion.calibration import (
    PATTERNS,
    calibration_error,
    fit_calibration,
    posterior,
)
from mmindustry.fusion.catalogue import NONE
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.runtime import Runtime
from mmindustry.fusion.torch_runtime import TorchRuntime
from mmindustry.training.dataset import DataSet
from mmindustry.training.learned_from import refuse_other_windows, training_prior
from mmindustry.training.loop import Trained, train
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.provenance import made_of
from mmindustry.training.report.intervals import episodes_of, interval, pivotal_interval
from mmindustry.training.report.metrics import calibration_error_floor, debiased_calibration_error
from mmindustry.training.results import result, write_result
from mmindustry.training.scores import macro_f1
from mmindustry.training.split import Rows, Split, in_parts, plant_split

Tell = Callable[[str], None]
Array = NDArray[np.float64]
Patterns = Mapping[str, tuple[bool, ...]]

MOST_LOST = 0.02
"""Macro-F1 that one network for all patterns may lose to a specialist."""
MOST_ERROR = 0.05
"""Expected calibration error allowed in each pattern."""
WHOLE = "all"
"""Name of the network that serves every pattern."""

_BATCH = 64
_COMMAND = "mmindustry evaluate missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRun:
    """How many windows to train on, by which recipe, and where to keep what is done."""

    train_windows: int | None = None
    """Windows to learn from, drawn from all machines of the training side; none = all of them, as
    the built-in bundle does."""
    policy: TrainingPolicy
    """The recipe of all eight trainings; specialists learn jointly all the same."""
    cells: Path
    """Folder of what is done; a cell that stands there is not made again."""
    bundle: Bundle | None = None
    """A bundle trained on these windows, judged in place of a network that is trained here."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one network said of the test windows: pattern -> (windows, faults) probabilities."""

    said: Mapping[str, Array]
    temperatures: Mapping[str, float]


def compare(data: DataSet, run: MissingRun, tell: Tell) -> dict[str, Any]:
    """Return the figures of all seven patterns; eight trainings, each kept once it is done."""
    torch.set_num_threads(1)
    split = plant_split(data.targets().group, run.policy.seed)
    if run.train_windows is not None:
        drawn = np.random.default_rng(run.policy.seed).permutation(split.train)
        drawn = np.sort(drawn[: run.train_windows])
        split = Split(drawn, split.validate, split.test)
    trials = _Trials(data, split, run, tell)
    whole = trials.cell(WHOLE) if run.bundle is None else served(run.bundle, data, split.test)
    truth = data.targets().take(split.test)
    seen = _present(data, split.test)
    rows = {}
    for pattern, present in PATTERNS.items():
        there = seen[:, np.array(present)].all(axis=1)
        special = trials.cell(pattern)
        pair = Pair(whole.said[pattern][there], special.said[pattern][there], truth.fault[there])
        blocks = episodes_of(truth.group[there], truth.fault[there])
        rows[pattern] = {**pair.figures(blocks), "temperature": whole.temperatures[pattern]}
    return {
        "patterns": rows,
        "largest_loss": max(-row["difference"] for row in rows.values()),
        "largest_ece": max(row["ece"] for row in rows.values()),
        "passed": all(row["passed"] for row in rows.values()),
        "limits": {"loss": MOST_LOST, "ece": MOST_ERROR},
        "windows": {
            "train": len(split.train),
            "validate": len(split.validate),
            "test": len(split.test),
        },
        "training": asdict(run.policy),
        "bundle": None if run.bundle is None else run.bundle.id,
        "made_of": trials.made_of(),
    }


@dataclass(frozen=True, slots=True)
class Pair:
    """Probabilities (windows, faults) of the one network and of the specialist, and the truth."""

    whole: Array
    special: Array
    truth: NDArray[np.int64]

    def figures(self, blocks: NDArray[np.int64]) -> dict[str, Any]:
        """Return what both are worth on the same windows, intervals over `blocks`."""
        difference = self.difference(np.arange(len(self.truth)))
        error = calibration_error(self.whole, self.truth)
        return {
            "windows": len(self.truth),
            "whole": self._f1(self.whole),
            "specialist": self._f1(self.special),
            "difference": difference,
            "difference_95": list(interval(self.difference, blocks)),
            "ece": error,
            "ece_95": list(
                pivotal_interval(
                    lambda rows: calibration_error(self.whole[rows], self.truth[rows]), blocks
                )
            ),
            "ece_floor": calibration_error_floor(self.whole),
            "rms_error_debiased": debiased_calibration_error(self.whole, self.truth),
            "ece_specialist": calibration_error(self.special, self.truth),
            "passed": difference >= -MOST_LOST and error <= MOST_ERROR,
        }

    def difference(self, rows: Rows) -> float:
        """Return macro-F1 of the one network less that of the specialist."""
        return self._f1(self.whole, rows) - self._f1(self.special, rows)

    def _f1(self, likely: Array, rows: Rows | slice = slice(None)) -> float:
        return macro_f1(likely[rows].argmax(axis=1), self.truth[rows], likely.shape[1])


def _present(data: DataSet, rows: Rows) -> NDArray[np.bool_]:
    return np.concatenate([data.batch(part)["present"] > 0 for part in in_parts(rows, _BATCH)])


class _Trials:
    """Eight trainings on the same windows, each kept in a file of its own."""

    def __init__(self, data: DataSet, split: Split, run: MissingRun, tell: Tell) -> None:
        self._data, self._split, self._run, self._tell = data, split, run, tell

    def cell(self, name: str) -> Cell:
        """Return one network's answers, from its file where that stands already."""
        path = self._told(name).with_suffix(".npz")
        if path.exists():
            self._tell(f"{name}: stands already")
            return _read(path)
        self._tell(f"{name}: training on {len(self._split.train)} windows")
        shown, begin = PATTERNS.get(name), process_time()
        found = self._trained(name, PATTERNS if shown is None else {name: shown})
        cost = process_time() - begin
        told = {"cell": name, "train_cpu_seconds": cost}
        write_result(self._told(name), result("missing", told, command=_COMMAND, seconds=cost))
        _write(path, found)
        return found

    def made_of(self) -> dict[str, Any]:
        """Return at which commits the networks were trained, and what that cost."""
        own = [WHOLE] if self._run.bundle is None else []
        return made_of(self._told(name) for name in (*own, *PATTERNS))

    def _told(self, name: str) -> Path:
        return self._run.cells / f"{name}-{self._key(self._policy(name))}.json"

    def _policy(self, name: str) -> TrainingPolicy:
        """Return the recipe of a cell: a specialist has no use for what a modality says alone."""
        return self._run.policy if name == WHOLE else replace(self._run.policy, joint=True)

    def _key(self, policy: TrainingPolicy) -> str:
        """Return what tells one setting from another, short."""
        told = json.dumps([asdict(policy), self._data.data_hash()], sort_keys=True)
        digest = hashlib.sha256(told.encode())
        for rows in (self._split.train, self._split.validate, self._split.test):
            digest.update(rows.astype(np.int64).tobytes())
        return digest.hexdigest()[:12]

    def _trained(self, name: str, patterns: Patterns) -> Cell:
        data, policy, shown = self._data, self._policy(name), PATTERNS.get(name)
        learnable, held = self._split.train, self._split.validate
        if shown is not None:
            data, policy = _alone(data, shown), replace(policy, modality_dropout=0.0)
            learnable, held = _with_any(data, learnable), _with_any(data, held)
        trained = train(data, rows=learnable, validate=held, policy=policy, tell=self._tell)
        temperatures = self._temperatures(trained, patterns)
        said = _said(self._data, self._split.test, TorchRuntime(trained.network), patterns)
        likely = {n: posterior(e, trained.prior, temperatures[n]) for n, e in said.items()}
        return Cell(likely, temperatures)

    def _temperatures(self, trained: Trained, patterns: Patterns) -> dict[str, float]:
        """Return temperatures as serving has them: fitted where all of a pattern is there."""
        rows = self._split.validate
        seen, fault = _present(self._data, rows), self._data.targets().fault[rows]
        said = _said(self._data, rows, TorchRuntime(trained.network), patterns)
        blank = np.zeros((0, len(trained.prior)))
        there = {
            name: seen[:, np.array(shown)].all(axis=1) & (name in said)
            for name, shown in PATTERNS.items()
        }
        fitted = fit_calibration(
            {n: said[n][rows] if n in said else blank for n, rows in there.items()},
            {n: fault[rows] for n, rows in there.items()},
            prior=trained.prior,
        )
        return {name: fitted.temperatures[name] for name in patterns}


def _alone(data: DataSet, shown: tuple[bool, ...]) -> DataSet:
    """Return the windows as a specialist meets them: it has no encoder for what it never sees."""
    view = data.showing(shown)
    hidden = {m: NONE for m, there in zip(data.spec.modalities, shown, strict=True) if not there}
    view.spec = replace(data.spec, encoders={**data.spec.encoders, **hidden})
    return view


def _read(path: Path) -> Cell:
    with np.load(path) as kept:
        temperatures = json.loads(str(kept["temperatures"]))
        return Cell({name: kept[name] for name in temperatures}, temperatures)


def _write(path: Path, cell: Cell) -> None:
    """Write a cell whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    temperatures = json.dumps(dict(cell.temperatures))
    np.savez_compressed(partial, temperatures=temperatures, **cell.said)  # type: ignore[arg-type]  # arrays, all of them
    partial.replace(path)


def _with_any(data: DataSet, rows: Rows) -> Rows:
    return rows[_present(data, rows).any(axis=1)]


def served(bundle: Bundle, data: DataSet, rows: Rows) -> Cell:
    """Return what a bundle says of windows in each pattern, calibrated as it serves.

    Raises:
        InputError: It was trained on others, so that it may know these by heart.
    """
    refuse_other_windows(bundle, data)
    temperatures = {name: bundle.manifest.calibration.temperatures[name] for name in PATTERNS}
    prior = training_prior(bundle)
    said = _said(data, rows, OnnxRuntime(bundle.model), PATTERNS)
    return Cell(
        {name: posterior(evidence, prior, temperatures[name]) for name, evidence in said.items()},
        temperatures,
    )


def _said(data: DataSet, rows: Rows, runtime: Runtime, patterns: Patterns) -> dict[str, Array]:
    """Return the evidence (windows, faults) for each pattern with all else hidden."""
    found: dict[str, Array] = {}
    for name, shown in patterns.items():
        view = data.showing(shown)
        parts = [runtime.run(view.batch(part)).evidence for part in in_parts(rows, _BATCH)]
        found[name] = np.concatenate(parts).astype(np.float64)
    return found
