"""`mmindustry train --simulated`: simulated plant -> data set -> network -> figures -> bundle."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

import mmindustry
from mmindustry.errors import InputError
from mmindustry.features.spec import PRODUCT, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import ARRAYS, CARD, HEATMAP, MODEL, WEIGHTS, write_bundle
from mmindustry.fusion.encoders.adopt import adopt, pinned, vocabulary_of
from mmindustry.fusion.export import export_onnx
from mmindustry.fusion.fusions import CLASSICS, FUSIONS
from mmindustry.fusion.heatmap_runtime import STRIDE
from mmindustry.fusion.manifest import Manifest
from mmindustry.fusion.network import Network
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.presets import Design
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.weights import arrays_of, pack
from mmindustry.simulate.faults import CLASSES
from mmindustry.simulate.product import PRODUCT_CLASSES
from mmindustry.training.card import bundle_card
from mmindustry.training.dataset import DataSet
from mmindustry.training.dealt import dealt_labels
from mmindustry.training.ensembles import Chosen, choose
from mmindustry.training.examples import make_data, orders
from mmindustry.training.folds import grouped_folds
from mmindustry.training.heatmap_lane import LaneRun, evaluate_lane
from mmindustry.training.loop import Attend, fit
from mmindustry.training.obeying import Stoppable, obeying
from mmindustry.training.policy import PLANT_MACHINES, PLANT_SEED, PLANT_WINDOWS, TrainingPolicy
from mmindustry.training.serving import Measured, Serving, measure
from mmindustry.training.split import Split, plant_split

Tell = Callable[[str], None]
_CONTROL_WINDOWS = 500
_CONTROL_EPOCHS = 24
_LANE_SHARE = 0.4
_LEAST_LANE = 160
_LANE_MACHINES, _LEAST_LANE_MACHINES = 64, 8
_FULL_SCALE = MappingProxyType({"speed_rpm": 3000.0, "suction_bar": 3.0})


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRun:
    """What to make: how much, from which seed, where to."""

    windows: int = PLANT_WINDOWS
    """Labelled windows in all."""
    machines: int = PLANT_MACHINES
    """Machines they come from; a fifth is kept for the figures."""
    seed: int = PLANT_SEED
    """Of machines, windows, split and training."""
    workers: int = 2
    """Processes that simulate."""
    out: Path = Path("bundle")
    """Folder of the new bundle."""
    work: Path = Path("bundle-work")
    """Folder for the data set; what stands there already is used again."""
    name: str = "simulated"
    """Name of the bundle."""
    command: str = ""
    """What was typed."""
    policy: TrainingPolicy = field(default_factory=TrainingPolicy)
    healthy_prior: float = 0.8
    """Share of healthy windows where the bundle will serve; machines are mostly well."""

    good_prior: float = 0.9
    """Share of good products where the bundle will serve."""
    folds: int = 0
    """Folds whose networks may serve as one, where validation says so; 0 = none."""
    trials: int = 0
    """Settings that are tried out before; 0 = those of the policy are taken."""

    design: Design = field(default_factory=Design)
    """What the network is made of."""

    def __post_init__(self) -> None:
        """Refuse a run too small to be split or measured."""
        if self.machines < 5 or self.windows < 20 * self.machines:  # noqa: PLR2004 - as said
            raise InputError(
                f"{self.windows} windows of {self.machines} machines are too few: "
                "at least 5 machines and 20 windows of each are needed"
            )
        if not (0 < self.healthy_prior < 1 and 0 < self.good_prior < 1):
            raise InputError("healthy_prior and good_prior must lie between 0 and 1")
        if self.folds == 1 or min(self.folds, self.trials) < 0:
            raise InputError("folds must be 0 or at least 2, trials at least 0")


@dataclass(frozen=True, slots=True)
class Report:
    """The bundle that was written, and its figures as they stand in bundle.json."""

    bundle: str
    folder: Path
    metrics: dict[str, Any]


def train_simulated(run: SimulatedRun, tell: Tell, attend: Attend | None = None) -> Report | None:
    """Make a bundle from the simulated plant alone and return its figures on unseen machines.

    The same run gives the same bundle wherever the instructions are the same (`pin_kernels`). In a
    team all train, the first one writes and the others return None.

    Raises:
        InputError: `run.out` exists, or what stands in the checkpoint is another run's.
        Interrupted: `attend.stop` said so.
    """
    attend = replace(attend or Attend(), tell=tell if attend is None else attend.tell)
    torch.set_num_threads(1)
    if run.out.exists():
        raise InputError(f"{run.out}: exists already; give another --out, bundles never change")
    known = (*FUSIONS, *CLASSICS)
    if run.policy.fusion not in known:
        raise InputError(f"fusion {run.policy.fusion!r} is none of {', '.join(known)}")
    spec = replace(run.design.apply(simulated_spec(run.policy)), fusion=run.policy.fusion)
    spec = pinned(spec, attend.access)
    pieces = vocabulary_of(spec, attend.access)
    _try_weights(spec, attend)
    if attend.team.rank == 0:
        simulated_data(run, spec, tell, vocabulary=pieces)
    attend.team.wait()
    data = simulated_data(run, spec, _silent, vocabulary=pieces)
    split = plant_split(data.targets().group, run.seed)
    run = replace(run, policy=replace(run.policy, seed=run.seed))
    run, chosen = _trained(run, data, split, attend)
    if attend.team.rank > 0:
        return None
    basis = Basis.make(spec.recipe, pieces)
    return _written(run, (data, split, basis), chosen, attend=attend)


def _try_weights(spec: NetworkSpec, attend: Attend) -> None:
    """Fill encoders once from the weights that are asked for: what does not fit is refused before
    windows are made, not behind it."""
    if spec.weights:
        even = np.full(len(spec.faults), 1.0 / len(spec.faults))
        adopt(Network(spec, even).encoders(), spec, tell=_silent, access=attend.access)


def _trained(
    run: SimulatedRun, data: DataSet, split: Split, attend: Attend
) -> tuple[SimulatedRun, Chosen]:
    """Return what serves, and the run with the settings that were found best."""
    if run.folds:  # refused before anything is trained, where there are fewer machines
        grouped_folds(data.targets().group[split.train], run.folds, run.policy.seed)
    if run.trials:
        from mmindustry.training.search import search  # noqa: PLC0415 - needs the extra tune

        found = search(data, split.train, run.policy, trials=run.trials, attend=attend)
        attend.tell(f"best of {found.trials} settings: {dict(found.tried)}")
        run = replace(run, policy=found.policy)
    single = fit(data, rows=split.train, validate=split.validate, policy=run.policy, attend=attend)
    if not run.folds:
        return run, Chosen(single.network, single.prior, "single", {}, ())
    plan = (run.policy, run.folds, attend)
    return run, choose(data, single, rows=split.train, validate=split.validate, plan=plan)


def _written(
    run: SimulatedRun, of: tuple[DataSet, Split, Basis], chosen: Chosen, *, attend: Attend
) -> Report:
    """Export and measure what was chosen `of` these windows, and write the bundle."""
    data, split, basis = of
    trained, attend = attend, obeying(attend)
    attend.tell(f"measuring on {len(split.validate) + len(split.test)} windows it did not learn")
    model = export_onnx(chosen.network)
    serving = Serving(run.healthy_prior, run.good_prior, run.seed)
    runtime = Stoppable(OnnxRuntime(model), trained)
    measured = measure(runtime, data, split, prior=chosen.prior, serving=serving)
    attend.tell("control: learning labels dealt at random by heart")
    measured.metrics["macro_f1"] |= permuted_labels(data, split, run.policy, attend=attend)
    if run.folds:
        measured.metrics["folds"] = {
            "chosen": chosen.name,
            "validation_loss": dict(chosen.losses),
            "macro_f1": list(chosen.folds),
        }
    members = run.folds if chosen.name != "single" else 1
    pooled = chosen.network.spec.pooled
    spec = replace(measured.spec, pooled=pooled, members=members, stacked=chosen.name == "stacked")
    heatmap: dict[str, bytes] = {}
    if lane := lane_run(run, spec):
        attend.tell("heat map of defects")
        measured.metrics["heatmap"], heatmap[HEATMAP] = evaluate_lane(lane, attend.tell)
    manifest = _manifest(run, replace(measured, spec=spec), data.data_hash())
    contents = {
        WEIGHTS: pack(arrays_of(chosen.network)),
        ARRAYS: pack(basis.to_arrays()),
        MODEL: model,
        CARD: bundle_card(manifest).encode(),
        **heatmap,
    }
    bundle = write_bundle(run.out, manifest, contents)
    return Report(bundle, run.out, measured.metrics)


def lane_run(run: SimulatedRun, spec: NetworkSpec) -> LaneRun | None:
    """Return what the heat map of defects is learned from; None where no product is looked at."""
    looked = "image" in spec.modalities and "image_regions" in spec.inputs
    if not looked or PRODUCT not in spec.recipe.regions or spec.recipe.region_size % STRIDE:
        return None
    return LaneRun(
        windows=max(_LEAST_LANE, round(_LANE_SHARE * run.windows)),
        machines=min(_LANE_MACHINES, max(_LEAST_LANE_MACHINES, run.machines)),
        seed=run.seed,
        side=spec.recipe.region_size,
    )


def simulated_spec(policy: TrainingPolicy) -> NetworkSpec:
    """Return what a network for the simulated plant is built from."""
    return NetworkSpec(
        recipe=Recipe(),
        faults=CLASSES,
        products=PRODUCT_CLASSES,
        gauges=dict(_FULL_SCALE),
        fusion=policy.fusion,
    )


def simulated_data(
    run: SimulatedRun, spec: NetworkSpec, tell: Tell, *, vocabulary: Sequence[str] | None = None
) -> DataSet:
    """Return the data set of a run, made where it does not stand already.

    `vocabulary`: word pieces, where the recipe asks for them; None = those of the spec's weights.
    """
    wanted = orders(run.windows, spec.recipe, machines=run.machines, seed=run.seed)
    return make_data(run.work, spec, wanted, workers=run.workers, tell=tell, vocabulary=vocabulary)


def permuted_labels(
    data: DataSet, split: Split, policy: TrainingPolicy, *, attend: Attend
) -> dict[str, float]:
    """Return macro-F1 on unseen machines after labels dealt at random were learned by heart, which
    must be chance, and how well they were learned, which must be more.

    Were the first more than chance, something besides the label told the network the answer.
    """
    rows = np.random.default_rng(policy.seed).permutation(split.train)[:_CONTROL_WINDOWS]
    heart = replace(policy, epochs=_CONTROL_EPOCHS, patience=_CONTROL_EPOCHS, averaging=0.98)
    told = replace(attend, tell=lambda message: attend.tell(f"control: {message}"))
    dealt = dealt_labels(data, rows, split.test, policy=heart, attend=told)
    return {
        "permuted_labels": dealt.unseen.found,
        "permuted_labels_by_heart": dealt.learned.found,
    }


def _manifest(run: SimulatedRun, measured: Measured, data_hash: str) -> Manifest:
    return Manifest(
        name=run.name,
        spec=measured.spec,
        prior=measured.prior,
        thresholds=measured.thresholds,
        calibration=measured.calibration,
        product_shift=measured.product_shift,
        product_temperature=measured.product_temperature,
        metrics=measured.metrics,
        data_hash=data_hash,
        command=run.command,
        versions={
            "mmindustry": mmindustry.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
    )


def _silent(message: str) -> None:
    del message
