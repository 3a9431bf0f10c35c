"""Labelled windows of the simulated plant -> features and labels, by the production code."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from multiprocessing import active_children, get_context
from pathlib import Path

import numpy as np

from mmindustry.domain import Context, Features, Profile
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import BASELINE, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.encoders.adopt import vocabulary_of
from mmindustry.fusion.spec import HEALTHY, NetworkSpec
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.windows import LabelledWindow, labelled_windows
from mmindustry.training.baseline import baseline_frame
from mmindustry.training.dataset import DataSet, Label, write_shard

Tell = Callable[[str], None]

_BASELINE_SHARE = 0.7
_BASELINE_WINDOWS = 12
_TOLD_EVERY = 10
_SEEDS_APART = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One machine's windows to be made: its seed, how many, how long (seconds), in which plant
    (None = the usual one)."""

    seed: int
    visits: int
    length_seconds: float
    plant: SimulatePolicy | None = None


def orders(windows: int, recipe: Recipe, *, machines: int, seed: int) -> list[Order]:
    """Return one order a machine: `windows` in all, the recipe's window lengths in turn.

    Every machine has its own seed, so every one is of its own make.
    """
    visits = -(-windows // machines)
    lengths = recipe.window_lengths
    return [
        Order(seed=seed * _SEEDS_APART + m, visits=visits, length_seconds=lengths[m % len(lengths)])
        for m in range(machines)
    ]


def machine_seed(group: str) -> int | None:
    """Return the seed of the `orders` that made a machine's windows; None = it is none of these.

    >>> machine_seed("70012"), machine_seed("north/press/line-1/pump-1")
    (7, None)
    """
    return int(group) // _SEEDS_APART if group.isdecimal() else None


def make_data(  # noqa: PLR0913 - what is made, where, and how it is made and told
    folder: Path,
    spec: NetworkSpec,
    wanted: Sequence[Order],
    *,
    workers: int,
    tell: Tell,
    vocabulary: Sequence[str] | None = None,
) -> DataSet:
    """Return the data set of all orders; a machine that stands in the folder already is kept.

    The same orders give the same windows to the bit on x86-64 processors with AVX2, where the
    processes that make them are told to use it (`repeatable.pin_matrices`).

    `vocabulary`: word pieces, where the recipe asks for them; None = those of the spec's weights.
    """
    pieces = vocabulary_of(spec) if vocabulary is None else tuple(vocabulary)
    jobs = [(folder / shard_name(order, spec.recipe, pieces), order) for order in wanted]
    missing = [(path, order) for path, order in jobs if not path.exists()]
    if missing:
        others = {*active_children()}
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            found = [pool.submit(make_shard, path, spec, order, pieces) for path, order in missing]
            try:
                for number, future in enumerate(found, start=1):
                    future.result()
                    if number % _TOLD_EVERY == 0 or number == len(missing):
                        tell(f"simulated {number} of {len(missing)} machines")
            except BaseException:
                for worker in {*active_children()} - others:  # machines are written whole or not
                    worker.terminate()
                raise
    return DataSet(spec, [path for path, _ in jobs])


def shard_name(order: Order, recipe: Recipe, pieces: Sequence[str]) -> str:
    """Return the name of an order's folder: other recipes and vocabularies have other names.

    >>> shard_name(Order(seed=7, visits=20, length_seconds=4.0), Recipe(), ())
    'machine-7-20-4s'
    """
    told = [] if recipe == Recipe() else [json.dumps(recipe.to_json(), sort_keys=True)]
    told += ["\n".join(pieces)] if pieces else []
    marks = "".join(f"-{sha256(one.encode()).hexdigest()[:8]}" for one in told)
    return f"machine-{order.seed}-{order.visits}-{order.length_seconds:g}s{marks}"


def make_shard(
    folder: Path, spec: NetworkSpec, order: Order, vocabulary: Sequence[str] = ()
) -> Path:
    """Write one machine's windows as a data set, all at once, and return its folder."""
    if folder.exists():
        return folder
    unfinished = folder.with_name(f".{folder.name}")
    examples = simulated_examples(order, spec.recipe, vocabulary)
    write_shard(unfinished, spec, examples, limit=order.visits)
    unfinished.rename(folder)
    return folder


def simulated_examples(
    order: Order, recipe: Recipe, vocabulary: Sequence[str] = ()
) -> Iterator[tuple[Features, Label]]:
    """Yield the features and labels of one simulated machine.

    `vocabulary`: word pieces, where the recipe asks for them.

    Seven windows in ten know the machine's baseline frame, as in a plant where some have a
    profile and some not yet.
    """
    basis, guard = Basis.make(recipe, vocabulary), Guard()
    taken = list(
        labelled_windows(
            order.visits,
            order.seed,
            length_seconds=order.length_seconds,
            assets=1,
            policy=order.plant,
        )
    )

    def build(one: LabelledWindow, context: Context) -> Features | None:
        found, _ = build_features(one.window, context, recipe, basis=basis, guard=guard)
        return found if isinstance(found, Features) else None

    calm = [one for one in taken if one.truth.fault == HEALTHY][:_BASELINE_WINDOWS]
    seen = [found for one in calm if (found := build(one, one.context)) is not None]
    profile = _baseline_profile(seen, order)
    random = np.random.default_rng([order.seed, 77])
    for one in taken:
        known = profile is not None and random.random() < _BASELINE_SHARE
        features = build(one, replace(one.context, profile=profile if known else None))
        if features is not None:
            yield features, label_of(one, order)


def label_of(one: LabelledWindow, order: Order) -> Label:
    """Return what the simulator knows of a window as a label."""
    truth = one.truth
    return Label(
        fault=truth.fault,
        product=truth.product,
        hours=truth.time_to_failure_seconds / 3600.0,
        failed=not truth.censored,
        group=f"{order.seed}",
        severity=truth.severity,
        gauges=dict(truth.gauges),
        kind=one.context.card.kind if one.context.card else "",
        begin=one.window.key.start.timestamp(),
    )


def _baseline_profile(calm: Sequence[Features], order: Order) -> Profile | None:
    frame = baseline_frame(calm)
    if frame is None:
        return None
    return Profile(
        id=f"baseline-{order.seed}",
        asset=str(order.seed),
        version=1,
        bundle="",
        normal_hours=0.0,
        arrays={BASELINE: frame},
        limits={},
    )
