"""Labelled windows to measure a bundle on: in a folder that somebody gives, or simulated."""

from dataclasses import dataclass
from pathlib import Path

from mmindustry.errors import InputError
from mmindustry.fusion.bundle import Bundle
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.training.dataset import DataSet
from mmindustry.training.examples import Tell, make_data, orders

_LABELS = "labels.json"
_DEPTHS = ("", "*/", "*/*/")
_LEAST_MACHINES = 5


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
    machines = max(_LEAST_MACHINES, wanted.windows // wanted.a_machine)
    jobs = orders(wanted.windows, spec.recipe, machines=machines, seed=wanted.seed)
    return make_data(
        folder, spec, jobs, workers=wanted.workers, tell=tell, vocabulary=loaded.vocabulary
    )


def find_data(folder: Path, spec: NetworkSpec) -> DataSet:
    """Return every data set in `folder`, or up to two levels below, as one, in order of names.

    Raises:
        InputError: There is none, or its arrays are of another recipe than the network's.
    """
    found = [path for depth in _DEPTHS for path in folder.glob(f"{depth}{_LABELS}")]
    parts = sorted(path.parent for path in found if not path.parent.name.startswith("."))
    if not parts:
        raise InputError(
            f"{folder}: holds no labelled windows; it needs folders with {_LABELS} and arrays, "
            "as `mmindustry train --work FOLDER` keeps them"
        )
    data = DataSet(spec, parts)
    wanted = spec.recipe.shapes()
    for name, shape in data.shapes().items():
        if shape != (expected := wanted[name][0]):
            raise InputError(
                f"{folder}: {name} is {shape} a window, the bundle's recipe makes {expected}; "
                "make the windows by that recipe"
            )
    return data
