"""Flagged windows of the simulated plant, judged by the bundle that ships."""

from dataclasses import dataclass, replace
from functools import cache

from mmindustry.domain import Features, Prediction
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import MEL_BASIS
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import builtin_bundle, read_bundle
from mmindustry.fusion.engine import Engine
from mmindustry.fusion.explainer import Target, target_of
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.simulate.windows import labelled_windows


@dataclass(frozen=True)
class Case:
    """A window, what was said of it, and what of it wants an explanation."""

    item: Features
    prediction: Prediction
    target: Target | None


@cache
def engine() -> Engine:
    bundle = read_bundle(builtin_bundle())
    return Engine(Judge(bundle.manifest), OnnxRuntime(bundle.model))


@cache
def cases(windows: int = 12, seed: int = 5, assets: int = 1) -> tuple[Case, ...]:
    """Return windows of some machines, healthy ones among them; a dozen of one, unless told."""
    bundle = read_bundle(builtin_bundle())
    recipe = bundle.manifest.spec.recipe
    basis = Basis.of(recipe, bundle.arrays[MEL_BASIS])
    found = []
    for one in labelled_windows(windows, seed, length_seconds=4.0, assets=assets):
        context = replace(one.context, bundle=bundle.id)
        item, _ = build_features(one.window, context, recipe, basis=basis, guard=Guard())
        assert isinstance(item, Features)
        (said,) = engine().judged([item], engine().runtime.run(engine().stack([item])))
        assert isinstance(said, Prediction)
        found.append(Case(item, said, target_of(said, engine().judge)))
    return tuple(found)


def faulty() -> tuple[Case, ...]:
    return flagged(cases())


def flagged(those: tuple[Case, ...]) -> tuple[Case, ...]:
    """Return the windows that a fault is told of."""
    return tuple(case for case in those if case.target and case.target.kind == "fault")
