"""Labelled windows to measure a bundle on: in a folder that somebody gives, or simulated."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from mmindustry.errors import InputError
from mmindustry.fusion.bundle import Bundle
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.training.dataset import DataSet
from mmindustry.training.examples import Tell, machine_seed, make_data, orders
from mmindustry.training.policy import PLANT_SEED

_LABELS = "labels.json"
_DEPTHS = ("", "*/", "*/*/")
_LEAST_MACHINES = 5
_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """Windows of simulated machines that a bundle has not met: how many, of how many a machine,
    from which seed (another than it was trained with), made by how many processes."""

    windows: int
    a_machine: int
    seed: int
    workers: int


def make_unmet(loaded: Bundle, wanted: Unmet, folder: Path, tell: Tell) -> DataSet:
    """Return these windows by the bundle's recipe, of five machines at least, kept in a folder."""
    spec = loaded.manifest.spec
    if wanted.seed == learned_seed(loaded):
        raise InputError(
            f"--seed {wanted.seed}: {loaded.id} learned from the machines of this seed; "
            "give another"
        )
    machines = max(_LEAST_MACHINES, wanted.windows // wanted.a_machine)
    jobs = orders(wanted.windows, spec.recipe, machines=machines, seed=wanted.seed)
    return make_data(
        folder, spec, jobs, workers=wanted.workers, tell=tell, vocabulary=loaded.vocabulary
    )


def seed_of(command: str) -> int | None:
    """Return the seed of the simulated machines that a command trains on; None = no such command.

    >>> seed_of("mmindustry train --simulated --seed 9 --out b"), seed_of("")
    (9, None)
    """
    words = shlex.split(command.replace("=", " "))
    if "--simulated" not in words:
        return None
    given = [int(seed) for name, seed in pairwise(words) if name == "--seed" and seed.isdigit()]
    return given[-1] if given else PLANT_SEED


def learned_seed(loaded: Bundle) -> int | None:
    """Return the seed of the simulated machines that a bundle, or what it was made smaller from,
    was trained on; None = its command names none."""
    compressed = loaded.manifest.metrics.get("compression", {})
    return seed_of(str(compressed.get("trained_by") or loaded.manifest.command))


def find_unmet(loaded: Bundle, folder: Path) -> DataSet:
    """Return what `find_data` finds, none of it of a machine that the bundle was trained on.

    Raises:
        InputError: Some is, or as `find_data`.
    """
    data = find_data(folder, loaded.manifest.spec)
    refuse_met(loaded, data, str(folder))
    return data


def refuse_met(loaded: Bundle, data: DataSet, source: str) -> None:
    """Refuse windows that a bundle was trained on, and any of a simulated machine it knows.

    Raises:
        InputError: There are some.
    """
    seed = learned_seed(loaded)
    groups = np.unique(data.targets().group)
    met = [name for name in groups if seed is not None and machine_seed(name) == seed]
    if met or data.data_hash() == loaded.manifest.data_hash:
        told = f"{len(met)} of its {len(groups)} machines ({', '.join(met[:_TOLD])} ...)"
        raise InputError(
            f"{source}: bundle {loaded.id} was trained on {told if met else 'these windows'}; give "
            "it others (another --seed, another folder), or its figures are those of its memory"
        )


def find_data(folder: Path, spec: NetworkSpec) -> DataSet:
    """Return every data set in `folder`, or up to two levels below, as one, in order of names.

    Raises:
        InputError: There is none, its arrays are of another recipe than the network's, or two of
            them hold the same windows.
    """
    found = [path for depth in _DEPTHS for path in folder.glob(f"{depth}{_LABELS}")]
    parts = sorted(path.parent for path in found if not path.parent.name.startswith("."))
    if not parts:
        raise InputError(
            f"{folder}: holds no labelled windows; it needs folders with {_LABELS} and arrays, "
            "as `mmindustry train --work FOLDER` keeps them"
        )
    data = DataSet(spec, parts)
    _refuse_twice(folder, data, parts)
    wanted = spec.recipe.shapes()
    for name, shape in data.shapes().items():
        if shape != (expected := wanted[name][0]):
            raise InputError(
                f"{folder}: {name} is {shape} a window, the bundle's recipe makes {expected}; "
                "make the windows by that recipe"
            )
    return data


def _refuse_twice(folder: Path, data: DataSet, parts: Sequence[Path]) -> None:
    """Refuse folders that hold the same windows, such as two recipes' of the same machines."""
    holder: dict[tuple[str, float], Path] = {}
    for part, windows in zip(parts, data.parts(), strict=True):
        for label in windows:
            if label.begin is None:
                continue
            first = holder.setdefault((label.group, label.begin), part)
            if first != part:
                raise InputError(
                    f"{folder}: {first.name} and {part.name} hold the same windows; keep what two "
                    "recipes make of them in a folder each"
                )
