"""What is normal for one asset: a bank of its embeddings, its baseline frames, its limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.alerting.scores import novelty_level
from mmindustry.domain import Context, Features, Frame, Profile, Window
from mmindustry.errors import InputError
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import BASELINE, MODALITIES, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.novelty import array_names, densities, novelty_scores, p_values
from mmindustry.fusion.predictor import FusionPredictor
from mmindustry.training.baseline import baseline_frame
from mmindustry.training.policy import ProfilePolicy

Array = NDArray[np.float32]
Pair = tuple[Window, Context]

_BASELINE_WINDOWS = 60
"""Windows whose frames the median is taken of: some hundred frames forget whoever walked by."""
_TOGETHER = 32
_CALIBRATED_SHARE = 0.3
_TRIMMED_SHARE = 0.02
_LIMIT_P = 0.01
_CHECKS = (0.4, 0.6, 0.8)
"""Where in time the checks of steadiness begin."""
_STRETCH = 0.2
"""Share of the windows that each of them looks at."""


class NormalWindows(Protocol):
    """The windows of when nothing was wrong with an asset, oldest first."""

    @property
    def hours(self) -> float:
        """Hours of normal that they cover."""

    def __len__(self) -> int:
        """Return how many there are."""

    def read(self, places: Sequence[int]) -> Iterator[Pair]:
        """Yield those at these places, in order; one that can't be read is left out."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a bank tells of one modality: references, their densities, later scores (ascending)."""

    bank: Array
    density: Array
    calibration: Array

    def surprise(self, points: Array) -> NDArray[np.float64]:
        """Return the p-value of each embedding, shape (points,)."""
        return p_values(novelty_scores(points, self.bank, self.density), self.calibration)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileMaker:
    """Makes profiles with one bundle's network and recipe, on whatever runtime serves it."""

    predictor: FusionPredictor
    recipe: Recipe
    basis: Basis
    policy: ProfilePolicy = field(default_factory=ProfilePolicy)
    alerting: AlertingPolicy = field(default_factory=AlertingPolicy)
    guard: Guard = field(default_factory=Guard)

    def make(self, asset: str, normal: NormalWindows, *, version: int) -> Profile:
        """Return the profile of an asset from windows of when nothing was wrong.

        The baseline frames are made first, since the bank is embedded with them. The later
        windows calibrate, the earlier ones make the bank, so that p-values are told on hours that
        the bank has not seen; its strangest 2 % are left out, since some "normal" windows never
        are (learning.md 4.6). A modality whose own held-out normal would have raised the novelty
        alarm is not steady enough to be told by, and gets no bank. Memory is bounded: windows are
        read a few at a time, only their embeddings stay.

        Raises:
            InputError: Too few windows, windows of another asset, or no modality is steady.
        """
        places = spread(len(normal), self.policy.most_windows)
        self._enough(asset, len(places))
        sample = [places[at] for at in spread(len(places), _BASELINE_WINDOWS)]
        seen = self._profile(asset, version, normal, self._baselines(asset, normal, sample))
        points, present = self._embedded(asset, normal, places, seen)
        self._enough(asset, len(points))
        known = {
            modality: learned
            for at, modality in enumerate(MODALITIES)
            if (learned := self._learned(points[present[:, at], at])) is not None
        }
        if not known:
            raise InputError(
                f"{asset}: {len(points)} windows are normal, but in no modality is the later of "
                "them like the earlier; learn again when there are more"
            )
        return _with_banks(seen, known)

    def _enough(self, asset: str, count: int) -> None:
        if count < self.policy.least_windows:
            raise InputError(
                f"{asset}: {count} normal windows are too few, {self.policy.least_windows} are "
                "needed"
            )

    def _built(self, pairs: Iterator[Pair], profile: Profile | None) -> Iterator[Features]:
        for window, context in pairs:
            known = replace(context, profile=profile)
            made, _ = build_features(window, known, self.recipe, basis=self.basis, guard=self.guard)
            if isinstance(made, Features) and not made.findings:
                yield made

    def _baselines(
        self, asset: str, normal: NormalWindows, places: Sequence[int]
    ) -> dict[str, Array]:
        """Return the baseline frame of each camera, named as the recipe asks."""
        seen: dict[str, list[Features]] = {}
        for window, context in normal.read(places):
            if window.key.asset != asset:
                raise InputError(f"windows of {window.key.asset} say nothing of {asset}")
            for source in {item.source for item in window.items if isinstance(item.content, Frame)}:
                mine = tuple(item for item in window.items if item.source == source)
                alone = iter([(replace(window, items=mine, missing=()), context)])
                seen.setdefault(source, []).extend(map(_frames_only, self._built(alone, None)))
        frames = {source: baseline_frame(made) for source, made in sorted(seen.items())}
        return {f"{BASELINE}/{s}": frame for s, frame in frames.items() if frame is not None}

    def _embedded(
        self, asset: str, normal: NormalWindows, places: Sequence[int], profile: Profile
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Return embeddings (windows, 3, width) in order of time, and which are there."""
        points: list[Array] = []
        present: list[list[bool]] = []
        waiting: list[Features] = []
        for features in self._built(normal.read(places), profile):
            if features.window.asset != asset:
                raise InputError(f"windows of {features.window.asset} say nothing of {asset}")
            waiting.append(features)
            if len(waiting) == _TOGETHER:
                points.append(self.predictor.embed(waiting))
                present += [[bool(f.present[m]) for m in MODALITIES] for f in waiting]
                waiting = []
        points.append(self.predictor.embed(waiting))
        present += [[bool(f.present[m]) for m in MODALITIES] for f in waiting]
        return np.concatenate(points), np.array(present, np.bool_).reshape(-1, len(MODALITIES))

    def _learned(self, points: Array) -> Known | None:
        """Return what a modality's embeddings (windows, width) tell; None: too few, or unsteady."""
        if len(points) < self.policy.least_windows or not self._is_steady(points):
            return None
        return known_by(points, self.policy.references)

    def _is_steady(self, points: Array) -> bool:
        """Return whether no stretch of normal would alarm one who learned all before it.

        The order of time is kept throughout (forward chaining; Tashman, International Journal of
        Forecasting 16 (2000) 437-450). A stretch too short for the alarm's limit is held against
        half of what it could reach.
        """
        ahead = int(len(points) * _STRETCH)
        for share in _CHECKS:
            begin = int(len(points) * share)
            known = known_by(points[:begin], self.policy.references)
            step = log(len(known.calibration) + 1) - self.alerting.novelty_drift
            bar = min(self.alerting.novelty_limit, ahead * step / 2)
            level = 0.0
            for p_value in known.surprise(points[begin : begin + ahead]):
                level = novelty_level(level, float(p_value), self.alerting)
                if level >= bar > 0:
                    return False
        return True

    def _profile(
        self, asset: str, version: int, normal: NormalWindows, baselines: Mapping[str, Array]
    ) -> Profile:
        return Profile(
            id=f"{asset}@{version}",
            asset=asset,
            version=version,
            bundle=self.predictor.bundle,
            normal_hours=normal.hours,
            arrays=dict(baselines),
            limits={},
        )


def spread(count: int, most: int) -> list[int]:
    """Return at most `most` places of 0..count - 1, evenly apart, first and last among them.

    >>> spread(5, 3)
    [0, 2, 4]
    """
    if count <= most:
        return list(range(count))
    return [round(place) for place in np.linspace(0, count - 1, most)]


def known_by(points: Array, references: int) -> Known:
    """Return what embeddings in order of time tell: the later three in ten calibrate."""
    held = int(len(points) * _CALIBRATED_SHARE)
    bank = core_set(points[: len(points) - held], references)
    density = densities(bank)
    scores = novelty_scores(points[len(points) - held :], bank, density)
    return Known(bank, density, np.sort(scores).astype(np.float32))


def _frames_only(features: Features) -> Features:
    kept = {name: features.arrays[name] for name in ("image_frames", "image_mask")}
    return replace(features, arrays=kept)


def _with_banks(profile: Profile, known: Mapping[str, Known]) -> Profile:
    """Return the profile with its banks and limits; a limit is the score with p = 0.01."""
    limits, arrays = {}, dict(profile.arrays)
    for modality, one in known.items():
        values = (one.bank, one.density, one.calibration)
        arrays |= dict(zip(array_names(modality), values, strict=True))
        limits[f"novelty_{modality}"] = float(np.quantile(one.calibration, 1.0 - _LIMIT_P))
    return replace(profile, arrays=arrays, limits=limits)


def core_set(points: Array, largest: int = 5_000) -> Array:
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
