"""`mmindustry compress`: a bundle and windows in, a smaller bundle out, or the reasons why not."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from mmindustry.errors import InputError
from mmindustry.fusion.bundle import ARRAYS, CARD, HEATMAP, MODEL, WEIGHTS, Bundle, write_bundle
from mmindustry.fusion.ensemble import Ensemble, make_network
from mmindustry.fusion.export import export_onnx
from mmindustry.fusion.network import POOL, Network
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.spec import HEALTHY, NetworkSpec
from mmindustry.fusion.weights import arrays_of, fill, pack, unpack
from mmindustry.training.card import bundle_card
from mmindustry.training.compress.gate import Gate, Subject
from mmindustry.training.compress.int8 import SCOPES, quantised
from mmindustry.training.compress.prune import pruned
from mmindustry.training.compress.taught import TaughtLesson
from mmindustry.training.dataset import DataSet
from mmindustry.training.learned_from import training_prior
from mmindustry.training.loop import train_on
from mmindustry.training.losses import Lesson
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.serving import Measured, Serving, measure
from mmindustry.training.split import Rows, Split, in_parts, plant_split

Tell = Callable[[str], None]

PRUNED_SHARES = (0.3, 0.2, 0.1)
"""Shares of each layer's channels that go, the most first."""

_GOOD_SHARE = 0.9
_LEAST_TRAIN = 32
_LEAST_NORMAL = 8
_TUNING_RATE = 1e-3  # a third of the peak of training from nothing: what is known shall stay
_CALIBRATION_BATCH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made of a bundle: `kind` is a key of `KINDS`."""

    bundle: Bundle
    kind: str
    out: Path
    seed: int = 7
    """Of the split: as the bundle was trained, so that its held-out machines are held out here."""
    command: str = ""
    epochs: int = 6
    """Passes over the training windows where something is trained, at least 1."""
    train_windows: int = 4_000
    """Windows of the training side to train on, at most."""
    normal_windows: int = 200
    """Windows of healthy machines that int8 takes its ranges from, at most (learning.md 4.9)."""
    teachers: tuple[Bundle, ...] = ()
    """Bundles that teach beside `bundle`, where it is distilled."""

    def __post_init__(self) -> None:
        """Refuse what can't be made or would stand in something's place."""
        if self.kind not in KINDS:
            raise InputError(f"--to {self.kind}: known are {', '.join(KINDS)}")
        if self.out.exists():
            raise InputError(f"{self.out}: exists already; give another, bundles never change")
        if self.epochs < 1 or self.train_windows < _LEAST_TRAIN:
            raise InputError(f"give at least 1 epoch and {_LEAST_TRAIN} windows to train on")
        spec = self.bundle.manifest.spec
        for teacher in self.teachers:
            if teacher.manifest.spec.faults != spec.faults:
                raise InputError(f"{teacher.folder}: names other faults than {self.bundle.folder}")
            if not {*teacher.manifest.spec.inputs} <= {*spec.inputs}:
                raise InputError(f"{teacher.folder}: reads arrays that {self.bundle.folder} lacks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to make it smaller: `weights` serve on CUDA, `model` on CPU."""

    how: str
    spec: NetworkSpec
    weights: bytes
    model: bytes
    learned: bool = True
    """Whether it was trained on; else its products come as often as its parent's."""


Maker = Callable[[Order, DataSet, Split, Tell], Iterator[Candidate]]


def compress(order: Order, data: DataSet, tell: Tell) -> dict[str, Any]:
    """Write the first candidate that passes the gate, and return the figures of all tried.

    `passed` False: none did, and nothing was written.
    """
    torch.set_num_threads(1)
    split = plant_split(data.targets().group, order.seed)
    prior = training_prior(order.bundle)
    manifest = order.bundle.manifest
    serving = np.array([manifest.prior[fault] for fault in manifest.spec.faults])
    gate = Gate(data=data, split=split, prior=prior, serving=serving)
    parent = Subject(runtime=OnnxRuntime(order.bundle.model), calibration=manifest.calibration)
    tried: dict[str, Any] = {}
    for candidate in KINDS[order.kind](order, data, split, tell):
        tell(f"{candidate.how}: measuring on held-out machines")
        runtime = OnnxRuntime(candidate.model)
        share = Serving(manifest.prior[HEALTHY], _GOOD_SHARE, order.seed)
        fitted = measure(runtime, data, split, prior=prior, serving=share)
        found = gate.judge(parent, Subject(runtime=runtime, calibration=fitted.calibration))
        found["bytes"] = {"parent": len(order.bundle.model), "variant": len(candidate.model)}
        tried[candidate.how] = found
        if found["passed"]:
            written = _write(order, candidate, fitted, found)
            return {**_about(order), "bundle": written, "passed": True, "tried": tried}
        tell(f"{candidate.how}: refused: {'; '.join(found['reasons'])}")
    return {**_about(order), "bundle": None, "passed": False, "tried": tried}


def _about(order: Order) -> dict[str, Any]:
    return {"parent": order.bundle.id, "to": order.kind, "folder": order.out.name}


