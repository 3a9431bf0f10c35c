"""Do encoders that learned on the simulator help on real material? Against random ones, few labels.

The encoders are frozen; a logistic regression learns from at most 100 labels on their embeddings
and is tried on what shares no recording, picture or line with them. Sound is of motors recorded
both healthy and faulty, each of them on both sides: nothing is said of motors never met. Real
material is read by the same production code. An encoder that does not beat a random one must not
be called pretrained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import WEIGHTS, Bundle, bundle_folder, read_bundle
from mmindustry.fusion.network import Network
from mmindustry.fusion.predictor import open_heatmap
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.weights import fill, unpack
from mmindustry.training.bench.arena import Tell
from mmindustry.training.bench.real import arrays_of_sample, balanced_accuracy, find_material
from mmindustry.training.bench.unmasked import show_defects

KINDS = {"sound": 1, "picture": 0, "text": 2}
"""Kind of material -> place of its modality."""

LABELS = (25, 100)
"""Numbers of labels learned from, where there are so many."""

_HEATMAP = "heatmap"
_CLASSES = 2
_DRAWS = 10
_LEAST_DRAWS = 2
_TRIES = 400
"""Halves drawn in search of `_DRAWS` that differ: enough to meet each of ten equally likely."""
_SEEDS = 3
_BATCH = 32

Numbers = NDArray[np.float64]
Names = NDArray[np.str_]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Draw:
    """Windows that may be learned from, in the order they are taken in, and windows tried."""

    learned: Rows
    tried: Rows


def transfer(data: Path, bundle: str, tell: Tell) -> dict[str, Any]:
    """Return balanced accuracy of pretrained and random encoders for each kind of material, and how
    well the bundle's heat map shows where real products are damaged (`show_defects`).

    Args:
        data: Folder of real data.
        bundle: Where the pretrained encoders are: a bundle's folder, or `builtin`.
        tell: Is told how far it is.

    Returns:
        `kinds`, `heatmap` (None where it is left out), and `left_out`: why what is missing, by
        name, could not be judged. Draws overlap: a gain's standard error is of draws of this
        material, not of new material.

    Raises:
        InputError: Nothing could be judged.
    """
    opened = read_bundle(bundle_folder(bundle))
    tasks = {kind: partial(_compare, kind, data, opened, tell) for kind in KINDS}
    found, left_out = {}, {}
    for name, judge in {**tasks, _HEATMAP: partial(_shown, data, opened)}.items():
        try:
            found[name] = judge()
        except InputError as error:
            left_out[name] = str(error)
            tell(f"{name}: left out: {error}")
    if not found:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(f"{data}: nothing could be judged; {reasons}")
    shown = found.pop(_HEATMAP, None)
    return {"bundle": opened.id, "kinds": found, "heatmap": shown, "left_out": left_out}


def _shown(data: Path, opened: Bundle) -> dict[str, Any]:
    heatmap = open_heatmap(opened)
    if heatmap is None:
        raise InputError("the bundle carries no heat map")
    return show_defects(data, heatmap)


def _compare(kind: str, data: Path, opened: Bundle, tell: Tell) -> dict[str, Any]:
    """Return what encoders are worth on one kind of material."""
    material = find_material(kind, data)
    spec = opened.manifest.spec
    basis = Basis.make(spec.recipe)
    built = [(one, arrays_of_sample(one, spec.recipe, basis)) for one in material.samples]
    kept = [(one, arrays) for one, arrays in built if arrays is not None]
    tell(f"{kind}: {len(kept)} windows")
    if material.left_out:
        tell(
            f"{kind}: {sum(material.left_out.values())} windows of {', '.join(material.left_out)} "
            "are left out: recorded in one class alone, which the motor would tell"
        )
    label = np.array([one.label for one, _ in kept], np.str_)
    group = np.array([one.group for one, _ in kept], np.str_)
    draws = _draws(label, group)
    embedded = _embeddings([arrays for _, arrays in kept], opened, KINDS[kind])
    return {
        "windows": len(kept),
        "groups": len(np.unique(group)),
        "groups_are": material.groups,
        "windows_left_out": dict(material.left_out),
        "draws": len(draws),
        "labels": _by_allowance(embedded, label, draws),
    }


def _embeddings(arrays: Sequence[Mapping[str, Any]], opened: Bundle, place: int) -> list[Numbers]:
    """Return what the bundle's encoder makes of windows, then what each random one does."""
    spec = opened.manifest.spec
    trained = _network(spec)
    fill(trained, unpack(opened.weights, WEIGHTS))
    found = [_embed(trained, arrays, place)]
    for seed in range(_SEEDS):
        torch.manual_seed(seed)
        found.append(_embed(_network(spec), arrays, place))
    return found


