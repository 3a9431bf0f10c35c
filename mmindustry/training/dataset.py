"""A data set on disk: one memory-mapped array a name, compact, and the labels beside them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Features
from mmindustry.errors import InputError
from mmindustry.fusion.spec import NetworkSpec

Arrays = dict[str, NDArray[Any]]

_AS_BYTES = ("image_frames", "image_regions")  # 0..1 of 8-bit pictures: nothing is lost
_AS_HALF = ("audio_logmel", "image_delta", "audio_speeds", "image_dial")
_LABELS = "labels.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is true of one window.

    `fault`, `product`: class names (product None: none in view). `hours`: to failure, or to where
    watching ended (`failed` False); None = nothing known. `group`: what may not be in two splits.
    `gauges`: what the needles show, where they are seen. `kind`: the asset's type, empty = unknown.
    `begin`: of the window, seconds since 1970, None = unknown.
    """

    fault: str
    product: str | None
    hours: float | None
    failed: bool
    group: str
    severity: float
    gauges: Mapping[str, float] = field(default_factory=dict)
    kind: str = ""
    begin: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Labels as numbers: class indices (product -1: none); gauges (windows, gauges) as shares of
    full scale, NaN = not seen; begin in seconds since 1970, NaN = unknown."""

    fault: NDArray[np.int64]
    product: NDArray[np.int64]
    hours: NDArray[np.float64]
    failed: NDArray[np.float32]
    severity: NDArray[np.float64]
    group: NDArray[np.str_]
    gauges: NDArray[np.float32]
    begin: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> "Targets":
        """Return the targets of these rows."""
        return Targets(**{name: getattr(self, name)[rows] for name in Targets.__slots__})


class DataSet:
    """Windows with labels, read from a folder as needed (a window takes 0.3 MB)."""

    def __init__(self, spec: NetworkSpec, folders: Sequence[Path]) -> None:
        self.spec = spec
        self._shards = [_Shard(folder, spec) for folder in folders]
        self._starts = np.cumsum([0, *(len(shard.labels) for shard in self._shards)])
        self.labels = [label for shard in self._shards for label in shard.labels]
        self._shown: NDArray[np.float32] | None = None
        self._hash = ""
        if not self.labels:
            raise InputError(f"{', '.join(map(str, folders))}: no labelled window")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def folders(self) -> list[Path]:
        """Where the windows lie, in order."""
        return [shard.folder for shard in self._shards]

    def parts(self) -> list[list[Label]]:
        """Return the labels of each folder, in order."""
        return [shard.labels for shard in self._shards]

    def targets(self) -> Targets:
        """Return all labels as arrays of shape (windows,).

        Raises:
            InputError: A label names a class the network does not know.
        """
        faults = {name: at for at, name in enumerate(self.spec.faults)}
        products: dict[str | None, int] = {None: -1}
        products |= {name: at for at, name in enumerate(self.spec.products)}
        try:
            fault = [faults[label.fault] for label in self.labels]
            product = [products[label.product] for label in self.labels]
        except KeyError as error:
            raise InputError(
                f"labels: unknown class {error}; train for it, or leave it out"
            ) from error
        shown = [
            [label.gauges.get(name, np.nan) / scale for name, scale in self.spec.gauges.items()]
            for label in self.labels
        ]
        hours = [np.nan if label.hours is None else label.hours for label in self.labels]
        return Targets(
            fault=np.array(fault),
            product=np.array(product),
            hours=np.array(hours, np.float64),
            failed=np.array([label.failed for label in self.labels], np.float32),
            severity=np.array([label.severity for label in self.labels]),
            group=np.array([label.group for label in self.labels]),
            gauges=np.array(shown, np.float32).reshape(len(shown), len(self.spec.gauges)),
            begin=np.array([np.nan if o.begin is None else o.begin for o in self.labels]),
        )

    def kinds(self) -> NDArray[np.str_]:
        """Return the type of each window's asset, (windows,); empty = unknown."""
        return np.array([label.kind for label in self.labels], dtype=np.str_)

    def batch(self, rows: NDArray[np.int64]) -> Arrays:
        """Return the arrays of these rows as the recipe shapes them, in the order given."""
        shard = np.searchsorted(self._starts, rows, side="right") - 1
        shapes = self.spec.recipe.shapes()
        found: Arrays = {}
        for name in self.spec.arrays:
            shape, dtype = shapes[name]
            out = np.empty((len(rows), *shape), dtype)
            for at in np.unique(shard):
                mine = shard == at
                stored = self._shards[at].arrays[name][rows[mine] - self._starts[at]]
                out[mine] = stored / np.float32(255.0) if name in _AS_BYTES else stored
            found[name] = out
        if self._shown is not None:
            found["present"] = found["present"] * self._shown
        return found

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array on disk, one window's; of the first part."""
        return {name: array.shape[1:] for name, array in self._shards[0].arrays.items()}

    def showing(self, shown: Sequence[bool]) -> "DataSet":
        """Return the same windows with every modality hidden that is not `shown` (modalities,)."""
        other = copy(self)
        other._shown = np.array(shown, np.float32)  # noqa: SLF001 - a copy of this one's own
        return other

    def relabelled(self, labels: Sequence[Label]) -> "DataSet":
        """Return the same windows with other labels, one a window, for controls."""
        other = copy(self)
        other.labels = list(labels)
        return other

    def data_hash(self) -> str:
        """Return SHA-256 over every array and label on disk, in order; they are read once."""
        if not self._hash:
            digest = hashlib.sha256()
            for shard in self._shards:
                for path in sorted(shard.folder.iterdir()):
                    digest.update(path.name.encode())
                    with path.open("rb") as file:
                        while block := file.read(2**20):
                            digest.update(block)
            self._hash = digest.hexdigest()
        return self._hash