def _write(order: Order, candidate: Candidate, fitted: Measured, found: Mapping[str, Any]) -> str:
    parent = order.bundle.manifest
    trained_by = parent.metrics.get("compression", {}).get("trained_by", parent.command)
    compression = {
        "kind": order.kind,
        "how": candidate.how,
        "trained_by": trained_by,
        **found,
    }
    manifest = replace(
        parent,
        name=f"{parent.name}-{order.kind}",
        spec=candidate.spec,
        calibration=fitted.calibration,
        thresholds=fitted.thresholds,
        product_temperature=fitted.product_temperature,
        product_shift=fitted.product_shift if candidate.learned else parent.product_shift,
        metrics={**_kept(parent.metrics), **fitted.metrics, "compression": compression},
        parent=order.bundle.id,
        command=order.command,
    )
    contents = {
        WEIGHTS: candidate.weights,
        ARRAYS: pack(order.bundle.arrays),
        MODEL: candidate.model,
        CARD: bundle_card(manifest).encode(),
        **({HEATMAP: order.bundle.heatmap} if order.bundle.heatmap else {}),
    }
    return write_bundle(order.out, manifest, contents)


def _kept(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of what is not made smaller."""
    return {name: metrics[name] for name in ("heatmap",) if name in metrics}


def _int8(order: Order, data: DataSet, split: Split, tell: Tell) -> Iterator[Candidate]:
    """Yield the model quantised, the most first; the weights for CUDA stay the parent's."""
    healthy = data.targets().fault[split.train] == data.spec.faults.index(HEALTHY)
    calm = split.train[healthy]
    if len(calm) < _LEAST_NORMAL:
        raise InputError(
            f"int8 takes its ranges from {_LEAST_NORMAL} healthy windows at least, among those "
            f"trained on are {len(calm)}; train the bundle on more, or give more by --data-set"
        )
    drawn = np.random.default_rng(order.seed).permutation(calm)[: order.normal_windows]
    normal = [data.batch(part) for part in in_parts(np.sort(drawn), _CALIBRATION_BATCH)]
    for scope in SCOPES:
        tell(f"int8: {scope}")
        model = quantised(order.bundle.model, normal, scope)
        yield Candidate(
            how=scope, spec=data.spec, weights=order.bundle.weights, model=model, learned=False
        )


def _pruned(order: Order, data: DataSet, split: Split, tell: Tell) -> Iterator[Candidate]:
    """Yield the network without its weakest channels, trained on for a while, the most first."""
    manifest, sides = order.bundle.manifest, _sides(order, split)
    weights = unpack(order.bundle.weights, str(order.bundle.folder / WEIGHTS))
    policy = TrainingPolicy(
        seed=order.seed,
        epochs=order.epochs,
        learning_rate=_TUNING_RATE,
        fusion=manifest.spec.fusion,
        joint=not manifest.spec.pooled,  # taught as it was, and pooled anew
    )
    for share in PRUNED_SHARES:
        tell(
            f"pruned: {share:.0%} of the channels go, then {len(sides['rows'])} windows to recover"
        )
        spec, left = pruned(manifest.spec, weights, share)
        network = Network(replace(spec, pooled=False), training_prior(order.bundle))
        fill(network, {name: array for name, array in left.items() if name != POOL})
        learned = train_on(Lesson(network, policy, None), data, **sides, tell=tell)
        yield _candidate(f"{share:.0%} of the channels", learned.network)


def _distilled(order: Order, data: DataSet, split: Split, tell: Tell) -> Iterator[Candidate]:
    """Yield the default network, taught by the bundle and those beside it."""
    spec, sides = order.bundle.manifest.spec, _sides(order, split)
    teachers = [_network(one) for one in (order.bundle, *order.teachers)]
    plain = NetworkSpec(
        recipe=spec.recipe, faults=spec.faults, products=spec.products, gauges=spec.gauges
    )
    policy = TrainingPolicy(
        seed=order.seed,
        epochs=order.epochs,
        fusion=plain.fusion,
        joint=True,  # the teachers teach by their fused answer
    )
    torch.manual_seed(order.seed)
    student = Network(plain, training_prior(order.bundle))
    tell(f"distilled: {len(teachers)} teachers, {len(sides['rows'])} windows")
    learned = train_on(TaughtLesson(student, policy, teachers), data, **sides, tell=tell)
    yield _candidate(f"{len(teachers)} teachers", learned.network)


def _sides(order: Order, split: Split) -> dict[str, Rows]:
    """Return what is learned from and what judges it, as `fit` names them."""
    drawn = np.random.default_rng(order.seed).permutation(split.train)[: order.train_windows]
    return {"rows": np.sort(drawn), "validate": split.validate}


def _network(bundle: Bundle) -> Network | Ensemble:
    network = make_network(bundle.manifest.spec, [1.0] * len(bundle.manifest.spec.faults))
    fill(network, unpack(bundle.weights, str(bundle.folder / WEIGHTS)))
    return network.eval()


def _candidate(how: str, network: Network) -> Candidate:
    weights = pack(arrays_of(network))
    return Candidate(how=how, spec=network.spec, weights=weights, model=export_onnx(network))


KINDS: Mapping[str, Maker] = MappingProxyType(
    {"int8": _int8, "pruned": _pruned, "distilled": _distilled}
)
"""What a bundle can be made into."""
