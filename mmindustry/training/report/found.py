"""Labelled windows in a folder that somebody gives, whatever its parts are called."""

from pathlib import Path

from mmindustry.errors import InputError
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.training.dataset import DataSet

_LABELS = "labels.json"
_DEPTHS = ("", "*/", "*/*/")


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
