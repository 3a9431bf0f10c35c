"""The bare kernels: what no line can do without, called on bytes that lie in memory."""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Features
from mmindustry.features import orders
from mmindustry.features.loudness import levels
from mmindustry.features.spec import MEL_BASIS, Recipe
from mmindustry.features.spectra import Basis, cepstra, log_mel
from mmindustry.features.text import token_ids
from mmindustry.fusion.bundle import Bundle
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.spec import INPUTS
from tests.benchmarks._reference import LINES, Plan

_TABLES = ("windows", "predictions", "entries", "asset_state", "assets")
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Rows:
    """One table's statement that makes it, statement that fills it, and rows."""

    make: str
    fill: str
    rows: list[tuple[Any, ...]]


class Kernels:
    """Decoding, spectra, token ids, the network at 32 windows, and `executemany`."""

    def __init__(self, bundle: Bundle, plan: Plan, *, features: Sequence[Features]) -> None:
        self._plan = plan
        self._recipe: Recipe = bundle.manifest.spec.recipe
        self._basis = Basis.of(self._recipe, bundle.arrays[MEL_BASIS])
        self._runtime = OnnxRuntime(bundle.model)
        items = (list(features) * _BATCH)[:_BATCH]
        self._batch = {name: np.stack([f.arrays[name] for f in items]) for name in INPUTS}

    def run(self, tables: Sequence[Rows], file: Path) -> dict[str, float]:
        """Return CPU seconds by kernel for all windows of the plan."""
        payloads = list(self._plan.payloads())
        spent: dict[str, float] = {}

        def lap(name: str, begun: float) -> float:
            now = time.process_time()
            spent[name] = now - begun
            return now

        at = time.process_time()
        for frames, _ in payloads:
            for frame in frames:
                self._picture(frame)
        at = lap("picture", at)
        for _, chunks in payloads:
            self._sound(b"".join(chunks))
        at = lap("sound", at)
        self._text()
        at = lap("text", at)
        for _ in range(-(-len(payloads) // _BATCH)):
            self._runtime.run(self._batch)
        at = lap("network", at)
        spent["network"] *= len(payloads) / (-(-len(payloads) // _BATCH) * _BATCH)
        at = time.process_time()
        _insert(tables, file)
        lap("sqlite", at)
        return spent

    def _picture(self, frame: bytes) -> object:
        size = self._recipe.frame_size
        picture = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_REDUCED_COLOR_4)
        if picture is None:
            raise ValueError("the frame is no JPEG")
        return cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)

    def _sound(self, joined: bytes) -> object:
        recipe = self._recipe
        samples = np.frombuffer(joined, ">i2").astype(np.float32) * np.float32(1 / 32768)
        segments = cut(samples, recipe)
        logged = [log_mel(segment, recipe, self._basis) for segment in segments]
        if recipe.mfcc:
            logged += [cepstra(one, self._basis) for one in logged]
        power = orders.power_spectrum(segments)
        envelope = orders.envelope_spectrum(segments, recipe)
        amplitude = orders.over_floor(np.sqrt(power[:, : power.shape[1] // 2]))
        found = orders.order_energies(envelope, amplitude, orders.lines(None, None), recipe)
        bands = orders.band_energies(envelope, recipe)
        return logged, found, bands, levels(segments, power, recipe)

    def _text(self) -> None:
        """Token ids of each window's entries: its own and those of the windows before."""
        for window in range(self._plan.each):
            known = min(len(LINES) * (window + 1), self._recipe.entries)
            for _ in range(self._plan.assets):
                for number in range(known):
                    token_ids(self._plan.material.lines[number % len(LINES)], self._recipe)


def cut(samples: NDArray[np.float32], recipe: Recipe) -> NDArray[np.float32]:
    """Return the recipe's segments, even over unbroken sound, shape (segment, sample)."""
    length = recipe.segment_samples
    firsts = np.linspace(0, samples.size - length, recipe.segments).round().astype(int)
    return np.stack([samples[first : first + length] for first in firsts])


def rows_of(database: Path) -> list[Rows]:
    """Return the rows our line wrote, to be written again without anything around."""
    connection = sqlite3.connect(database)
    found = []
    for table in _TABLES:
        made = connection.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL", (table,)
        )
        make = ";".join(sql for (sql,) in made)
        rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 - a constant
        marks = ",".join("?" * len(rows[0]))
        found.append(Rows(make, f'INSERT INTO "{table}" VALUES ({marks})', rows))  # noqa: S608
    connection.close()
    return found


def _insert(tables: Sequence[Rows], file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    for table in tables:
        connection.executescript(table.make)
    steps = -(-len(tables[0].rows) // _BATCH)
    for step in range(steps):
        with connection:
            for table in tables:
                connection.executemany(table.fill, table.rows[step::steps])
    connection.close()
