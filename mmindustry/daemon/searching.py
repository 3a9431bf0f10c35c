"""Search over the record's embeddings: text to frames and sound, a window to windows like it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.config.settings import Settings
from mmindustry.domain import Event, LogEntry, Modality, Position, Window, WindowKey
from mmindustry.errors import InputError
from mmindustry.features.spec import MODALITIES
from mmindustry.features.text import text_part
from mmindustry.fusion.bundle import Bundle, bundle_folder, read_bundle, read_manifest
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.similar import (
    Space,
    column,
    likeness,
    nearest,
    nearest_across,
    unpack_embeddings,
)
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.weights import unpack
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.queries.detail import WindowDetail
from mmindustry.store.queries.embeddings import (
    EmbeddedRow,
    confirmed_windows,
    read_embedding,
    read_embeddings,
)
from mmindustry.store.queries.scope import Scope
from mmindustry.store.registry import list_bundles

Array = NDArray[np.float32]
_TEXT = MODALITIES.index("text")


@dataclass(frozen=True, slots=True)
class Mind:
    """A bundle, where it is, and the space its embeddings can be compared in."""

    bundle: Bundle
    folder: Path
    space: Space

    @classmethod
    def of(cls, settings: Settings, database: Database, wanted: str = "") -> "Mind":
        """Return the bundle of an id, the serving one where it is empty.

        Raises:
            InputError: It is not on this machine.
        """
        serving = bundle_folder(settings.fusion.bundle)
        folders = {read_manifest(serving).id: serving}
        for known in list_bundles(database):
            folders.setdefault(known.id, bundle_folder(known.uri))
        folder = folders.get(wanted) if wanted else serving
        if folder is None:
            raise InputError(f"bundle {wanted} is not known here; known: {', '.join(folders)}")
        bundle = read_bundle(folder)
        space = Space.of(bundle.manifest.spec, unpack(bundle.weights, str(folder)))
        return cls(bundle, folder, space)


class Finder:
    """Answers searches with one bundle's embeddings."""

    def __init__(self, database: Database, mind: Mind) -> None:
        self._database = database
        self._mind = mind

    def by_text(
        self,
        text: str,
        modality: str,
        *,
        asset: str = "",
        k: int = 5,
    ) -> list[dict[str, Any]]:
        """Return the windows whose frames, sound or log lie nearest to a text.

        Raises:
            InputError: Text is held against another modality and the bundle has no space for both.
        """
        if modality != "text" and not self._mind.space.shared:
            raise InputError(
                f"bundle {self._mind.bundle.id} keeps text and {modality} apart: a text finds "
                "pictures and sound in a bundle trained with --fusion alignment; give --modality "
                "text, or --window to find windows like one"
            )
        rows = self._rows(Scope(asset))
        query = self._placed_text(text)
        found = nearest_across(query, self._placed(rows), modality, k)
        return [told(rows[at], score) for at, score in found]

    def by_window(
        self, window_id: str, *, asset: str = "", modality: str = "", k: int = 5
    ) -> list[dict[str, Any]]:
        """Return the windows most like one, itself left out; by one modality where it is named.

        Raises:
            InputError: There is no such window, or its embeddings were not kept.
        """
        with told_plainly(self._database), self._database.read() as connection:
            own = read_embedding(connection, window_id, self._mind.bundle.id)
        if own is None:
            raise InputError(
                f"window {window_id}: there is none with embeddings of {self._mind.bundle.id}"
            )
        rows = [row for row in self._rows(Scope(asset)) if row.window_id != window_id]
        return self._like(own, rows, k, modality)

    def confirmed(self, window: WindowDetail, k: int = 3) -> list[dict[str, Any]]:
        """Return the nearest windows that a person has named, from before a window's start."""
        with told_plainly(self._database), self._database.read() as connection:
            own = read_embedding(connection, window.id, self._mind.bundle.id)
            rows = confirmed_windows(connection, Scope(), self._mind.bundle.id, before=window.start)
        return [] if own is None else self._like(own, rows, k)

    def _like(
        self, own: EmbeddedRow, rows: Sequence[EmbeddedRow], k: int, modality: str = ""
    ) -> list[dict[str, Any]]:
        placed = self._placed([own, *rows])
        if modality:
            query = placed[0, column(modality)]
            found = nearest_across(query, placed[1:], modality, k)
            return [told(rows[place], score) for place, score in found]
        scores = likeness(placed[0], placed[1:])
        return [told(rows[place], float(scores[place])) for place in nearest(scores, k)]

    def _rows(self, scope: Scope) -> list[EmbeddedRow]:
        with told_plainly(self._database), self._database.read() as connection:
            return read_embeddings(connection, scope, self._mind.bundle.id)

    def _placed(self, rows: Sequence[EmbeddedRow]) -> Array:
        width = self._mind.bundle.manifest.spec.width
        points = unpack_embeddings([row.embedding for row in rows], width)
        quality = np.array(
            [
                [row.quality.get(m, 0.0) if row.present.get(m) else 0.0 for m in MODALITIES]
                for row in rows
            ],
            np.float32,
        ).reshape(len(rows), len(MODALITIES))
        return self._mind.space.place(points, quality)

    def _placed_text(self, text: str) -> Array:
        """Return a text as if it were the only log entry of a window that holds nothing else."""
        arrays = text_arrays(text, self._mind.bundle.manifest.spec)
        raw = OnnxRuntime(self._mind.bundle.model).run(arrays)
        quality = np.zeros((1, len(MODALITIES)), np.float32)
        quality[0, _TEXT] = 1.0
        placed: Array = self._mind.space.place(raw.embeddings, quality)[0, _TEXT]
        return placed


def text_arrays(text: str, spec: NetworkSpec) -> dict[str, NDArray[Any]]:
    """Return the arrays of one window that holds one fresh log entry and nothing else.

    Raises:
        InputError: The text has no word.
    """
    shapes = spec.recipe.shapes()
    arrays: dict[str, NDArray[Any]] = {
        name: np.zeros((1, *shapes[name][0]), shapes[name][1]) for name in spec.inputs
    }
    end = datetime.fromisoformat("2026-01-05T06:00:10+00:00")
    start = datetime.fromisoformat("2026-01-05T06:00:00+00:00")
    entry = Event(
        id="query",
        source="query",
        asset="query",
        modality=Modality.TEXT,
        time=end,
        end=end,
        position=Position("query", 0, 0),
        append_time=end,
        content=LogEntry(text),
    )
    window = Window(key=WindowKey("query", "query", start), end=end, partition=0, cut={}, items=())
    part = text_part(window, (entry,), spec.recipe)
    if not part.present:
        raise InputError(f"{text!r} has no word to search for")
    for name, array in part.arrays.items():
        arrays[name] = array[None]
    arrays["present"][0, _TEXT] = arrays["quality"][0, _TEXT] = 1.0
    return arrays


def told(row: EmbeddedRow, score: float) -> dict[str, Any]:
    """Return a found window as plain JSON."""
    return {
        "window": row.window_id,
        "asset": row.asset,
        "start": row.start.isoformat(),
        "end": row.end.isoformat(),
        "said": row.fault,
        "named": row.named,
        "likeness": round(score, 4),
    }
