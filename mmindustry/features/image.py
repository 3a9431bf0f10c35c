"""Frames -> arrays, evenly chosen over the window; and what is wrong with the camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import AssetCard, Context, Event, Frame, Profile, Window
from mmindustry.features.part import Guard, Part, Unreadable, choose, offset
from mmindustry.features.picture import (
    Picture,
    cut,
    decode,
    fit,
    grey_of,
    is_alike,
    is_whole,
    look,
)
from mmindustry.features.policy import FeaturePolicy
from mmindustry.features.spec import BASELINE, Recipe
from mmindustry.features.speeds import dial

_UNIT = np.float32(1.0 / 255.0)
_ENOUGH_FROZEN = 2
"""Two equal frames are enough: no live sensor gives the same noise twice."""
_UNUSABLE = frozenset({"camera_black", "camera_white", "camera_blocked", "camera_frozen"})


@dataclass(frozen=True, slots=True)
class _Shot:
    """One chosen frame: as decoded (BGR), fitted to the network's size, and its looks."""

    item: Event
    decoded: Picture
    fitted: Picture
    finding: str
    quality: float


def image_part(window: Window, context: Context, recipe: Recipe, guard: Guard) -> Part:
    """Return the image arrays of a window, mask 0 where a slot shows nothing usable.

    Frozen, black, white and blocked cameras leave the mask and are named in `findings`.
    """
    frames = [item for item in window.items if isinstance(item.content, Frame)]
    whole = [item for item in frames if is_whole(_frame(item).payload)]
    read = _read(whole, _least(recipe, context.card), recipe, guard)
    unreadable = [item for item in read if isinstance(item, Unreadable)]
    cut_off = "the picture ends before its end marker"
    unreadable += [
        Unreadable(item, "image_corrupt", cut_off)
        for item in frames
        if not is_whole(_frame(item).payload)
    ]
    shots = [shot for shot in read if isinstance(shot, _Shot)]
    shots = _mark_frozen(shots, whole, window.frozen)
    usable = [shot for shot in shots if shot.finding not in _UNUSABLE]
    return Part(
        arrays={**_fill(window, usable, recipe, context.profile), **_crop(usable, recipe, context)},
        present=bool(usable),
        quality=float(np.mean([shot.quality for shot in shots])) if shots else 0.0,
        findings=tuple(sorted({(s.finding, s.item.source) for s in shots if s.finding})),
        unreadable=tuple(unreadable),
    )


def _frame(item: Event) -> Frame:
    if not isinstance(item.content, Frame):
        raise TypeError(f"{item.id} of {item.source} is no frame")
    return item.content


def _read(
    whole: Sequence[Event], least: int, recipe: Recipe, guard: Guard
) -> list[_Shot | Unreadable]:
    """Return the chosen frames, the newest at `least` pixels or more for its crops."""
    chosen = [whole[index] for index in choose([item.time for item in whole], recipe.frames)]
    shots: list[_Shot | Unreadable] = []
    for item in chosen:
        size = least if item is chosen[-1] else recipe.frame_size
        shots.append(guard.read(item, partial(_shoot, item, size, recipe, guard.policy)))
    return shots


def _shoot(item: Event, least: int, recipe: Recipe, policy: FeaturePolicy) -> _Shot:
    decoded = decode(_frame(item), least, policy)
    fitted = fit(decoded, recipe.frame_size, recipe.frame_size)
    finding, quality = look(grey_of(fitted), recipe)
    return _Shot(item, decoded, fitted, finding, quality)


def _mark_frozen(
    shots: Sequence[_Shot], whole: Sequence[Event], known: Sequence[str]
) -> list[_Shot]:
    """Name the cameras whose frames are all the same: equal bytes, or equal to a rounding.

    `known` are those found frozen since the window before. Only frames decoded at one scale are
    compared: the newest may be larger, for its crops.
    """
    sources = {shot.item.source for shot in shots}
    frozen = {s for s in sources if s in known or _is_frozen(s, shots, whole)}
    if not frozen:
        return list(shots)
    return [
        replace(s, finding="camera_frozen", quality=0.0)
        if s.item.source in frozen and s.finding not in _UNUSABLE
        else s
        for s in shots
    ]


