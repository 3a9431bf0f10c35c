"""Real recordings, pictures and lines as windows of one modality each, for `bench transfer`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmindustry.domain import (
    AssetCard,
    Chunk,
    Context,
    Event,
    Features,
    Frame,
    LogEntry,
    Modality,
    Position,
    Window,
    WindowKey,
)
from mmindustry.errors import InputError
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import PRODUCT, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.training.pictures import read_picture
from mmindustry.training.real.motors import HEALTHY, find_recordings
from mmindustry.training.real.products import find_products
from mmindustry.training.tasks.sound import read_recording

_START = datetime(2026, 1, 5, tzinfo=UTC)
_SECONDS = 4.0
_LINES = 400
_ASSET = "real/real/real/real"
_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One window of real material: its content, its class, and what may not be parted."""

    content: Frame | Chunk | LogEntry
    label: str
    group: str


def samples(kind: str, data: Path) -> list[Sample]:
    """Return the labelled material of one kind: `sound`, `picture` or `text`; none where the
    folder holds none."""
    found = {"sound": _recordings, "picture": _pictures, "text": _lines}[kind]
    return list(found(data))


def arrays_of_sample(sample: Sample, recipe: Recipe, basis: Basis) -> dict[str, Any] | None:
    """Return the sample's arrays as the production code makes them; None where it can't be read."""
    content = sample.content
    kinds = {Frame: Modality.IMAGE, Chunk: Modality.AUDIO, LogEntry: Modality.TEXT}
    event = Event(
        id="0",
        source="real",
        asset=_ASSET,
        modality=kinds[type(content)],
        time=_START,
        end=_START + timedelta(seconds=_SECONDS if isinstance(content, Chunk) else 0.0),
        position=Position("real", 0, 0),
        append_time=_START,
        content=content,
    )
    written = isinstance(content, LogEntry)
    window = Window(
        key=WindowKey(_ASSET, "real-4s", _START),
        end=_START + timedelta(seconds=_SECONDS),
        partition=0,
        cut={},
        items=() if written else (event,),
    )
    card = AssetCard(regions={PRODUCT: (0.0, 0.0, 1.0, 1.0)})  # a picture shows a product, whole
    context = Context(entries=(event,) if written else (), states=(), card=card, registered=True)
    built, _ = build_features(window, context, recipe, basis=basis, guard=Guard())
    return dict(built.arrays) if isinstance(built, Features) else None


def _recordings(data: Path) -> Iterator[Sample]:
    """Yield stretches of 4 s of every recording, healthy or not; one motor's are never parted where
    there are several, else one recording's."""
    try:
        found = find_recordings(data, lambda _: None)  # `evaluate bldc` names what is left out
    except InputError:
        return
    several = len({one.motor for one in found}) > 1
    for one in found:
        heard = read_recording(one.path, _RATE_HZ)
        length = int(_SECONDS * _RATE_HZ)
        label = HEALTHY if one.state == HEALTHY else "fault"
        for at in range(0, len(heard) - length + 1, length):
            whole = np.clip(np.round(heard[at : at + length] * 32_768), -32_768, 32_767)
            chunk = Chunk(whole.astype(">i2").tobytes(), "audio/L16", _RATE_HZ, 1, length)
            yield Sample(chunk, label, one.motor if several else one.path.stem)


def _pictures(data: Path) -> Iterator[Sample]:
    """Yield every picture of the products found, anomalous where it has a mask."""
    try:
        found = find_products(data / "images")
    except InputError:
        return
    for product in found:
        for path, mask in zip(product.pictures, product.masks, strict=True):
            picture = read_picture(path)
            _, payload = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
            height, width = picture.shape[:2]
            frame = Frame(bytes(payload), "image/jpeg", width, height)
            label = "normal" if mask is None else "anomaly"
            yield Sample(frame, label, f"{product.name}/{path.stem}")


def _lines(data: Path) -> Iterator[Sample]:
    """Yield annotated maintenance texts: whether they tell of something undesirable."""
    read = 0
    for path in sorted((data / "text" / "maintie").glob("*.json")):
        for entry in json.loads(path.read_text("utf-8")):
            kinds = [str(entity.get("type", "")) for entity in entry.get("entities", ())]
            label = "trouble" if any("Undesirable" in kind for kind in kinds) else "other"
            if read < _LINES:
                read += 1
                yield Sample(LogEntry(str(entry["text"])), label, f"{path.stem}-{read}")


def balanced_accuracy(chosen: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean recall of the classes in `truth`.

    >>> balanced_accuracy(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]))
    0.75
    """
    return float(np.mean([(chosen[truth == name] == name).mean() for name in np.unique(truth)]))
