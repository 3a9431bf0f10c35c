"""Gate 8: how far the simulated plant is from real recordings, in figures that can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.stats import kurtosis

from mmindustry.domain import Chunk
from mmindustry.features.orders import envelope_spectrum, spectra_of
from mmindustry.features.policy import FeaturePolicy
from mmindustry.features.sound import decode
from mmindustry.features.spec import Recipe
from mmindustry.simulate.cases import draw_case
from mmindustry.simulate.difficulty import Difficulty
from mmindustry.simulate.machine import draw_machine
from mmindustry.simulate.notes import Manner, history
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.windows import labelled_windows
from mmindustry.training.bench.gates import Gate

_RECIPE = Recipe()
_HEARD = 24
_WRITTEN = 240
_RATE_HZ = 16_000
_FEWEST = 20
_PAIRS = {".txt", ".tsv", ".norm", ".conll"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure on both sides. `near`: how far apart is still alike, in the figure's own unit."""

    name: str
    simulated: float
    real: float
    near: float

    @property
    def alike(self) -> bool:
        """Whether they are near enough."""
        return abs(self.simulated - self.real) <= self.near


def realism_gate(card: Difficulty, data: Path | None) -> Gate:
    """Return gate 8: None where no real data is there, else whether each figure is near."""
    pairs = [*_sound_pairs(card, data), *_text_pairs(card, data)] if data else []
    figures = {
        pair.name: {
            "simulated": pair.simulated,
            "real": pair.real,
            "apart": abs(pair.simulated - pair.real),
            "near": pair.near,
            "alike": pair.alike,
        }
        for pair in pairs
    }
    rule = "sound and text of the simulator stand as near to real recordings as said"
    return Gate(8, rule, all(pair.alike for pair in pairs) if pairs else None, figures)


def _sound_pairs(card: Difficulty, data: Path) -> list[Pair]:
    """Compare loud machines' sound: how peaked it is, how wide lines of its envelope are."""
    files = sorted((data / "audio" / "bldc").glob("*.flac"))[:_HEARD]
    if not files:
        return []
    real = [_read(path) for path in files]
    policy = FeaturePolicy()
    simulated = []
    for one in labelled_windows(_HEARD, card.seed, assets=_HEARD, policy=card.policy):
        chunks = [i.content for i in one.window.items if isinstance(i.content, Chunk)]
        if chunks:
            simulated.append(np.concatenate([decode(c, _RATE_HZ, policy) for c in chunks]))
    ours, theirs = _sound(simulated), _sound(real)
    near = {"log_kurtosis": 1.0, "line_width_hz": 3.0, "log_line_height": 1.0}
    return [Pair(name, ours[name], theirs[name], span) for name, span in near.items()]


def _read(path: Path) -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono: NDArray[np.float32] = samples.mean(axis=1)
    step = max(1, round(rate_hz / _RATE_HZ))
    return mono[::step]


def _sound(recordings: Sequence[NDArray[np.float32]]) -> dict[str, float]:
    """Return medians over segments: kurtosis (log), width and height of the tallest line."""
    length = _RECIPE.segment_samples
    cut = [
        piece[at : at + length]
        for piece in recordings
        for at in range(0, len(piece) - length + 1, length)
        if np.any(piece[at : at + length])
    ]
    segments = np.stack(cut).astype(np.float32)
    envelope = envelope_spectrum(spectra_of(segments), _RECIPE)[:, 4:]
    top = envelope.max(axis=1)
    width = np.array([_width(row) for row in envelope]) / _RECIPE.segment_seconds
    return {
        "log_kurtosis": float(np.median(np.log(np.maximum(kurtosis(segments, axis=1), 0) + 3))),
        "line_width_hz": float(np.median(width)),
        "log_line_height": float(np.median(np.log(np.maximum(top, 1.0)))),
    }


def _width(spectrum: NDArray[np.float32]) -> int:
    """Return how many bins around the tallest one stand above half of it without a break."""
    at = int(spectrum.argmax())
    low = np.flatnonzero(spectrum <= spectrum[at] / 2)
    left, right = low[low < at], low[low > at]
    begin = int(left[-1]) if len(left) else -1
    end = int(right[0]) if len(right) else len(spectrum)
    return end - begin - 1


def _text_pairs(card: Difficulty, data: Path) -> list[Pair]:
    """Compare English lines with those of real work orders, token by token."""
    lines = _maintnorm(data / "text" / "maintnorm")
    if len(lines) < _FEWEST:
        return []
    ours, theirs = _text(_written(card)), _text(lines)
    near = {"tokens": 1.5, "numbers": 0.12, "characters": 2.0}
    return [Pair(name, ours[name], theirs[name], span) for name, span in near.items()]


def _maintnorm(folder: Path) -> list[list[str]]:
    """Return raw lines as tokens from every file of pairs in the folder."""
    found: list[list[str]] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in _PAIRS):
        for entry in path.read_text("utf-8").split("\n\n"):
            tokens = [row.split("\t")[0] for row in entry.splitlines() if row.strip()]
            if tokens:
                found.append(tokens)
    return found


def _written(card: Difficulty) -> list[list[str]]:
    """Return English lines that the plant's people wrote, as tokens."""
    manner = Manner(vague=card.policy.vague_share, hint=card.policy.hint_share)
    found: list[list[str]] = []
    for number in range(_WRITTEN):
        machine = draw_machine(card.policy, number)
        case = draw_case(machine, 0, card.policy)
        rng = generator(card.seed, "realism", number)
        lines = history(machine, case.situation, case.symptom_seconds, rng, manner=manner)
        found += [line.entry.text.split() for line in lines if line.entry.language == "en"]
    return found


def _text(lines: Sequence[Sequence[str]]) -> Mapping[str, Any]:
    """Return tokens a line, the share of those with a digit or a mask, letters a token."""
    tokens = [token for line in lines for token in line]
    numbers = [any(c.isdigit() for c in t) or t.startswith("<") for t in tokens]
    words = [t for t, number in zip(tokens, numbers, strict=True) if not number]
    return {
        "tokens": float(np.mean([len(line) for line in lines])),
        "numbers": float(np.mean(numbers)),
        "characters": float(np.mean([len(word) for word in words])),
    }
