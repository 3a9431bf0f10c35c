"""Window -> Features: each modality's part, the papers, the operating point; never an exception.

A bad item leaves its mask and is handed back; a window with nothing readable is `Failed`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import (
    AssetCard,
    Context,
    Event,
    Failed,
    Features,
    OperatingState,
    Window,
)
from mmindustry.features.audio import Ear, audio_part
from mmindustry.features.image import image_part
from mmindustry.features.part import Guard, Part, Unreadable
from mmindustry.features.spec import CARD_WIDTH, MODALITIES, OPERATING_WIDTH, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.features.text import text_part

_SPEED_RPM = 3_000.0


def build_features(
    window: Window,
    context: Context,
    recipe: Recipe,
    *,
    basis: Basis,
    guard: Guard,
) -> tuple[Features | Failed, list[Unreadable]]:
    """Return the window as arrays, or why it can't be, and the items no decoder could read.

    Args:
        window: Closed, its items in order of time.
        context: Its entries, states, card and profile.
        recipe: The bundle's; every array has the shape it names.
        basis: Of the same bundle.
        guard: Limits and the marker held around each native decoding.

    Returns:
        `Failed` with reason `blind` where items came and none could be read, `empty` where there
        is nothing at all to judge by; in both cases the unreadable items too.
    """
    operating = operating_point(window, context.states)
    ear = Ear(recipe, basis, context.card, operating.speed_rpm)
    parts = {
        "image": image_part(window, context, recipe, guard),
        "audio": audio_part(window, ear, guard),
        "text": text_part(window, context.entries, recipe, basis.pieces),
    }
    unreadable = [item for part in parts.values() for item in part.unreadable]
    failed = _failed(window, context, parts, unreadable)
    if failed is not None:
        return failed, unreadable
    return _features(window, context, parts, operating), unreadable


def operating_point(window: Window, states: Sequence[Event]) -> OperatingState:
    """Return the operating point of a window: the mean speed and load told within it.

    Where the window's span tells nothing the newest of before stands; `running` is the newest
    told. None = unknown.
    """
    told = [(event.time, event.content) for event in states if event.time <= window.end]
    known = [(time, s) for time, s in told if isinstance(s, OperatingState)]
    running = [state.running for _, state in known if state.running is not None]

    def level(name: str) -> float | None:
        values = [(t, getattr(s, name)) for t, s in known if getattr(s, name) is not None]
        inside = [value for time, value in values if time >= window.key.start]
        return float(np.mean(inside)) if inside else float(values[-1][1]) if values else None

    return OperatingState(
        running=running[-1] if running else None,
        speed_rpm=level("speed_rpm"),
        load_ratio=level("load_ratio"),
    )


def card_array(card: AssetCard | None) -> NDArray[np.float32]:
    """Return the papers as (16,): each figure scaled to about 0..1 beside its validity bit.

    Nominal speed; number of bearings and, of the first, balls, ball to pitch diameter, contact,
    pitch diameter; belt ratio; blades; gear teeth; mains frequency.
    """
    card = card or AssetCard()
    bearing = card.bearings[0] if card.bearings else None
    ratio = bearing.ball_diameter_mm / bearing.pitch_diameter_mm if bearing else 0.0
    angle = float(np.cos(np.radians(bearing.contact_angle_degrees))) if bearing else 0.0
    figures = (
        *_told(card.nominal_speed_rpm, _SPEED_RPM),
        *(len(card.bearings) / 4, bearing.balls / 16 if bearing else 0.0, ratio, angle),
        *_told(bearing.pitch_diameter_mm if bearing else None, 100.0),
        *_told(card.belt_ratio, 1.0),
        *_told(card.blades, 16.0),
        *_told(card.gear_teeth, 64.0),
        *_told(card.line_frequency_hz, 60.0),
    )
    return np.array(figures, np.float32).reshape(CARD_WIDTH)


def _told(value: float | None, scale: float) -> tuple[float, float]:
    return (0.0, 0.0) if value is None else (value / scale, 1.0)


def _operating_array(operating: OperatingState) -> NDArray[np.float32]:
    """Return (6,): speed, load, running, and then their validity bits."""
    running = None if operating.running is None else float(operating.running)
    told = (
        _told(operating.speed_rpm, _SPEED_RPM),
        _told(operating.load_ratio, 1.0),
        _told(running, 1.0),
    )
    return np.array([*(v for v, _ in told), *(k for _, k in told)], np.float32).reshape(
        OPERATING_WIDTH
    )


def _failed(
    window: Window, context: Context, parts: dict[str, Part], unreadable: Sequence[Unreadable]
) -> Failed | None:
    findings = [finding for part in parts.values() for finding in part.findings]
    if window.items and len({u.item.identity for u in unreadable}) == len(window.items):
        reason, detail = "blind", f"none of {len(window.items)} items could be read"
    elif not findings and not any(part.present for part in parts.values()):
        reason, detail = "empty", "no frame, sound or entry to judge by"
    else:
        return None
    return Failed(window.key, window.end, "build", reason, detail, context.bundle)


def _features(
    window: Window, context: Context, parts: dict[str, Part], operating: OperatingState
) -> Features:
    present = {name: parts[name].present for name in MODALITIES}
    quality = {name: parts[name].quality for name in MODALITIES}
    arrays: dict[str, NDArray[Any]] = {}
    for name in MODALITIES:
        arrays.update(parts[name].arrays)
    arrays["card"] = card_array(context.card)
    arrays["operating"] = _operating_array(operating)
    arrays["present"] = np.array([present[name] for name in MODALITIES], np.float32)
    arrays["quality"] = np.array([quality[name] for name in MODALITIES], np.float32)
    return Features(
        window=window.key,
        end=window.end,
        bundle=context.bundle,
        arrays=arrays,
        present=present,
        quality=quality,
        findings=(
            *(finding for name in MODALITIES for finding in parts[name].findings),
            *(("source_missing", source) for source in window.missing),
        ),
        registered=context.registered,
        running=operating.running,
        profile=context.profile,
        context=context,
    )