def _is_frozen(source: str, shots: Sequence[_Shot], whole: Sequence[Event]) -> bool:
    payloads = [_frame(item).payload for item in whole if item.source == source]
    if len(payloads) >= _ENOUGH_FROZEN and all(p == payloads[0] for p in payloads[1:]):
        return True
    mine = [shot for shot in shots if shot.item.source == source]
    alike = [s.fitted for s in mine if s.decoded.shape == mine[0].decoded.shape]
    return len(alike) >= _ENOUGH_FROZEN and all(is_alike(alike[0], s) for s in alike[1:])


def _fill(
    window: Window, shots: Sequence[_Shot], recipe: Recipe, profile: Profile | None
) -> dict[str, NDArray[np.float32]]:
    count, size = recipe.frames, recipe.frame_size
    frames = np.zeros((count, 3, size, size), np.float32)
    delta = np.zeros((count, 1, size, size), np.float32)
    mask, offsets = np.zeros(count, np.float32), np.zeros(count, np.float32)
    for slot, shot in enumerate(shots, start=count - len(shots)):
        np.multiply(shot.fitted.transpose(2, 0, 1)[::-1], _UNIT, out=frames[slot])
        baseline = _baseline(shot.item.source, profile, size)
        if baseline is not None:
            delta[slot, 0] = grey_of(shot.fitted) / np.float32(255.0) - baseline
        mask[slot], offsets[slot] = 1.0, offset(window, shot.item.time)
    return {
        "image_frames": frames,
        "image_delta": delta,
        "image_mask": mask,
        "image_offset": offsets,
    }


def _baseline(source: str, profile: Profile | None, size: int) -> NDArray[np.float32] | None:
    """Return the profile's grey baseline (0..1) of this camera, or None."""
    arrays = profile.arrays if profile else {}
    found = arrays.get(f"{BASELINE}/{source}", arrays.get(BASELINE))
    return found if found is not None and found.shape == (size, size) else None


def _least(recipe: Recipe, card: AssetCard | None) -> int:
    """Return the shorter side that lets every region be cropped without enlarging."""
    sides = [side for box in _regions(recipe, card).values() for side in box[2:] if side > 0]
    return max(recipe.frame_size, int(recipe.region_size / min(sides, default=1.0)))


def _regions(
    recipe: Recipe, card: AssetCard | None
) -> Mapping[str, tuple[float, float, float, float]]:
    known = card.regions if card else {}
    return {name: known[name] for name in recipe.regions if name in known}


def _crop(
    shots: Sequence[_Shot], recipe: Recipe, context: Context
) -> dict[str, NDArray[np.float32]]:
    """Return the card's regions of the newest usable frame."""
    size = recipe.region_size
    crops = np.zeros((len(recipe.regions), 3, size, size), np.float32)
    mask = np.zeros(len(recipe.regions), np.float32)
    regions = _regions(recipe, context.card)
    for slot, name in enumerate(recipe.regions):
        part = cut(shots[-1].decoded, regions[name]) if shots and name in regions else None
        if part is not None:
            np.multiply(fit(part, size, size).transpose(2, 0, 1)[::-1], _UNIT, out=crops[slot])
            mask[slot] = 1.0
    return {"image_regions": crops, "image_regions_mask": mask, **_dial(shots, recipe, context)}


def _dial(
    shots: Sequence[_Shot], recipe: Recipe, context: Context
) -> dict[str, NDArray[np.float32]]:
    """Return how the newest usable frame shows the tachometer, where the recipe asks for it."""
    if not recipe.speeds:
        return {}
    shown = dial(shots[-1].decoded, context.card, recipe) if shots else None
    known = np.array([shown is not None], np.float32)
    if shown is None:
        shown = np.zeros((recipe.speeds, 3 * recipe.dial_rings), np.float32)
    return {"image_dial": shown, "image_dial_known": known}