class _Shard:
    """One folder that `write_shard` made."""

    def __init__(self, folder: Path, spec: NetworkSpec) -> None:
        self.folder = folder
        try:
            rows = json.loads((folder / _LABELS).read_text("utf-8"))
            self.arrays = {n: np.load(folder / f"{n}.npy", mmap_mode="r") for n in spec.arrays}
        except (OSError, ValueError) as error:
            raise InputError(f"{folder}: not a data set ({error}); make it again") from error
        self.labels = [Label(**row) for row in rows]
        shapes = spec.recipe.shapes()
        if odd := [n for n in spec.arrays if self.arrays[n].shape[1:] != shapes[n][0]]:
            raise InputError(f"{folder}: made by another recipe ({', '.join(odd)}); make it again")


def write_shard(
    folder: Path, spec: NetworkSpec, examples: Iterable[tuple[Features, Label]], *, limit: int
) -> Path:
    """Write at most `limit` labelled windows into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = spec.recipe.shapes()
    arrays = {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", "w+", _stored_type(name, shapes[name][1]), shape=shape
        )
        for name in spec.arrays
        if (shape := (limit, *shapes[name][0]))
    }
    labels = []
    for row, (features, label) in enumerate(_first(examples, limit)):
        for name, array in arrays.items():
            array[row] = _stored(name, features.arrays)
        labels.append(_as_json(label))
    _close(folder, arrays, len(labels))
    (folder / _LABELS).write_text(json.dumps(labels), "utf-8")
    return folder


def _first(
    examples: Iterable[tuple[Features, Label]], limit: int
) -> Iterator[tuple[Features, Label]]:
    for at, example in enumerate(examples):
        if at == limit:
            return
        yield example


def _close(folder: Path, arrays: Mapping[str, Any], count: int) -> None:
    for name, array in arrays.items():
        array.flush()
        if count < len(array):
            np.save(folder / f"{name}.npy", np.array(array[:count]))


def _stored_type(name: str, dtype: str) -> str:
    return "uint8" if name in _AS_BYTES else "float16" if name in _AS_HALF else dtype


def _stored(name: str, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    array = arrays[name]
    return np.rint(array * 255.0).astype(np.uint8) if name in _AS_BYTES else array


def _as_json(label: Label) -> dict[str, object]:
    return {name: getattr(label, name) for name in Label.__slots__}