def _network(spec: NetworkSpec) -> Network:
    return Network(spec, np.full(len(spec.faults), 1 / len(spec.faults)))


def _by_allowance(
    embedded: Sequence[Numbers], label: Names, draws: Sequence[_Draw]
) -> dict[str, Any]:
    """Return the figures by how many labels are allowed, where more of them are there to learn."""
    own, *others = embedded
    rows: dict[str, Any] = {}
    most = 0
    for allowance in LABELS:
        learned = round(np.mean([len(draw.learned[:allowance]) for draw in draws]))
        if learned <= most:
            continue
        most = learned
        pretrained = _probe(own, label, draws, allowance=allowance)
        random = np.mean([_probe(o, label, draws, allowance=allowance) for o in others], axis=0)
        gain = pretrained - random
        error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
        rows[str(allowance)] = {
            "learned_from": learned,
            "pretrained": float(pretrained.mean()),
            "random": float(random.mean()),
            "gain": float(gain.mean()),
            "gain_standard_error": error,
            "better": bool(gain.mean() > 2 * error),
        }
    return rows


def _embed(network: Network, arrays: Sequence[Mapping[str, Any]], place: int) -> Numbers:
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


def _draws(label: Names, group: Names) -> list[_Draw]:
    """Return draws of half the groups to learn from, the others to try: no half comes twice.

    Every class is among the fewest labels learned from and among what is tried.

    Raises:
        InputError: There is one class only, or there are too few groups for two such draws.
    """
    classes, names = np.unique(label), np.unique(group)
    if len(classes) < _CLASSES:
        held = ", ".join(classes) or "no class"
        raise InputError(f"needs two classes; {len(label)} windows hold {held} alone")
    found: dict[bytes, _Draw] = {}
    for seed in range(_TRIES):
        random = np.random.default_rng(seed)
        chosen = np.isin(group, random.permutation(names)[: len(names) // 2])
        draw = _Draw(random.permutation(np.flatnonzero(chosen)), np.flatnonzero(~chosen))
        sides = draw.learned[: min(LABELS)], draw.tried
        if all(len(np.unique(label[side])) == len(classes) for side in sides):
            found.setdefault(chosen.tobytes(), draw)
        if len(found) == _DRAWS:
            break
    if len(found) < _LEAST_DRAWS:
        told = ", ".join(f"{len(np.unique(group[label == one]))} of {one}" for one in classes)
        raise InputError(f"too few groups to learn from half and try the rest: {told}")
    return list(found.values())


def _probe(embedded: Numbers, label: Names, draws: Sequence[_Draw], *, allowance: int) -> Numbers:
    """Return balanced accuracy of each draw, learned from at most `allowance` windows, (draws,)."""
    from sklearn.linear_model import (  # type: ignore[import-untyped]  # noqa: PLC0415 - training only
        LogisticRegression,
    )

    found: list[float] = []
    for draw in draws:
        learn = draw.learned[:allowance]
        mean, spread = embedded[learn].mean(0), embedded[learn].std(0) + 1e-6
        model = LogisticRegression(C=0.3, max_iter=500, class_weight="balanced")
        model.fit((embedded[learn] - mean) / spread, label[learn])
        chosen = np.asarray(model.predict((embedded[draw.tried] - mean) / spread))
        found.append(balanced_accuracy(chosen, label[draw.tried]))
    return np.array(found)
