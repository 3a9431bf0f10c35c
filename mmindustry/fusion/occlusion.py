"""A window with a part of it hidden, in many ways at once: what the answer loses tells what it
rests on (Zeiler and Fergus, ECCV 2014). Numpy only; any runtime serves.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.features.spec import ORDERS, Recipe
from mmindustry.features.text import TEXT_IDS, Pieces, entry_ids, pieces
from mmindustry.fusion.explain import coalitions
from mmindustry.fusion.runtime import Arrays, Raw

Array = NDArray[np.float64]

GRID = 6
"""Patches a frame's width and height are cut into."""
BANDS = 8
"""Bands the log-mel is cut into."""
MOST_ENTRIES = 8
"""Newest log entries that are hidden one by one."""
MOST_WORDS = 20
"""Most words of one entry that are."""

_QUIET = 0.1
"""Quantile of a window's log-mel that stands for silence."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of one window's array: `value` at `place`."""

    array: str
    place: tuple[Any, ...]
    value: Any


Variant = tuple[Edit, ...]


def hidden_modalities(arrays: Arrays) -> tuple[list[Variant], NDArray[np.bool_]]:
    """Return one variant a coalition of modalities, and the coalitions (2^n, n)."""
    present = np.asarray(arrays["present"]) > 0
    masks = coalitions(len(present)) & present
    return [(Edit("present", (), row.astype(np.float32)),) for row in masks], masks


def hidden_patches(arrays: Arrays) -> list[Variant]:
    """Return GRID x GRID variants, row by row: the same patch of every frame in its mean colour,
    as on a fixed camera, and no change against the baseline where the network reads that."""
    frames = np.asarray(arrays["image_frames"])  # (frame, 3, size, size)
    mean = frames.mean(axis=(2, 3), keepdims=True)
    found: list[Variant] = []
    for rows, columns in _patches(frames.shape[-1]):
        place = (slice(None), slice(None), rows, columns)
        change = (Edit("image_delta", place, 0.0),) if "image_delta" in arrays else ()
        found.append((Edit("image_frames", place, mean), *change))
    return found


def hidden_regions(arrays: Arrays, recipe: Recipe) -> dict[str, Variant]:
    """Return region -> a variant in which its close-up is its mean colour, and the tachometer is
    not there where the network is steered by it."""
    crops = np.asarray(arrays["image_regions"])
    there = np.asarray(arrays["image_regions_mask"]) > 0
    found: dict[str, Variant] = {
        name: (Edit("image_regions", (at,), crops[at].mean(axis=(1, 2), keepdims=True)),)
        for at, name in enumerate(recipe.regions)
        if there[at]
    }
    if np.asarray(arrays.get("image_dial_known", 0)).any():
        unread = tuple(Edit(name, (), 0.0) for name in ("image_dial", "image_dial_known"))
        found[recipe.dial_region] = (*found.get(recipe.dial_region, ()), *unread)
    return found


def hidden_in_region(arrays: Arrays, region: int) -> list[Variant]:
    """Return GRID x GRID variants of one region's close-up, row by row."""
    crop = np.asarray(arrays["image_regions"])[region]  # (3, size, size)
    mean = crop.mean(axis=(1, 2), keepdims=True)
    return [
        (Edit("image_regions", (region, slice(None), rows, columns), mean),)
        for rows, columns in _patches(crop.shape[-1])
    ]


def _patches(size: int) -> Iterator[tuple[slice, slice]]:
    edges = np.linspace(0, size, GRID + 1).astype(int)
    for top, bottom in pairwise(edges):
        for left, right in pairwise(edges):
            yield slice(top, bottom), slice(left, right)


def hidden_bands(arrays: Arrays, slots: Sequence[int]) -> list[Variant]:
    """Return BANDS variants a sound segment in `slots`, low bands first: the band is silent.

    None where the network reads no log-mel.
    """
    if "audio_logmel" not in arrays:
        return []
    logmel = np.asarray(arrays["audio_logmel"])  # (segment, mel, time)
    silence = np.float32(np.quantile(logmel[list(slots)], _QUIET)) if slots else np.float32(0)
    edges = np.linspace(0, logmel.shape[1], BANDS + 1).astype(int)
    return [
        (Edit("audio_logmel", (slot, slice(low, high)), silence),)
        for slot in slots
        for low, high in pairwise(edges)
    ]


def hidden_orders(arrays: Arrays) -> dict[str, Variant]:
    """Return family of fault orders -> a variant in which none of them stands out, at the speed
    told or at any that a steered network weighs.

    Nothing where the network reads no orders.
    """
    read = [name for name in ("audio_orders", "audio_speeds") if name in arrays]
    if not read:
        return {}
    heard = np.concatenate([arrays[name] for name in read])  # (segments and speeds, orders)
    known: NDArray[np.bool_] = np.logical_or.reduce(heard != 0)  # (orders,)
    if "audio_orders" in arrays:
        known |= np.asarray(arrays["audio_orders_known"]) > 0
    return {
        family: tuple(Edit(name, (slice(None), columns), 0.0) for name in read)
        for family, columns in order_families().items()
        if known[columns].any()
    }


def order_families() -> dict[str, list[int]]:
    """Return family -> its columns of `audio_orders`.

    >>> order_families()["belt"] == [ORDERS.index(f"belt_{h}") for h in (1, 2, 3)]
    True
    """
    found: dict[str, list[int]] = {}
    for column, name in enumerate(ORDERS):
        found.setdefault(name.partition("_")[0], []).append(column)
    return found


def hidden_entries(arrays: Arrays) -> dict[int, Variant]:
    """Return slot -> a variant without that log entry, of the newest entries."""
    slots = np.flatnonzero(np.asarray(arrays["text_mask"]) > 0)[-MOST_ENTRIES:]
    written = [name for name in TEXT_IDS if name in arrays]
    return {
        int(slot): (
            Edit("text_mask", (slot,), 0.0),
            *(Edit(name, (slot,), 0) for name in written),
        )
        for slot in slots
    }


def hidden_words(
    text: str, slot: int, arrays: Arrays, *, recipe: Recipe, cut: Pieces | None
) -> list[tuple[int, int, Variant]]:
    """Return (first character, end, variant without it) of each word of a raw line.

    `cut`: how the recipe's word pieces are cut, where the network reads such.
    """
    found: list[tuple[int, int, Variant]] = []
    for first, end in pieces(text)[:MOST_WORDS]:
        left = entry_ids(f"{text[:first]} {text[end:]}", recipe, cut)
        edits = tuple(
            Edit(name, (slot,), _padded(ids, np.asarray(arrays[name]).shape[-1]))
            for name, ids in left.items()
            if name in arrays
        )
        found.append((first, end, edits))
    return found


def _padded(ids: Sequence[int], slots: int) -> NDArray[np.int32]:
    padded = np.zeros(slots, np.int32)
    padded[: len(ids)] = ids
    return padded


def run_variants(
    run: Callable[[Arrays], Raw],
    arrays: Mapping[str, NDArray[Any]],
    variants: Sequence[Variant],
    *,
    batch: int,
) -> Iterator[tuple[Raw, NDArray[np.bool_]]]:
    """Yield what the network says of a window's variants and what is present in each, `batch` at a
    time."""
    for at in range(0, len(variants), batch):
        part = variants[at : at + batch]
        rows = {name: np.repeat(array[None], len(part), axis=0) for name, array in arrays.items()}
        for row, variant in enumerate(part):
            for edit in variant:
                rows[edit.array][(row, *edit.place)] = edit.value
        yield run(rows), rows["present"] > 0
