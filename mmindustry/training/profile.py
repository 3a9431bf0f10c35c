"""What is normal for one asset: a bank of its embeddings, its baseline frame, its limits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Context, Features, Profile, Window
from mmindustry.errors import InputError
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import BASELINE, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.novelty import array_names, densities, novelty_scores
from mmindustry.fusion.predictor import FusionPredictor
from mmindustry.training.baseline import baseline_frame

Array = NDArray[np.float32]

LARGEST_BANK = 5_000
"""Most references a modality."""
LEAST_WINDOWS = 40
"""Fewer normal windows than this tell no normal: 20 for the bank, 20 to calibrate."""
_CALIBRATED_SHARE = 0.3
_TRIMMED_SHARE = 0.02
_LIMIT_P = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileMaker:
    """Makes profiles with one bundle's network and recipe."""

    predictor: FusionPredictor
    recipe: Recipe
    basis: Basis

    def make(
        self, asset: str, normal: Sequence[tuple[Window, Context]], *, version: int
    ) -> Profile:
        """Return the profile of an asset from windows of when nothing was wrong, in any order.

        The baseline frame is made first, since the bank is embedded with it. The later windows
        calibrate, the earlier ones make the bank, so that p-values are told on days that the bank
        has not seen; its strangest 2 % are left out, since some "normal" windows never are
        (learning.md 4.6).

        Raises:
            InputError: Fewer than 40 windows, or windows of another asset.
        """
        if strangers := {w.key.asset for w, _ in normal} - {asset}:
            raise InputError(f"windows of {sorted(strangers)} say nothing of {asset}")
        ordered = sorted(normal, key=lambda pair: pair[0].end)
        plain = self._features(ordered, None)
        if len(plain) < LEAST_WINDOWS:
            raise InputError(
                f"{asset}: {len(plain)} normal windows are too few, {LEAST_WINDOWS} are needed"
            )
        empty = self._profile(asset, version, ordered)
        frame = baseline_frame(plain)
        if frame is None:
            return _learned(empty, self._banks(plain))
        seen = replace(empty, arrays={BASELINE: frame})
        return _learned(seen, self._banks(self._features(ordered, seen)))

    def _features(
        self, normal: Sequence[tuple[Window, Context]], profile: Profile | None
    ) -> list[Features]:
        guard = Guard()
        built = [
            build_features(
                window,
                replace(context, profile=profile),
                self.recipe,
                basis=self.basis,
                guard=guard,
            )[0]
            for window, context in normal
        ]
        return [item for item in built if isinstance(item, Features) and not item.findings]

    def _profile(
        self, asset: str, version: int, ordered: Sequence[tuple[Window, Context]]
    ) -> Profile:
        seconds = sum((w.end - w.key.start).total_seconds() for w, _ in ordered)
        return Profile(
            id=f"{asset}@{version}",
            asset=asset,
            version=version,
            bundle=self.predictor.bundle,
            normal_hours=seconds / 3600.0,
            arrays={},
            limits={},
        )

    def _banks(self, normal: Sequence[Features]) -> dict[str, tuple[Array, Array]]:
        """Return, a modality, the embeddings of the bank and those that calibrate it."""
        embedded = self.predictor.embed(normal)
        found = {}
        for column, modality in enumerate(("image", "audio", "text")):
            there = np.array([bool(item.present[modality]) for item in normal])
            points = embedded[there, column]
            held = int(len(points) * _CALIBRATED_SHARE)
            if len(points) >= LEAST_WINDOWS:
                found[modality] = (
                    core_set(points[: len(points) - held]),
                    points[len(points) - held :],
                )
        return found


def _learned(profile: Profile, banks: dict[str, tuple[Array, Array]]) -> Profile:
    """Return the profile with its banks and limits; a limit is the score with p = 0.01."""
    limits, arrays = {}, dict(profile.arrays)
    for modality, (bank, later) in banks.items():
        names = array_names(modality)
        density = densities(bank)
        scores = np.sort(novelty_scores(later, bank, density)).astype(np.float32)
        arrays |= dict(zip(names, (bank, density, scores), strict=True))
        limits[f"novelty_{modality}"] = float(np.quantile(scores, 1.0 - _LIMIT_P))
    return replace(profile, arrays=arrays, limits=limits)


def core_set(points: Array, largest: int = LARGEST_BANK) -> Array:
    """Return the bank: the points less their strangest 2 %, thinned to `largest` by k-centre.

    Greedy k-centre (Gonzalez, 1985): each next point is the one farthest from those chosen.
    """
    strange = densities(points)
    kept: Array = points[strange <= np.quantile(strange, 1.0 - _TRIMMED_SHARE)]
    if len(kept) <= largest:
        return kept
    chosen = [0]
    gap = np.linalg.norm(kept - kept[0], axis=1)
    while len(chosen) < largest:
        chosen.append(int(gap.argmax()))
        gap = np.minimum(gap, np.linalg.norm(kept - kept[chosen[-1]], axis=1))
    thinned: Array = kept[np.sort(chosen)]
    return thinned
