"""Frames, sound and entries made for feature tests, from seeds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from mmindustry.domain import (
    AssetCard,
    Bearing,
    Chunk,
    Context,
    Event,
    Failed,
    Features,
    Frame,
    LogEntry,
    Modality,
    OperatingState,
    Position,
    Window,
    WindowKey,
)
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard, Unreadable
from mmindustry.features.spec import Recipe
from mmindustry.features.spectra import Basis

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
END = START + timedelta(seconds=10)
RECIPE = Recipe()
SKF_6205 = Bearing("6205", balls=9, ball_diameter_mm=7.94, pitch_diameter_mm=39.04)
CARD = AssetCard(
    kind="motor",
    nominal_speed_rpm=1800.0,
    bearings=(SKF_6205,),
    line_frequency_hz=50.0,
    regions={"gauge": (0.1, 0.1, 0.2, 0.3)},
)
_CONTENTS = {Frame: Modality.IMAGE, Chunk: Modality.AUDIO, LogEntry: Modality.TEXT}


@cache
def basis(recipe: Recipe = RECIPE) -> Basis:
    return Basis.make(recipe)


def event(
    content: Frame | Chunk | LogEntry | OperatingState,
    seconds: float,
    *,
    source: str = "s1",
    number: int = 0,
) -> Event:
    time = START + timedelta(seconds=seconds)
    length = content.frames / content.rate_hz if isinstance(content, Chunk) else 0.0
    return Event(
        id=f"{seconds}-{number}",
        source=source,
        asset="s/a/l/m",
        modality=_CONTENTS.get(type(content), Modality.STATE),
        time=time,
        end=time + timedelta(seconds=length),
        position=Position("mm.test", 0, number or int(seconds * 1000)),
        append_time=time,
        content=content,
    )


def window(items: Sequence[Event], *, frozen: tuple[str, ...] = ()) -> Window:
    ordered = tuple(sorted(items, key=lambda item: (item.time, item.source, item.id)))
    return Window(
        key=WindowKey("s/a/l/m", "p10", START),
        end=END,
        partition=0,
        cut={},
        items=ordered,
        frozen=frozen,
    )


def build(
    items: Sequence[Event],
    context: Context | None = None,
    guard: Guard | None = None,
    *,
    frozen: tuple[str, ...] = (),
) -> tuple[Features | Failed, list[Unreadable]]:
    context = context or Context(card=CARD, registered=True, bundle="b1")
    given = window(items, frozen=frozen)
    return build_features(given, context, RECIPE, basis=basis(), guard=guard or Guard())


def features(items: Sequence[Event], context: Context | None = None) -> Features:
    built, _ = build(items, context)
    assert isinstance(built, Features), built
    return built


def picture(seed: int, *, noise: float = 3.0) -> NDArray[np.uint8]:
    """A textured scene, the same for every seed, with live noise of its own."""
    scene = np.random.default_rng(7).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    large = cv2.resize(scene, (640, 480), interpolation=cv2.INTER_CUBIC).astype(np.float64)
    large += np.random.default_rng(seed).normal(0, noise, large.shape)
    return np.clip(large, 0, 255).astype(np.uint8)


def jpeg(image: NDArray[np.uint8]) -> Frame:
    payload = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    return Frame(payload, "image/jpeg", image.shape[1], image.shape[0])


def png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> Frame:
    payload = cv2.imencode(".png", image)[1].tobytes()
    return Frame(payload, "image/png", image.shape[1], image.shape[0])


def frames(count: int = 5, *, source: str = "cam") -> list[Event]:
    return [event(jpeg(picture(k)), 10 * k / count, source=source) for k in range(count)]


def l16(samples: NDArray[np.floating], rate_hz: int = 16_000, channels: int = 1) -> Chunk:
    whole = np.clip(samples, -1, 1) * 32767
    kind = f"audio/L16;rate={rate_hz};channels={channels}"
    return Chunk(whole.astype(">i2").tobytes(), kind, rate_hz, channels, len(samples))


def file_chunk(
    samples: NDArray[np.floating], kind: str, subtype: str, rate_hz: int = 16_000
) -> Chunk:
    out = BytesIO()
    soundfile.write(out, samples, rate_hz, format=kind, subtype=subtype)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    return Chunk(out.getvalue(), f"audio/{kind.lower()}", rate_hz, channels, len(samples))


def noise(seconds: float, level: float = 0.05, seed: int = 0) -> NDArray[np.floating]:
    return np.random.default_rng(seed).normal(0, level, int(seconds * 16_000))


def impacts(seconds: float, hz: float, seed: int = 0) -> NDArray[np.floating]:
    """Bearing-like impacts at `hz` that ring at 3.5 kHz, in noise."""
    size = int(seconds * 16_000)
    hits = np.zeros(size)
    hits[(np.arange(0, seconds * hz - 1) * 16_000 / hz).astype(int)] = 1
    ring = np.arange(200) / 16_000
    ring = 0.3 * np.exp(-800 * ring) * np.sin(2 * np.pi * 3500 * ring)
    return np.convolve(hits, ring)[:size] + noise(seconds, 0.02, seed)


def sound(samples: NDArray[np.floating], *, source: str = "mic") -> list[Event]:
    """One-second chunks of the samples, from the window's start."""
    count = len(samples) // 16_000
    return [
        event(l16(samples[k * 16_000 : (k + 1) * 16_000]), float(k), source=source)
        for k in range(count)
    ]


def entry(text: str, hours_ago: float = 1.0) -> Event:
    return event(LogEntry(text), 10.0 - hours_ago * 3600.0, source="log")
