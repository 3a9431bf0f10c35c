"""Gate 8: how far the simulated plant is from real recordings, in figures that can be compared.

Each figure is held by its ratio to the real one, so that too little fails as too much does. None
says that simulated sound, text or damage could be taken for real: they are medians of a few sets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kurtosis

from mmindustry.domain import Chunk
from mmindustry.errors import InputError
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
from mmindustry.training.bench.growth import real_growth, simulated_growth
from mmindustry.training.real.motors import find_recordings
from mmindustry.training.tasks.sound import read_recording

_RECIPE = Recipe()
_HEARD = 48
_WRITTEN = 240
_FEWEST = 20
_PAIRS = {".txt", ".tsv", ".norm", ".conll"}
_NARROW = 2
"""Bins of the narrowest line that a segment's window lets through."""

_SOUND = {
    "kurtosis": 2.0,
    "line_height": 2.0,
    "broad_lines": 2.0,
    "kurtosis_of_most_peaked_tenth": None,
    "line_width_hz": None,
}
_TEXT = {"tokens": 1.25, "numbers": 1.5, "characters": 1.25}
_GROWTH = {"leak": 2.0, "bearing": None}
"""How many times smaller or larger is still alike; None: told and not held to anything."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure on both sides. `factor`: how many times apart is still alike, above 1."""

    name: str
    simulated: float
    real: float
    factor: float | None

    @property
    def ratio(self) -> float:
        """Simulated over real; NaN where one of them is not above zero."""
        below = min(self.simulated, self.real) <= 0
        return float("nan") if below else self.simulated / self.real

    @property
    def alike(self) -> bool | None:
        """Whether they are near enough, both ways; None where nothing is asked."""
        if self.factor is None:
            return None
        return bool(1 / self.factor <= self.ratio <= self.factor)

    def document(self) -> dict[str, Any]:
        """Return the pair as plain JSON."""
        return {
            "simulated": self.simulated,
            "real": self.real,
            "ratio": self.ratio,
            "factor": self.factor,
            "alike": self.alike,
        }


def realism_gate(card: Difficulty, data: Path | None) -> Gate:
    """Return gate 8: None where no real data is there, else whether each figure is near."""
    kinds = {"sound": _sound_pairs, "text": _text_pairs, "growth": _growth_pairs}
    found = {name: pairs(card, data) if data else [] for name, pairs in kinds.items()}
    pairs = [pair for each in found.values() for pair in each]
    figures: dict[str, Any] = {pair.name: pair.document() for pair in pairs}
    figures["not_tried"] = [name for name, each in found.items() if not each]
    rule = (
        "kurtosis, lines of the envelope, words and growth of damage stand within the factors "
        "told of those of real recordings, both ways"
    )
    held = [pair.alike for pair in pairs if pair.factor is not None]
    return Gate(8, rule, all(held) if held else None, figures)


def _pairs(
    limits: Mapping[str, float | None], ours: Mapping[str, float], theirs: Mapping[str, float]
) -> list[Pair]:
    return [Pair(name, ours[name], theirs[name], factor) for name, factor in limits.items()]


def _sound_pairs(card: Difficulty, data: Path) -> list[Pair]:
    """Compare loud machines' sound: how peaked it is, how high and broad lines of its envelope."""
    rate_hz = _RECIPE.rate_hz
    try:
        recordings = find_recordings(data, lambda _: None)  # `evaluate bldc` names what is left out
    except InputError:
        return []
    real = [read_recording(one.path, rate_hz) for one in recordings]
    policy = FeaturePolicy()
    simulated = []
    for one in labelled_windows(_HEARD, card.seed, assets=_HEARD, policy=card.policy):
        chunks = [i.content for i in one.window.items if isinstance(i.content, Chunk)]
        if chunks:
            simulated.append(np.concatenate([decode(c, rate_hz, policy) for c in chunks]))
    return _pairs(_SOUND, sound_figures(simulated), sound_figures(real))


def sound_figures(recordings: Sequence[NDArray[np.float32]]) -> dict[str, float]:
    """Return figures of all segments of a second.

    `kurtosis`: the median excess over Gaussian noise; `kurtosis_of_most_peaked_tenth`: what a tenth
    exceeds; `line_height`: median of the tallest line of the envelope over its surroundings;
    `broad_lines`: share of segments where that line is broader than the window makes any line;
    `line_width_hz`: its mean width.
    """
    length = _RECIPE.segment_samples
    cut = [
        piece[at : at + length]
        for piece in recordings
        for at in range(0, len(piece) - length + 1, length)
        if np.any(piece[at : at + length])
    ]
    segments = np.stack(cut).astype(np.float32)
    envelope = envelope_spectrum(spectra_of(segments), _RECIPE)[:, 4:]
    width = np.array([_width(row) for row in envelope])
    peaked = kurtosis(segments, axis=1)
    return {
        "kurtosis": float(np.median(peaked)),
        "kurtosis_of_most_peaked_tenth": float(np.quantile(peaked, 0.9)),
        "line_height": float(np.median(envelope.max(axis=1))),
        "broad_lines": float((width > _NARROW).mean()),
        "line_width_hz": float(width.mean()) / _RECIPE.segment_seconds,
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
    return _pairs(_TEXT, _text(_written(card)), _text(lines))


def _growth_pairs(card: Difficulty, data: Path) -> list[Pair]:
    """Compare how damage grows: a leak's puddle (and a bearing's severity) with worn surfaces."""
    real = real_growth(data)
    if real is None:
        return []
    ours = simulated_growth(card)
    return [Pair(f"growth_{n}", ours[n], real, factor) for n, factor in _GROWTH.items()]


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


def _text(lines: Sequence[Sequence[str]]) -> Mapping[str, float]:
    """Return tokens a line, the share of those with a digit or a mask, letters a token."""
    tokens = [token for line in lines for token in line]
    numbers = [any(c.isdigit() for c in t) or t.startswith("<") for t in tokens]
    words = [t for t, number in zip(tokens, numbers, strict=True) if not number]
    return {
        "tokens": float(np.mean([len(line) for line in lines])),
        "numbers": float(np.mean(numbers)),
        "characters": float(np.mean([len(word) for word in words])),
    }
