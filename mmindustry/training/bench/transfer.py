"""Do encoders that learned on the simulator help on real material? Against random ones, few labels.

The encoders are frozen; a logistic regression learns from at most 100 labels on their embeddings
and is tried on what shares no motor (of one motor alone: no recording), picture or line with them.
Real material is read by the same production code. An encoder that does not beat a random one must
not be called pretrained.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import WEIGHTS, bundle_folder, read_bundle
from mmindustry.fusion.network import Network
from mmindustry.fusion.predictor import open_heatmap
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.weights import fill, unpack
from mmindustry.training.bench.arena import Tell
from mmindustry.training.bench.real import (
    Sample,
    arrays_of_sample,
    balanced_accuracy,
    samples,
)
from mmindustry.training.bench.unmasked import show_defects

KINDS = {"sound": 1, "picture": 0, "text": 2}
"""Kind of material -> place of its modality."""

LABELS = (25, 100)
"""Numbers of labels learned from."""

_DRAWS = 10
_SEEDS = 3
_BATCH = 32


def transfer(data: Path, bundle: str, tell: Tell) -> dict[str, Any]:
    """Return balanced accuracy of pretrained and random encoders for each kind of material, and how
    well the bundle's heat map shows where real products are damaged (`show_defects`).

    Args:
        data: Folder of real data; kinds that it lacks are left out.
        bundle: Where the pretrained encoders are: a bundle's folder, or `builtin`.
        tell: Is told how far it is.

    Raises:
        InputError: The folder holds none of the material.
    """
    opened = read_bundle(bundle_folder(bundle))
    spec = opened.manifest.spec
    trained = Network(spec, np.full(len(spec.faults), 1 / len(spec.faults)))
    fill(trained, unpack(opened.weights, WEIGHTS))
    found: dict[str, Any] = {}
    for kind, place in KINDS.items():
        material = samples(kind, data)
        if material:
            tell(f"{kind}: {len(material)} windows")
            found[kind] = _compare(material, trained, spec, place=place)
    if not found:
        raise InputError(
            f"{data}: holds neither recordings in audio/bldc, products with masks in images nor "
            "text/maintie/*.json"
        )
    heatmap = open_heatmap(opened)
    shown = None if heatmap is None else show_defects(data, heatmap)
    return {"bundle": bundle, "kinds": found, "heatmap": shown}


def _compare(
    material: Sequence[Sample], trained: Network, spec: NetworkSpec, *, place: int
) -> dict[str, Any]:
    basis = Basis.make(spec.recipe)
    built = [(one, arrays_of_sample(one, spec.recipe, basis)) for one in material]
    kept = [(one, arrays) for one, arrays in built if arrays is not None]
    label = np.array([one.label for one, _ in kept])
    group = np.array([one.group for one, _ in kept])
    arrays = [arrays for _, arrays in kept]
    own = _embed(trained, arrays, place)
    others = []
    for seed in range(_SEEDS):
        torch.manual_seed(seed)
        fresh = Network(spec, np.full(len(spec.faults), 1 / len(spec.faults)))
        others.append(_embed(fresh, arrays, place))
    rows = {}
    for labels in LABELS:
        pretrained = _probe(own, label, group, labels=labels)
        random = np.mean([_probe(o, label, group, labels=labels) for o in others], axis=0)
        gain = pretrained - random
        error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
        rows[str(labels)] = {
            "pretrained": float(pretrained.mean()),
            "random": float(random.mean()),
            "gain": float(gain.mean()),
            "gain_standard_error": error,
            "better": bool(gain.mean() > 2 * error),
        }
    return {"windows": len(kept), "groups": len(np.unique(group)), "labels": rows}


def _embed(network: Network, arrays: Sequence[dict[str, Any]], place: int) -> NDArray[np.float64]:
    """Return the embedding of one modality, (windows, width)."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for at in range(0, len(arrays), _BATCH):
            some = arrays[at : at + _BATCH]
            batch = {
                name: torch.from_numpy(np.stack([one[name] for one in some]))
                for name in network.spec.inputs
            }
            parts.append(network(batch).embeddings[:, place].numpy())
    return np.concatenate(parts).astype(np.float64)


def _probe(
    embedded: NDArray[np.float64],
    label: NDArray[np.str_],
    group: NDArray[np.str_],
    *,
    labels: int,
) -> NDArray[np.float64]:
    """Return balanced accuracy of each draw: half the groups may be learned from, at most `labels`
    windows of them, the other half is tried."""
    from sklearn.linear_model import (  # type: ignore[import-untyped]  # noqa: PLC0415 - training only
        LogisticRegression,
    )

    found: list[float] = []
    names = np.unique(group)
    draw = 0
    while len(found) < _DRAWS:
        random = np.random.default_rng([draw, labels])
        draw += 1
        half = random.permutation(names)[: len(names) // 2]
        learn = random.permutation(np.flatnonzero(np.isin(group, half)))[:labels]
        tried = np.flatnonzero(~np.isin(group, half))
        if min(len(np.unique(label[learn])), len(np.unique(label[tried]))) < len(np.unique(label)):
            if draw > 20 * _DRAWS:
                raise InputError("too few groups of each class to learn from half and try the rest")
            continue
        mean, spread = embedded[learn].mean(0), embedded[learn].std(0) + 1e-6
        model = LogisticRegression(C=0.3, max_iter=500, class_weight="balanced")
        model.fit((embedded[learn] - mean) / spread, label[learn])
        chosen = np.asarray(model.predict((embedded[tried] - mean) / spread))
        found.append(balanced_accuracy(chosen, label[tried]))
    return np.array(found)
