"""The bare kernels: what no line can do without, called in a straight line."""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from kafka import KafkaConsumer, TopicPartition
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
from tests.benchmarks._reference import LINES, TOPICS, Plan

_TABLES = ("windows", "predictions", "entries", "asset_state", "assets")
_BATCH = 32
_FETCH_BYTES = 4 * 1024 * 1024
"""Of one partition in one answer, as our line asks for."""


@dataclass(frozen=True, slots=True)
class Rows:
    """One table's statement that makes it, statement that fills it, and rows."""

    make: str
    fill: str
    rows: list[tuple[Any, ...]]


class Kernels:
    """Receiving, decoding, spectra, token ids, the network at 32 windows, and `executemany`."""

    def __init__(self, bundle: Bundle, plan: Plan, *, features: Sequence[Features]) -> None:
        self._plan = plan
        # a copy of each payload: what has just been received is in no near cache
        self._payloads = [([*map(_copied, f)], [*map(_copied, c)]) for f, c in plan.payloads()]
        self._at = 0.0
        self._recipe: Recipe = bundle.manifest.spec.recipe
        self._basis = Basis.of(self._recipe, bundle.arrays[MEL_BASIS])
        self._runtime = OnnxRuntime(bundle.model)
        items = (list(features) * _BATCH)[:_BATCH]
        self._batch = {name: np.stack([f.arrays[name] for f in items]) for name in INPUTS}

    def run(self, tables: Sequence[Rows], file: Path, servers: str) -> dict[str, float]:
        """Return CPU seconds of a window by kernel, over all windows of the plan.

        One window after the other, as a line has to; the network and the inserts at 32 windows.
        """
        spent = {"receive": _receive(servers)}
        self._at = time.process_time()
        with _Store(tables, file) as store:
            self._lap(spent, None)
            for number, (frames, chunks) in enumerate(self._payloads):
                for frame in frames:
                    self._picture(frame)
                self._lap(spent, "picture")
                self._sound(b"".join(chunks))
                self._lap(spent, "sound")
                for slot in range(len(LINES)):
                    token_ids(self._plan.line(number, slot), self._recipe)
                self._lap(spent, "text")
                if (number + 1) % _BATCH == 0:
                    self._runtime.run(self._batch)
                    self._lap(spent, "network")
                    store.insert()
                    self._lap(spent, "sqlite")
        return {name: cost / len(self._payloads) for name, cost in spent.items()}

    def _lap(self, spent: dict[str, float], name: str | None) -> None:
        now = time.process_time()
        if name is not None:
            spent[name] = spent.get(name, 0.0) + now - self._at
        self._at = now

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
        spectrum = orders.spectra_of(segments)
        power = orders.power_spectrum(spectrum)
        envelope = orders.envelope_spectrum(spectrum, recipe)
        amplitude = orders.over_floor(np.sqrt(power[:, : power.shape[1] // 2]))
        found = orders.order_energies(envelope, amplitude, orders.lines(None, None), recipe)
        bands = orders.band_energies(envelope, recipe)
        return logged, found, bands, levels(segments, power, recipe)


def _copied(payload: bytes) -> bytes:
    return bytes(bytearray(payload))


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


class _Store:
    """A database of the same tables; each `insert` writes the rows of one batch of windows."""

    def __init__(self, tables: Sequence[Rows], file: Path) -> None:
        self._tables = tables
        self._connection = sqlite3.connect(file)
        self._connection.execute("PRAGMA journal_mode=WAL")
        for table in tables:
            self._connection.executescript(table.make)
        self._steps = -(-len(tables[0].rows) // _BATCH)
        self._step = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def insert(self) -> None:
        """Write the next batch's rows in one transaction."""
        with self._connection:
            for table in self._tables:
                self._connection.executemany(table.fill, table.rows[self._step :: self._steps])
        self._step += 1


def _receive(servers: str) -> float:
    """Return the CPU seconds of a bare consumer, without a group, that polls all messages."""
    consumer = KafkaConsumer(
        bootstrap_servers=[servers],
        metrics_enabled=False,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    places = [
        TopicPartition(topic, partition)
        for topic in TOPICS
        for partition in consumer.partitions_for_topic(topic) or ()
    ]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    awaited = sum(consumer.end_offsets(places).values())
    begun = time.process_time()
    while awaited > 0:
        awaited -= sum(len(records) for records in consumer.poll(timeout_ms=200).values())
    spent = time.process_time() - begun
    consumer.close()
    return spent
