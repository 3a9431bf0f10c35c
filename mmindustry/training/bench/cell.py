"""One cell of the bench: one fusion, one number of windows, one seed; trained, tried, written."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmindustry.fusion.calibration import (
    PATTERNS,
    calibration_error,
    fit_calibration,
    posterior,
)
from mmindustry.training.bench.arena import Arena, Rows, Tell
from mmindustry.training.bench.hearing import Said, additive, listen, patterns
from mmindustry.training.loop import Trained, train
from mmindustry.training.policy import AugmentPolicy, TrainingPolicy
from mmindustry.training.results import result, write_result
from mmindustry.training.scores import class_f1, macro_f1

MODALITIES = ("image", "audio", "text")
FEW = 1_000
"""Up to this many windows a network is trained as for few."""

_HELD_OUT = 0.15
_DRAWS = 64
_SYNERGY = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class CellKey:
    """Which cell."""

    fusion: str
    windows: int
    seed: int

    @property
    def name(self) -> str:
        """Name of the cell's file.

        >>> CellKey(fusion="late", windows=500, seed=1).name
        'late-500-1'
        """
        return f"{self.fusion}-{self.windows}-{self.seed}"


def cell_policy(key: CellKey) -> TrainingPolicy:
    """Return how a cell is trained: the same for every fusion, nothing tuned to one, and standing
    still with the card whatever `train` takes by now."""
    few = key.windows <= FEW
    return TrainingPolicy(
        seed=key.seed,
        fusion=key.fusion,
        joint=True,
        epochs=20 if few else 8,
        patience=20 if few else 8,
        averaging=0.98 if few else 0.995,
        smoothing=0.05,
        keep_by="fault",
        augment=AugmentPolicy(foreign=0.0),
        device="cpu",
    )


def run_cell(arena: Arena, key: CellKey, folder: Path, tell: Tell) -> dict[str, Any]:
    """Return a cell's result, from its file where that stands, else trained and written."""
    path = folder / f"{key.name}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found
    begin = time.process_time()
    rows = arena.draw(key.windows, key.seed)
    trained = fit_rows(arena, key, rows, tell)
    seconds = time.process_time() - begin
    figures = {"card": arena.card.hash, "cell": key.name, "train_cpu_seconds": seconds}
    figures |= judge(arena, trained, validate_rows(arena, rows, key.seed)[1], seed=key.seed)
    command = f"mmindustry bench fusion --only {key.fusion} --sizes {key.windows}"
    found = result("cell", figures, command=command, seconds=time.process_time() - begin)
    write_result(path, found)
    return found


def fit_rows(arena: Arena, key: CellKey, rows: Rows, tell: Tell) -> Trained:
    """Return a network trained on these rows, a seventh of their machines held out to stop by."""
    learn, held = validate_rows(arena, rows, key.seed)
    data = arena.data
    data.spec = replace(data.spec, fusion=key.fusion, pooled=False)
    torch.set_num_threads(1)
    return train(data, rows=learn, validate=held, policy=cell_policy(key), tell=tell)


def validate_rows(arena: Arena, rows: Rows, seed: int) -> tuple[Rows, Rows]:
    """Return (rows to learn from, rows held out), no machine on both sides."""
    group = arena.data.targets().group[rows]
    names = np.unique(group)
    dealt = np.random.default_rng([seed, 12]).permutation(names)
    held = np.isin(group, dealt[: max(1, round(_HELD_OUT * len(names)))])
    return rows[~held], rows[held]


def judge(arena: Arena, trained: Trained, held: Rows, *, seed: int) -> dict[str, Any]:
    """Return what a network is worth on machines it never met, and the controls beside it."""
    data, prior = arena.data, trained.prior
    said = listen(trained.network, data, arena.unseen)
    truth = data.targets().fault[arena.unseen]
    classes = len(data.spec.faults)

    def score(evidence: Any, labels: Any = truth) -> float:
        return macro_f1(posterior(evidence, prior).argmax(axis=1), labels, classes)

    shown = {name: score(evidence) for name, evidence in patterns(said).items()}
    own = {name: score(said.alone(at)) for at, name in enumerate(MODALITIES)}
    single = {name: max(shown[name], own[name]) for name in MODALITIES}
    best = max(single, key=lambda name: single[name])
    fused = said.evidence()
    figures: dict[str, Any] = {
        "fused": score(fused),
        "patterns": shown,
        "single": single,
        "best_single": single[best],
        "gain": score(fused) - single[best],
        "shuffled": score(_shuffled(said, MODALITIES.index(best), seed)),
        "f1": dict(
            zip(
                data.spec.faults,
                class_f1(posterior(fused, prior).argmax(axis=1), truth, classes).tolist(),
                strict=True,
            )
        ),
        "inside": score_on(arena, trained, arena.inside),
        "ece": _ece(arena, trained, held, said=said),
    }
    return {**figures, "synergy": synergy(arena, trained, seed=seed)}


def synergy(arena: Arena, trained: Trained, *, seed: int) -> dict[str, float]:
    """Return macro-F1 of the network and of its best additive copy on the synergy split: unseen
    windows with all modalities there and the speed told by nothing but the dial."""
    data = arena.data
    arrays = data.batch(arena.unseen)
    alone = (arrays["present"].min(axis=1) > 0) & (arrays["operating"][:, 3] == 0)
    rows = arena.unseen[alone][:_SYNERGY]
    said = listen(trained.network, data, rows)
    truth, classes = data.targets().fault[rows], len(data.spec.faults)
    apart = additive(said, draws=_DRAWS, seed=seed)
    scores = [
        macro_f1(posterior(evidence, trained.prior).argmax(axis=1), truth, classes)
        for evidence in (said.evidence(), apart)
    ]
    return {
        "windows": len(rows),
        "full": scores[0],
        "additive": scores[1],
        "gap": scores[0] - scores[1],
    }


def _shuffled(said: Said, anchor: int, seed: int) -> Any:
    """Return the evidence with all but the best modality taken from other windows."""
    random = np.random.default_rng([seed, 13])
    own = np.arange(len(said))
    image, audio, text = (own if at == anchor else random.permutation(own) for at in range(3))
    return said.mixed(image, audio, text)


def choices(arena: Arena, trained: Trained, rows: Rows) -> NDArray[np.int64]:
    """Return the class a network takes each window for, (windows,)."""
    evidence = listen(trained.network, arena.data, rows).evidence()
    chosen: NDArray[np.int64] = posterior(evidence, trained.prior).argmax(axis=1)
    return chosen


def score_on(arena: Arena, trained: Trained, rows: Rows) -> float:
    """Return the macro-F1 of a network on windows."""
    truth = arena.data.targets().fault[rows]
    return macro_f1(choices(arena, trained, rows), truth, len(arena.data.spec.faults))


def _ece(arena: Arena, trained: Trained, held: Rows, *, said: Said) -> dict[str, float]:
    """Return the calibration error of each pattern, temperatures fitted on held-out windows."""
    prior, targets = trained.prior, arena.data.targets()
    learned = patterns(listen(trained.network, arena.data, held))
    labels = dict.fromkeys(PATTERNS, targets.fault[held])
    fitted = fit_calibration(learned, labels, prior=prior)
    truth = targets.fault[arena.unseen]
    found = {}
    for name, evidence in patterns(said).items():
        likely = posterior(evidence, prior, fitted.temperatures[name])
        found[name] = calibration_error(likely, truth)
    return found
