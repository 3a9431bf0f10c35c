"""The naive line: what an average engineer writes first, with the same network and the same facts.

kafka-python with native checksums, one dict of open windows, Pillow, librosa, eager torch one
window at a time with gradients on, an ORM session that adds and commits each row.
"""

import json
import time
from collections import defaultdict
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from kafka import KafkaConsumer
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import JSON, DateTime, Float, Integer, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from mmindustry.features import orders
from mmindustry.features.loudness import levels
from mmindustry.features.spec import CARD_WIDTH, OPERATING_WIDTH, Recipe
from mmindustry.features.text import token_ids
from mmindustry.fusion.bundle import WEIGHTS, Bundle
from mmindustry.fusion.network import Network
from mmindustry.fusion.weights import fill, unpack
from tests.benchmarks._kernels import cut
from tests.benchmarks._reference import PATIENCE_SECONDS, SECONDS, TOPICS, Plan

_GRACE = 5.0
Arrays = dict[str, NDArray[Any]]


class Base(DeclarativeBase):
    """The naive line's tables."""


class EntryRow(Base):
    """A log line."""

    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    asset: Mapped[str] = mapped_column(String, index=True)
    time: Mapped[datetime] = mapped_column(DateTime, index=True)
    text: Mapped[str] = mapped_column(String)


class WindowRow(Base):
    """A closed window with the ids of what it holds."""

    __tablename__ = "windows"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    asset: Mapped[str] = mapped_column(String, index=True)
    start: Mapped[datetime] = mapped_column(DateTime, index=True)
    evidence: Mapped[list[Any]] = mapped_column(JSON)


class PredictionRow(Base):
    """What the network said."""

    __tablename__ = "predictions"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    window: Mapped[int] = mapped_column(Integer, index=True)
    fault: Mapped[str] = mapped_column(String)
    probability: Mapped[float] = mapped_column(Float)
    faults: Mapped[dict[str, float]] = mapped_column(JSON)
    product: Mapped[list[float]] = mapped_column(JSON)
    hazard: Mapped[list[float]] = mapped_column(JSON)


