"""Real recordings, pictures and lines as windows of one modality each, for `bench transfer`."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from mmindustry.training.real.motors import HEALTHY, Recording, find_recordings
from mmindustry.training.real.products import find_products, read_mask
from mmindustry.training.tasks.sound import read_recording
from mmindustry.training.texts import read_text

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


@dataclass(frozen=True, slots=True)
class Material:
    """Windows of one kind, what their groups are, and how many of whom tell no class."""

    samples: tuple[Sample, ...]
    groups: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Motor recorded in one class alone -> its windows, which are not among the samples."""


def find_material(kind: str, data: Path) -> Material:
    """Return the labelled material of one kind: `sound`, `picture` or `text`.

    Raises:
        InputError: The folder holds none, or a file of it can't be used.
    """
    return {"sound": _recordings, "picture": _pictures, "text": _lines}[kind](data)


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


def _recordings(data: Path) -> Material:
    """Return stretches of 4 s of motors recorded both healthy and faulty; of another motor the
    class could be told by the motor."""
    folder = data / "audio" / "bldc"
    found = find_recordings(data, lambda _: None)  # `evaluate bldc` names files that are left out
    heard = [(one, chunk) for one in found for chunk in _stretches(one.path)]
    classes = defaultdict(set)
    for one, _ in heard:
        classes[one.motor].add(_class_of(one))
    both = {motor for motor, held in classes.items() if len(held) > 1}
    if not both:
        raise InputError(
            f"{folder}: needs a motor recorded both healthy and faulty (4 s or more of each), or "
            f"the class is told by the motor; there are {', '.join(sorted(classes)) or 'none'}"
        )
    kept = [
        Sample(chunk, _class_of(one), one.path.relative_to(folder).with_suffix("").as_posix())
        for one, chunk in heard
        if one.motor in both
    ]
    alone = Counter(one.motor for one, _ in heard if one.motor not in both)
    return Material(tuple(kept), "recordings", dict(sorted(alone.items())))


def _class_of(recording: Recording) -> str:
    return HEALTHY if recording.state == HEALTHY else "fault"


def _stretches(path: Path) -> Iterator[Chunk]:
    heard = read_recording(path, _RATE_HZ)
    length = int(_SECONDS * _RATE_HZ)
    for at in range(0, len(heard) - length + 1, length):
        whole = np.clip(np.round(heard[at : at + length] * 32_768), -32_768, 32_767)
        yield Chunk(whole.astype(">i2").tobytes(), "audio/L16", _RATE_HZ, 1, length)


def _pictures(data: Path) -> Material:
    """Return every picture of the products found, anomalous where a mask or its name says so."""
    folder = data / "images"
    kept = []
    for product in find_products(folder):
        told = zip(product.pictures, product.masks, product.truth, strict=True)
        for path, mask, anomalous in told:
            if mask is not None:
                read_mask(mask)
            label = "anomaly" if anomalous else "normal"
            kept.append(Sample(_frame(path), label, path.relative_to(folder).as_posix()))
    return Material(tuple(kept), "pictures")


def _frame(path: Path) -> Frame:
    picture = read_picture(path)
    _, payload = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    height, width = picture.shape[:2]
    return Frame(bytes(payload), "image/jpeg", width, height)


def _lines(data: Path) -> Material:
    """Return annotated maintenance texts: whether they tell of something undesirable."""
    folder = data / "text" / "maintie"
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InputError(f"{folder}: no annotated texts; *.json is looked for")
    entries = [(path.stem, *entry) for path in paths for entry in _annotated(path)]
    kept = [
        Sample(LogEntry(text), label, f"{stem}-{number}")
        for number, (stem, text, label) in enumerate(entries[:_LINES], start=1)
    ]
    return Material(tuple(kept), "lines")


def _annotated(path: Path) -> list[tuple[str, str]]:
    """Return the text and the class of each entry of a file."""
    try:
        entries = json.loads(read_text(path))
        return [(str(entry["text"]), _told_by(entry.get("entities", ()))) for entry in entries]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path}: no list of texts with entities, as MaintIE has them: {error!r}"
        ) from error


def _told_by(entities: Sequence[Mapping[str, str]]) -> str:
    kinds = [str(one.get("type", "")) for one in entities]
    return "trouble" if any("Undesirable" in kind for kind in kinds) else "other"


def balanced_accuracy(chosen: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean recall of the classes in `truth`.

    >>> balanced_accuracy(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]))
    0.75
    """
    return float(np.mean([(chosen[truth == name] == name).mean() for name in np.unique(truth)]))
