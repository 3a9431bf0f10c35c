"""Windows that are alike, by exact search over embeddings (numpy; faiss where it is installed)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import InputError
from mmindustry.features.spec import MODALITIES
from mmindustry.fusion.spec import NetworkSpec

Array = NDArray[np.float32]

_TINY = 1e-6
_ALIGNED = "alignment"


def unpack_embeddings(kept: Sequence[bytes], width: int) -> Array:
    """Return kept embeddings as (windows, modalities, width), zero where absent.

    Raises:
        InputError: They are of another width: of another bundle.
    """
    size = 2 * width * len(MODALITIES)
    if any(len(one) != size for one in kept):
        raise InputError(f"these embeddings are not {width} wide; they are of another bundle")
    joined = np.frombuffer(b"".join(kept), "<f2").astype(np.float32)
    return joined.reshape(len(kept), len(MODALITIES), width)


@dataclass(frozen=True, slots=True)
class Space:
    """Where embeddings of different modalities can be compared: one matrix and shift a modality.

    `shared` False: each modality lies in a space of its own, and only like is compared with like.
    """

    matrices: Array | None
    shifts: Array | None

    @property
    def shared(self) -> bool:
        """Whether a text can be held against a sound."""
        return self.matrices is not None

    @classmethod
    def of(cls, spec: NetworkSpec, weights: Mapping[str, Array]) -> "Space":
        """Return the space of a bundle: the alignment fusion's, where the bundle has it."""
        if spec.fusion != _ALIGNED:
            return cls(None, None)
        names = [f"fusion.shared.{m}" for m in range(len(MODALITIES))]
        return cls(
            np.stack([weights[f"{name}.weight"] for name in names]),
            np.stack([weights[f"{name}.bias"] for name in names]),
        )

    def place(self, embeddings: Array, quality: Array) -> Array:
        """Return embeddings (windows, modalities, width) in the space, length 1, 0 where absent.

        `quality`: (windows, modalities) 0..1, 0 where absent.
        """
        there = (quality > 0)[..., None]
        points = embeddings * quality[..., None] if self.shared else embeddings
        if self.matrices is not None and self.shifts is not None:
            points = np.einsum("nmi,moi->nmo", points, self.matrices) + self.shifts
        length = np.linalg.norm(points, axis=2, keepdims=True)
        placed: Array = np.where(there, points / np.maximum(length, _TINY), 0.0)
        return placed.astype(np.float32)


def column(modality: str) -> int:
    """Return a modality's place.

    Raises:
        InputError: There is no such modality.
    """
    if modality not in MODALITIES:
        raise InputError(f"modality {modality!r}: give one of {', '.join(MODALITIES)}")
    return MODALITIES.index(modality)


def likeness(query: Array, bank: Array) -> Array:
    """Return how alike a window is to each of a bank, -1..1, by the modalities both have.

    The mean of the cosines; -1 where they have none in common.

    Args:
        query: (modalities, width), placed.
        bank: (windows, modalities, width), placed.
    """
    cosines = np.einsum("mw,nmw->nm", query, bank)
    both = (np.abs(query).sum(axis=1) > 0)[None] & (np.abs(bank).sum(axis=2) > 0)
    count = both.sum(axis=1)
    mean = np.where(both, cosines, 0.0).sum(axis=1) / np.maximum(count, 1)
    found: Array = np.where(count > 0, mean, -1.0).astype(np.float32)
    return found


def across(query: Array, bank: Array, modality: str) -> Array:
    """Return the cosine of one placed vector (width,) to one modality of each window, -1 absent."""
    points = bank[:, column(modality)]
    there = np.abs(points).sum(axis=1) > 0
    found: Array = np.where(there, points @ query, -1.0).astype(np.float32)
    return found


def nearest(scores: Array, k: int) -> list[int]:
    """Return the places of the `k` highest scores above -1, ties by place.

    >>> nearest(np.array([0.1, 0.9, -1.0, 0.9], np.float32), 3)
    [1, 3, 0]
    """
    order = np.argsort(-scores, kind="stable")[:k]
    return [int(at) for at in order if scores[at] > -1.0]


def nearest_across(
    query: Array, bank: Array, modality: str, k: int, *, faiss: bool | None = None
) -> list[tuple[int, float]]:
    """Return (place, cosine) of the `k` windows whose modality is nearest to a placed vector.

    Both ways are exact and find the same; faiss (extra `search`) keeps only `k` as it goes.

    Args:
        query: (width,).
        bank: (windows, modalities, width), placed.
        modality: What is looked at; windows without it are not found.
        k: How many at most.
        faiss: Whether faiss searches; None: where it is installed.
    """
    if faiss is None:
        faiss = find_spec("faiss") is not None
    if not faiss:
        scores = across(query, bank, modality)
        return [(at, float(scores[at])) for at in nearest(scores, k)]
    points = bank[:, column(modality)]
    there = np.flatnonzero(np.abs(points).sum(axis=1) > 0)
    return [(int(there[at]), score) for at, score in _by_faiss(query, points[there], k)]


def _by_faiss(query: Array, points: Array, k: int) -> list[tuple[int, float]]:
    import faiss  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415 - an extra

    index = faiss.IndexFlatIP(points.shape[1])
    index.add(np.ascontiguousarray(points, np.float32))
    count = min(k, len(points))
    if not count:
        return []
    cosines, found = index.search(np.ascontiguousarray(query[None], np.float32), count)
    return [(int(at), float(cosine)) for at, cosine in zip(found[0], cosines[0], strict=True)]


def recall_at(ranked: Sequence[Sequence[int]], relevant: Sequence[frozenset[int]], k: int) -> float:
    """Return the share of queries with a relevant window among the first `k`, 0..1.

    Queries without any relevant window count not.

    >>> recall_at([[1, 2], [0, 3]], [frozenset({2}), frozenset({9})], 2)
    0.5
    """
    asked = [(r, want) for r, want in zip(ranked, relevant, strict=True) if want]
    hits = [bool(set(r[:k]) & want) for r, want in asked]
    return float(np.mean(hits)) if hits else float("nan")
