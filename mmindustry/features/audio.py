"""Sound -> arrays: chunks joined to runs, segments cut evenly, spectra and orders taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import AssetCard, Chunk, Event, Window
from mmindustry.features import orders
from mmindustry.features.loudness import inspect, levels
from mmindustry.features.part import Guard, Part, Unreadable, offset
from mmindustry.features.policy import FeaturePolicy
from mmindustry.features.sound import Samples, decode
from mmindustry.features.spec import Recipe
from mmindustry.features.spectra import Basis, cepstra, log_mel, normalise
from mmindustry.features.speeds import speed_orders

_JOIN_SECONDS = 0.05
_SHORTEST_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Run:
    """Sound of one source without a break: when it began, and its samples."""

    source: str
    start: datetime
    samples: Samples


@dataclass(slots=True)
class _Growing:
    """A run while chunks still come: its pieces are joined once, at the end."""

    start: datetime
    pieces: list[Samples]
    size: int

    def apart(self, time: datetime, rate_hz: int) -> float:
        """Return the seconds from where the run ends to `time`, negative where they overlap."""
        due = self.start + timedelta(seconds=self.size / rate_hz)
        return (time - due).total_seconds()

    def add(self, samples: Samples) -> None:
        """Append samples without a break."""
        self.pieces.append(samples)
        self.size += samples.size

    def run(self, source: str) -> Run:
        """Return the whole run."""
        whole = self.pieces[0] if len(self.pieces) == 1 else np.concatenate(self.pieces)
        return Run(source, self.start, whole)


@dataclass(frozen=True, slots=True)
class Ear:
    """What sound is read with, apart from the window: recipe, spectra's basis, papers, speed."""

    recipe: Recipe
    basis: Basis
    card: AssetCard | None
    speed_rpm: float | None


def audio_part(window: Window, ear: Ear, guard: Guard) -> Part:
    """Return the sound arrays of a window, mask 0 where a slot holds nothing usable.

    The slots are shared among the asset's microphones, in order of their names; silent ones leave
    the mask and are named in `findings`, clipped ones stay with low quality.
    """
    runs, unreadable = _runs(window, ear.recipe, guard)
    sources = sorted({run.source for run in runs})
    looks = {s: inspect([r.samples for r in runs if r.source == s], ear.recipe) for s in sources}
    heard = [s for s in sources if looks[s][0] != "microphone_silent"]
    segments: list[Samples] = []
    offsets: list[float] = []
    for source, slots in zip(heard, _shares(ear.recipe.segments, len(heard)), strict=True):
        for run, first in _places([r for r in runs if r.source == source], slots, ear.recipe):
            segments.append(_segment(run.samples, first, ear.recipe.segment_samples))
            begin = run.start + timedelta(seconds=first / ear.recipe.rate_hz)
            offsets.append(offset(window, begin))
    return Part(
        arrays=_arrays(segments, offsets, ear),
        present=bool(segments),
        quality=float(np.mean([looks[s][1] for s in sources])) if sources else 0.0,
        findings=tuple((looks[s][0], s) for s in sources if looks[s][0]),
        unreadable=tuple(unreadable),
    )


def _runs(window: Window, recipe: Recipe, guard: Guard) -> tuple[list[Run], list[Unreadable]]:
    """Decode every chunk and join what follows on: jitter below 50 ms is no break."""
    runs: dict[str, list[_Growing]] = {}
    unreadable: list[Unreadable] = []
    for item in window.items:
        if not isinstance(item.content, Chunk):
            continue
        read = guard.read(item, partial(_decode, item.content, recipe, guard.policy))
        if isinstance(read, Unreadable):
            unreadable.append(read)
        else:
            _join(runs.setdefault(item.source, []), item, read, recipe.rate_hz)
    return [one.run(source) for source in sorted(runs) for one in runs[source]], unreadable


def _decode(chunk: Chunk, recipe: Recipe, policy: FeaturePolicy) -> Samples:
    return decode(chunk, recipe.rate_hz, policy)


def _join(runs: list[_Growing], item: Event, samples: Samples, rate_hz: int) -> None:
    """Append a chunk to the source's last run, its overlap cut off, or begin a new run."""
    apart = runs[-1].apart(item.time, rate_hz) if runs else np.inf
    if apart > _JOIN_SECONDS:
        runs.append(_Growing(item.time, [samples], samples.size))
    else:
        fresh = samples[round(-apart * rate_hz) :] if apart < -_JOIN_SECONDS else samples
        runs[-1].add(fresh)


def _shares(slots: int, sources: int) -> list[int]:
    """Return how many slots each source gets: as even as can be, the first ones more."""
    return [slots // sources + (k < slots % sources) for k in range(sources)]


def _places(runs: Sequence[Run], slots: int, recipe: Recipe) -> list[tuple[Run, int]]:
    """Return (run, first sample) of at most `slots` segments, even over all runs, newest kept.

    Two segments lie half a segment apart at least; runs below a quarter second are left out.
    """
    length = recipe.segment_samples
    long = [run for run in runs if run.samples.size >= _SHORTEST_SECONDS * recipe.rate_hz]
    rooms = [max(run.samples.size - length, 0) for run in long]
    starts = np.cumsum([0, *(room + length // 2 for room in rooms)])
    if not long or not slots:
        return []
    top = int(starts[-1]) - length // 2
    count = min(slots, 1 + top // (length // 2))
    places: dict[tuple[int, int], None] = {}
    for target in np.linspace(top, 0, count):
        index = int(np.searchsorted(starts, target, side="right")) - 1
        places[index, min(round(float(target)) - int(starts[index]), rooms[index])] = None
    return [(long[index], first) for index, first in sorted(places)]


def _segment(samples: Samples, first: int, length: int) -> Samples:
    cut = samples[first : first + length]
    return cut if cut.size == length else np.pad(cut, (0, length - cut.size), mode="reflect")


def _arrays(
    segments: Sequence[Samples], offsets: Sequence[float], ear: Ear
) -> Mapping[str, NDArray[Any]]:
    """Return all arrays of the recipe, filled from the last slot backwards."""
    recipe = ear.recipe
    arrays: dict[str, NDArray[Any]] = {
        name: np.zeros(shape, dtype)
        for name, (shape, dtype) in recipe.shapes().items()
        if name.startswith("audio_")
    }
    if not segments:
        return arrays
    batch = np.stack(segments)  # (segment, sample)
    used = slice(recipe.segments - len(segments), None)
    for slot, segment in enumerate(segments, start=recipe.segments - len(segments)):
        logged = log_mel(segment, recipe, ear.basis)
        if recipe.mfcc:
            arrays["audio_mfcc"][slot] = cepstra(logged, ear.basis)
        normalise(logged, recipe)
        arrays["audio_logmel"][slot] = logged
    spectrum = orders.spectra_of(batch)
    power = orders.power_spectrum(spectrum)
    envelope = orders.envelope_spectrum(spectrum, recipe)
    where = orders.lines(ear.card, ear.speed_rpm)
    amplitude = orders.over_floor(np.sqrt(power[:, : power.shape[1] // 2]))  # to rate / 4
    energies, known = orders.order_energies(envelope, amplitude, where, recipe)
    if recipe.speeds:
        arrays["audio_speeds"][:] = speed_orders(envelope, amplitude, ear.card, recipe)
    arrays["audio_orders"][used], arrays["audio_orders_known"][:] = energies, known
    arrays["audio_envelope"][used] = orders.band_energies(envelope, recipe)
    arrays["audio_level"][used] = levels(batch, power, recipe)
    arrays["audio_mask"][used], arrays["audio_offset"][used] = 1.0, offsets
    return arrays
