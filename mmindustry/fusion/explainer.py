"""Why a flagged window was told so: exact Shapley shares and occlusion, through any runtime.

Only flagged windows are explained, and only so many that a flood of them can't hold up the line.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Event, Features, LogEntry, Prediction
from mmindustry.features import orders
from mmindustry.features.spec import PRODUCT
from mmindustry.features.spectra import mel_edges_hz
from mmindustry.features.text import Pieces
from mmindustry.fusion import occlusion
from mmindustry.fusion.engine import Engine
from mmindustry.fusion.explain import shapley
from mmindustry.fusion.heatmap_runtime import STRIDE, HeatmapRuntime
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.occlusion import BANDS, GRID, Variant, run_variants
from mmindustry.fusion.runtime import Arrays, Raw
from mmindustry.fusion.spec import GOOD, HEALTHY

Array = NDArray[np.float64]
Run = Callable[[Arrays], Raw]

OFF = 0.4
"""Probability from which a fault without a threshold of its own is worth an explanation."""

_BATCH = 32
_WORDY = 2
"""Entries whose words are hidden one by one: those that matter most."""
_TINY = 1e-12
_SPEED_RPM = 3_000.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is explained: a `fault` or a `product` class, and its place among its kind."""

    kind: str
    name: str
    column: int


def target_of(prediction: Prediction, judge: Judge) -> Target | None:
    """Return what of a prediction needs an explanation; None where nothing is flagged.

    A fault leads above its `off` threshold, or the product is not good.
    """
    spec, leading = judge.manifest.spec, prediction.leading
    off = judge.manifest.thresholds.get(leading, {}).get("off", OFF)
    if leading != HEALTHY and prediction.faults[leading] >= off:
        return Target("fault", leading, spec.faults.index(leading))
    product = max(prediction.product, key=lambda one: prediction.product[one], default=GOOD)
    return None if product == GOOD else Target("product", product, spec.products.index(product))


def log_odds(probability: Array) -> Array:
    """Return log(p / (1 - p)) in nats: what is still told where p is near 1."""
    bounded = np.clip(probability, _TINY, 1.0 - _TINY)
    odds: Array = np.log(bounded) - np.log1p(-bounded)
    return odds