class Naive:
    """One run of the naive line over the topics, in a fresh group and a fresh database."""

    def __init__(self, bundle: Bundle, servers: str, folder: Path) -> None:
        spec = bundle.manifest.spec
        self._spec = spec
        self._recipe: Recipe = spec.recipe
        prior = [bundle.manifest.prior[fault] for fault in spec.faults]
        self._prior = np.log(prior)
        self._network = Network(spec, prior)
        fill(self._network, unpack(bundle.weights, WEIGHTS))
        self._network.eval()
        self._servers = servers
        self._group = f"naive-{folder.name}"
        engine = create_engine(f"sqlite:///{folder / 'naive.db'}")
        Base.metadata.create_all(engine)
        self._session = Session(engine)
        self._open: dict[tuple[str, int], list[Any]] = defaultdict(list)
        self._last: dict[str, dict[str, float]] = defaultdict(dict)
        self.windows = 0

    def run(self, plan: Plan) -> float:
        """Return the CPU seconds of a window, joining the group and the first ones left out.

        Raises:
            RuntimeError: They did not all come in time.
        """
        consumer = KafkaConsumer(
            *TOPICS,
            bootstrap_servers=[self._servers],
            group_id=self._group,
            auto_offset_reset="earliest",
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        begun, warm = time.process_time(), 0
        while self.windows < plan.windows:
            for records in consumer.poll(timeout_ms=200).values():
                for record in records:
                    self._take(record)
            if not warm and self.windows >= plan.warm:
                begun, warm = time.process_time(), self.windows
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"naive: {self.windows} of {plan.windows} in {PATIENCE_SECONDS} s"
                )
        spent = time.process_time() - begun
        consumer.close()
        self._session.close()
        return spent / (self.windows - warm)

    def _take(self, record: Any) -> None:
        headers = {name: value.decode() for name, value in record.headers}
        moment = datetime.fromisoformat(headers["ce_time"])
        asset, seconds = headers["ce_subject"], moment.timestamp()
        key = (asset, int(seconds // SECONDS))
        self._open[key].append((moment, record.topic, headers["ce_id"], record.value))
        if record.topic == "mm.logs":
            text = json.loads(record.value)["text"]
            self._session.add(EntryRow(asset=asset, time=moment, text=text))
            self._session.commit()
        self._last[asset][record.topic] = seconds
        self._close(asset)

    def _close(self, asset: str) -> None:
        last = self._last[asset]
        if len(last) < len(TOPICS):
            return
        watermark = min(last.values()) - _GRACE
        due = [key for key in self._open if key[0] == asset and (key[1] + 1) * SECONDS <= watermark]
        for key in sorted(due):
            self._judge(asset, key[1] * SECONDS, sorted(self._open.pop(key)))

    def _judge(self, asset: str, start: float, items: list[Any]) -> None:
        arrays = self._image([i for i in items if i[1] == "mm.frames"], start)
        arrays |= self._audio([i for i in items if i[1] == "mm.audio"])
        arrays |= self._text(asset, start + SECONDS)
        arrays |= {
            "card": np.zeros(CARD_WIDTH, np.float32),
            "operating": np.zeros(OPERATING_WIDTH, np.float32),
            "present": np.ones(3, np.float32),
            "quality": np.ones(3, np.float32),
        }
        answer = self._network(
            {name: torch.from_numpy(array).unsqueeze(0) for name, array in arrays.items()}
        )
        evidence = answer.evidence.detach().numpy()[0] + self._prior
        likely = np.exp(evidence - evidence.max())
        likely /= likely.sum()
        self._save(asset, items, likely, answer)

    def _image(self, items: list[Any], start: float) -> Arrays:
        size = self._recipe.frame_size
        frames = []
        for _, _, _, payload in items:
            picture = Image.open(BytesIO(payload)).convert("RGB").resize((size, size))
            frames.append(np.transpose(np.asarray(picture, np.float32) / 255.0, (2, 0, 1)))
        regions, side = len(self._recipe.regions), self._recipe.region_size
        ends = [item[0].timestamp() - start - SECONDS for item in items]
        return {
            "image_frames": np.stack(frames),
            "image_delta": np.zeros((len(frames), 1, size, size), np.float32),
            "image_mask": np.ones(len(frames), np.float32),
            "image_offset": np.array(ends, np.float32) / SECONDS,
            "image_regions": np.zeros((regions, 3, side, side), np.float32),
            "image_regions_mask": np.zeros(regions, np.float32),
        }

    def _audio(self, items: list[Any]) -> Arrays:
        recipe = self._recipe
        joined = np.concatenate([np.frombuffer(item[3], ">i2") for item in items])
        segments = cut(joined.astype(np.float32) / np.float32(32768), recipe)
        found: Arrays = {"audio_logmel": np.stack([self._mel(one) for one in segments])}
        if recipe.mfcc:
            found["audio_mfcc"] = np.stack([self._mfcc(one) for one in segments])
        power = np.stack([self._power(one) for one in segments])
        envelope = np.stack([self._envelope(one) for one in segments])
        amplitude = np.stack([_whitened(np.sqrt(one[: one.size // 2]), 32) for one in power])
        where = orders.lines(None, None)
        energies, known = orders.order_energies(envelope, amplitude, where, recipe)
        return found | {
            "audio_orders": energies,
            "audio_orders_known": known,
            "audio_envelope": orders.band_energies(envelope, recipe),
            "audio_level": levels(segments, power, recipe),
            "audio_mask": np.ones(len(segments), np.float32),
            "audio_offset": np.linspace(-0.7, -0.3, len(segments), dtype=np.float32),
        }

    def _mel(self, segment: NDArray[np.float32]) -> NDArray[np.float32]:
        recipe = self._recipe
        mel = librosa.feature.melspectrogram(y=segment, n_mels=recipe.mels, **self._options())
        logged = np.log10(np.maximum(mel[:, :-1], recipe.mel_floor))
        scaled: NDArray[np.float32] = ((logged - recipe.mel_mean) / recipe.mel_scale).astype("f4")
        return scaled

    def _mfcc(self, segment: NDArray[np.float32]) -> NDArray[np.float32]:
        recipe = self._recipe
        found: NDArray[np.float32] = librosa.feature.mfcc(
            y=segment, n_mfcc=recipe.mfcc, n_mels=recipe.mels, **self._options()
        )
        return found[:, :-1]

    def _power(self, segment: NDArray[np.float32]) -> NDArray[np.float32]:
        spectrum = np.fft.rfft(segment * np.hanning(segment.size))
        return (np.abs(spectrum) ** 2).astype(np.float32)

    def _envelope(self, segment: NDArray[np.float32]) -> NDArray[np.float32]:
        """The textbook's: cut the band out, whiten, analytic signal, spectrum of its square."""
        recipe, size = self._recipe, segment.size
        spectrum = np.fft.fft(segment)
        low, high = (
            int(hz * size / recipe.rate_hz)
            for hz in (recipe.carrier_low_hz, recipe.carrier_high_hz)
        )
        band = np.zeros(size, complex)
        slow = np.abs(spectrum[low:high])
        band[low:high] = spectrum[low:high] / (slow / _whitened(slow, 64))
        squared = np.abs(np.fft.ifft(band)) ** 2
        squared -= squared.mean()
        amplitude = np.abs(np.fft.rfft(squared * np.hanning(size)))
        keep = int(3 * recipe.envelope_high_hz * recipe.segment_seconds) + 3
        return _whitened(amplitude[:keep], 32).astype(np.float32)

    def _options(self) -> dict[str, Any]:
        recipe = self._recipe
        return {
            "sr": recipe.rate_hz,
            "n_fft": recipe.n_fft,
            "win_length": recipe.win,
            "hop_length": recipe.hop,
        }

    def _text(self, asset: str, end: float) -> Arrays:
        recipe = self._recipe
        newest = self._session.scalars(
            select(EntryRow)
            .where(EntryRow.asset == asset, EntryRow.time <= datetime.fromtimestamp(end, UTC))
            .order_by(EntryRow.time.desc())
            .limit(recipe.entries)
        ).all()
        found: Arrays = {
            "text_ids": np.zeros((recipe.entries, recipe.tokens), np.int32),
            "text_mask": np.zeros(recipe.entries, np.float32),
            "text_age": np.zeros(recipe.entries, np.float32),
            "text_meta": np.zeros((recipe.entries, 4), np.float32),
        }
        for slot, entry in enumerate(newest):
            ids = token_ids(entry.text, recipe)
            found["text_ids"][-1 - slot, : len(ids)] = ids
            found["text_mask"][-1 - slot] = 1.0
            found["text_meta"][-1 - slot, 0] = len(ids) / recipe.tokens
        return found

    def _save(self, asset: str, items: list[Any], likely: NDArray[Any], answer: Any) -> None:
        evidence = [{"id": i[2], "time": i[0].isoformat(), "topic": i[1]} for i in items]
        window = WindowRow(asset=asset, start=items[0][0], evidence=evidence)
        self._session.add(window)
        self._session.commit()
        leading = int(likely.argmax())
        self._session.add(
            PredictionRow(
                window=window.id,
                fault=self._spec.faults[leading],
                probability=float(likely[leading]),
                faults=dict(zip(self._spec.faults, likely.tolist(), strict=True)),
                product=answer.product.softmax(-1)[0].tolist(),
                hazard=answer.hazard.sigmoid()[0].tolist(),
            )
        )
        self._session.commit()
        self.windows += 1


def _whitened(spectrum: NDArray[Any], block: int) -> NDArray[Any]:
    """Return the spectrum over the running median of its blocks."""
    count = max(spectrum.size // block, 1)
    medians = np.median(spectrum[: count * block].reshape(count, -1), axis=1)
    middles = (np.arange(count) + 0.5) * block - 0.5
    course: NDArray[Any] = np.interp(np.arange(spectrum.size), middles, medians)
    return spectrum / (course + 1e-12)