@dataclass(slots=True)
class Explanation:
    """One window's explanation while it is made: `runs` counts the network's extra answers."""

    judge: Judge
    run: Run
    item: Features
    target: Target
    heatmap: HeatmapRuntime | None = None
    pieces: Pieces | None = None
    runs: int = 0
    arrays: Mapping[str, NDArray[Any]] = field(init=False)

    def __post_init__(self) -> None:
        """Take the arrays the network reads."""
        self.arrays = {name: self.item.arrays[name] for name in self.judge.manifest.spec.inputs}

    def values(self, variants: Sequence[Variant]) -> Array:
        """Return the target's log odds in each variant, (variants,)."""
        parts = []
        for raw, present in run_variants(self.run, self.arrays, variants, batch=_BATCH):
            likely = (
                self.judge.faults(raw, present)
                if self.target.kind == "fault"
                else self.judge.products(raw)
            )
            parts.append(log_odds(likely[:, self.target.column]))
        self.runs += len(variants)
        return np.concatenate([np.zeros(0), *parts])

    def document(self, *, brief: bool = False) -> dict[str, object]:
        """Return the explanation as plain JSON; all effects in nats of log odds.

        An effect is what the answer loses where the part is hidden: above 0 speaks for it. A
        `brief` one of a fault holds the modalities' shares alone.
        """
        if self.target.kind == "product":
            return self._of_product()
        shares, whole = self._shares()
        found: dict[str, object] = {
            "target": {"kind": self.target.kind, "name": self.target.name},
            "log_odds": _short(whole),
            "shapley": shares,
        }
        parts = {"image": self._image, "audio": self._audio, "text": self._text}
        spec = self.judge.manifest.spec
        heard = {name for name, there in zip(spec.modalities, spec.heard, strict=True) if there}
        for modality, part in {} if brief else parts.items():
            if modality in heard and self.item.present.get(modality):
                found |= part(whole)
        return found | {"runs": self.runs}

    def _shares(self) -> tuple[dict[str, float], float]:
        variants, _ = occlusion.hidden_modalities(self.arrays)
        values = self.values(variants)
        names = self.judge.manifest.spec.modalities
        shares = shapley(values, len(names))
        told = {m: _short(s) for m, s in zip(names, shares, strict=True)}
        return told | {"none": _short(values[0])}, float(values[-1])

    def _image(self, whole: float) -> dict[str, object]:
        recipe = self.judge.manifest.spec.recipe
        regions = occlusion.hidden_regions(self.arrays, recipe)
        lost = whole - self.values([*occlusion.hidden_patches(self.arrays), *regions.values()])
        frame = {"grid": [GRID, GRID], "nats": _shorts(lost[: GRID * GRID]), "at": self._newest()}
        close = dict(zip(regions, _shorts(lost[GRID * GRID :]), strict=True))
        return {"frame": frame, "regions": close}

    def _newest(self) -> str:
        """Return the time of the newest frame that was looked at."""
        share = float(self.arrays["image_offset"][-1])
        length = (self.item.end - self.item.window.start).total_seconds()
        return (self.item.end + timedelta(seconds=share * length)).isoformat()

    def _audio(self, whole: float) -> dict[str, object]:
        recipe = self.judge.manifest.spec.recipe
        slots = np.flatnonzero(self.arrays["audio_mask"] > 0).tolist()
        families = occlusion.hidden_orders(self.arrays)
        hidden = occlusion.hidden_bands(self.arrays, slots)
        lost = whole - self.values([*hidden, *families.values()])
        length = (self.item.end - self.item.window.start).total_seconds()
        starts = [length * (1.0 + float(self.arrays["audio_offset"][slot])) for slot in slots]
        bands = lost[: len(hidden)].reshape(-1, BANDS)
        sound = {
            "hz": [round(float(hz)) for hz in mel_edges_hz(recipe, BANDS)],
            "seconds": _shorts(np.array(starts)),
            "length": _short(recipe.segment_seconds),
            "nats": [_shorts(row) for row in bands],
        }
        told = {"orders": self._orders(families, lost[len(hidden) :])} if families else {}
        return told | ({"sound": sound} if hidden else {})

    def _orders(self, families: Iterable[str], lost: Array) -> list[dict[str, object]]:
        """Return each family of fault orders: first line in Hz, energy in nats, effect."""
        card = self.item.context.card if self.item.context else None
        operating = self.item.arrays["operating"]
        speed = float(operating[0]) * _SPEED_RPM if operating[3] > 0 else None
        lines = orders.lines(card, speed)
        energies = self.item.arrays["audio_orders"]
        told: list[dict[str, object]] = []
        for family, nats in zip(families, lost, strict=True):
            first = next((lines[n] for n in (f"{family}_1", f"{family}_2") if n in lines), ())
            energy = energies[:, occlusion.order_families()[family]].max()
            hz = [round(line.hz, 1) for line in first]
            told.append({"name": family, "hz": hz, "energy": _short(energy), "nats": _short(nats)})
        return sorted(told, key=lambda one: -float(str(one["nats"])))

    def _text(self, whole: float) -> dict[str, object]:
        slots = occlusion.hidden_entries(self.arrays)
        lost = dict(zip(slots, whole - self.values(list(slots.values())), strict=True))
        written = entries_by_slot(self.item, self.judge.manifest.spec.recipe.entries)
        told: list[dict[str, object]] = []
        heavy = sorted(lost, key=lambda slot: -abs(lost[slot]))
        for slot in heavy:
            entry = written.get(slot)
            if entry is None or not isinstance(entry.content, LogEntry):
                continue
            words = self._words(slot, entry.content.text, whole) if len(told) < _WORDY else []
            told.append(
                {
                    "source": entry.source,
                    "id": entry.id,
                    "time": entry.time.isoformat(),
                    "nats": _short(lost[slot]),
                    "words": words,
                }
            )
        return {"entries": told}

    def _words(self, slot: int, text: str, whole: float) -> list[list[float]]:
        """Return [first character, end, effect] of each word of a raw line."""
        recipe = self.judge.manifest.spec.recipe
        hidden = occlusion.hidden_words(text, slot, self.arrays, recipe=recipe, cut=self.pieces)
        lost = whole - self.values([variant for _, _, variant in hidden])
        return [
            [first, end, _short(nats)] for (first, end, _), nats in zip(hidden, lost, strict=True)
        ]

    def _of_product(self) -> dict[str, object]:
        """Return where on the product, or on the frame where no region is known, the defect is."""
        recipe = self.judge.manifest.spec.recipe
        region = recipe.regions.index(PRODUCT) if PRODUCT in recipe.regions else None
        if region is not None and self.heatmap is not None:
            return self._learned_map(region, self.heatmap)
        hidden = (
            occlusion.hidden_patches(self.arrays)
            if region is None
            else occlusion.hidden_in_region(self.arrays, region)
        )
        values = self.values([(), *hidden])
        lost = _shorts(values[0] - values[1:])
        return {
            "target": {"kind": self.target.kind, "name": self.target.name},
            "log_odds": _short(values[0]),
            "frame" if region is None else "crop": {
                "grid": [GRID, GRID],
                "nats": lost,
                "at": self._newest(),
            },
            "runs": self.runs,
        }

    def _learned_map(self, region: int, heatmap: HeatmapRuntime) -> dict[str, object]:
        """Return how likely each part of the product is a defect, by the decoder masks taught.

        Of each `STRIDE` x `STRIDE` pixels the highest is told.
        """
        whole = self.values([()])
        heat = heatmap.heat(np.asarray(self.arrays["image_regions"][None, region], np.float32))[0]
        self.runs += 1
        grid = len(heat) // STRIDE
        highest = heat.reshape(grid, STRIDE, grid, STRIDE).max(axis=(1, 3))
        chances = 1.0 / (1.0 + np.exp(-highest.astype(np.float64).ravel()))
        return {
            "target": {"kind": self.target.kind, "name": self.target.name},
            "log_odds": _short(whole[0]),
            "crop": {
                "grid": [grid, grid],
                "defect": _shorts(chances),
                "at": self._newest(),
            },
            "runs": self.runs,
        }


def explanation_of(engine: Engine, item: Features, target: Target) -> Explanation:
    """Return what will explain a window by this engine."""
    run = engine.runtime.run
    return Explanation(engine.judge, run, item, target, engine.heatmap, engine.pieces)


def entries_by_slot(item: Features, slots: int) -> dict[int, Event]:
    """Return text slot -> the log entry that stands in it, as the features put them."""
    entries = item.context.entries if item.context else ()
    newest = [entry for entry in entries if isinstance(entry.content, LogEntry)][-slots:]
    return dict(enumerate(newest, start=slots - len(newest)))


def _short(value: Any) -> float:
    return round(float(value), 3)


def _shorts(values: Array) -> list[float]:
    return [_short(value) for value in values]
