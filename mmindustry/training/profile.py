"""What is normal for one asset: a bank of its embeddings, its baseline frames, its limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmindustry.alerting.novelty import novelty_level
from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.domain import Context, Features, Frame, Profile, Window
from mmindustry.errors import InputError
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import BASELINE, MODALITIES, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bank import Bank
from mmindustry.fusion.predictor import FusionPredictor
from mmindustry.training.bank import CALIBRATED_SHARE, learn_bank
from mmindustry.training.baseline import baseline_frame
from mmindustry.training.policy import ProfilePolicy
from mmindustry.training.watching import Told, first_of_steps, limits_of

Array = NDArray[np.float32]
Pair = tuple[Window, Context]

_BASELINE_WINDOWS = 60
"""Windows whose frames the median is taken of: some hundred frames forget whoever walked by."""
_TOGETHER = 32
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Normal windows as the network embeds them, in order of time: `points` (windows, 3, width),
    `present` (windows, 3), `seconds` (windows,) of their ends."""

    points: Array
    present: NDArray[np.bool_]
    seconds: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileMaker:
    """Makes profiles with one bundle's network and recipe, on whatever runtime serves it."""

    predictor: FusionPredictor
    recipe: Recipe
    basis: Basis
    policy: ProfilePolicy = field(default_factory=ProfilePolicy)
    alerting: AlertingPolicy = field(default_factory=AlertingPolicy)
    guard: Guard = field(default_factory=Guard)

    def make(
        self,
        asset: str,
        normal: NormalWindows,
        *,
        version: int,
        others: Mapping[str, Array] | None = None,
    ) -> Profile:
        """Return the profile of an asset from windows of when nothing was wrong.

        The baseline frames are made first, since the bank is embedded with them. The later
        windows calibrate, the earlier ones make the bank, so that p-values are told on hours that
        the bank has not seen; its strangest 2 % are left out, since some "normal" windows never
        are (learning.md 4.6). A modality whose own held-out normal would have raised the novelty
        alarm is not steady enough to be told by, and gets no bank. Memory is bounded: windows are
        read a few at a time, only their embeddings stay. The limits of the watch for novelty follow
        from the policy's budget of false alarms.

        Args:
            asset: Its path.
            normal: Its windows.
            version: Of the profile.
            others: Modality -> normal embeddings (any, width) of other assets by the same bundle:
                they help where the asset's own are few.

        Raises:
            InputError: Too few windows, windows of another asset, or no modality is steady.
        """
        places = spread(len(normal), self.policy.most_windows)
        self._enough(asset, len(places))
        sample = [places[at] for at in spread(len(places), _BASELINE_WINDOWS)]
        seen = self._profile(asset, version, normal, self._baselines(asset, normal, sample))
        embedded = self._embedded(asset, normal, places, seen)
        self._enough(asset, len(embedded.points))
        known = {
            modality: bank
            for at, modality in enumerate(MODALITIES)
            if (bank := self._learned(embedded, at, (others or {}).get(modality))) is not None
        }
        if not known:
            raise InputError(
                f"{asset}: {len(embedded.points)} windows are normal, but in no modality is the "
                "later of them like the earlier; learn again when there are more"
            )
        return _with_banks(seen, known, self._limits(embedded, known, normal.hours))

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
    ) -> Embedded:
        points: list[Array] = []
        present: list[list[bool]] = []
        seconds: list[float] = []
        waiting: list[Features] = []
        for features in self._built(normal.read(places), profile):
            if features.window.asset != asset:
                raise InputError(f"windows of {features.window.asset} say nothing of {asset}")
            waiting.append(features)
            present.append([bool(features.present[m]) for m in MODALITIES])
            seconds.append(features.end.timestamp())
            if len(waiting) == _TOGETHER:
                points.append(self.predictor.embed(waiting))
                waiting = []
        points.append(self.predictor.embed(waiting))
        return Embedded(
            points=np.concatenate(points),
            present=np.array(present, np.bool_).reshape(-1, len(MODALITIES)),
            seconds=np.array(seconds),
        )

    def _learned(self, embedded: Embedded, at: int, others: Array | None) -> Bank | None:
        """Return what one modality tells; None: too few, or unsteady."""
        points = embedded.points[embedded.present[:, at], at]
        if len(points) < self.policy.least_windows or not self._is_steady(points):
            return None
        return learn_bank(points, self.policy.references, others=others)

    def _limits(
        self, embedded: Embedded, known: Mapping[str, Bank], hours: float
    ) -> dict[str, float]:
        """Return the limits of the watch, from the later windows of each modality."""
        told = {}
        for modality, bank in known.items():
            at = MODALITIES.index(modality)
            there = np.flatnonzero(embedded.present[:, at])
            later = there[len(there) - int(len(there) * CALIBRATED_SHARE) :]
            later = later[first_of_steps(embedded.seconds[later], self.policy.step_seconds)]
            told[modality] = Told(
                scores=bank.scores(embedded.points[later, at]),
                seconds=embedded.seconds[later],
                present=len(there) / len(embedded.present),
                step_seconds=self.policy.step_seconds,
            )
        return limits_of(
            told,
            budget=self.policy.false_alarms_per_week,
            step_seconds=self.policy.step_seconds,
            hours=hours,
        )

    def _is_steady(self, points: Array) -> bool:
        """Return whether no stretch of normal would alarm one who learned all before it.

        The order of time is kept throughout (forward chaining; Tashman, International Journal of
        Forecasting 16 (2000) 437-450). A stretch too short for the alarm's limit is held against
        half of what it could reach.
        """
        ahead = int(len(points) * _STRETCH)
        for share in _CHECKS:
            begin = int(len(points) * share)
            known = learn_bank(points[:begin], self.policy.references)
            drift, limit = self.alerting.novelty_drift, self.alerting.novelty_limit
            bar = min(limit, ahead * (log(len(known.calibration) + 1) - drift) / 2)
            level = 0.0
            for p_value in known.surprise(points[begin : begin + ahead]):
                level = novelty_level(level, float(p_value), drift=drift, limit=limit)
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


def _frames_only(features: Features) -> Features:
    kept = {name: features.arrays[name] for name in ("image_frames", "image_mask")}
    return replace(features, arrays=kept)


def _with_banks(
    profile: Profile, known: Mapping[str, Bank], limits: Mapping[str, float]
) -> Profile:
    """Return the profile with its banks and limits; `novelty_` ones are scores with p = 0.01."""
    arrays = dict(profile.arrays)
    scores = {
        f"novelty_{modality}": float(np.quantile(one.calibration, 1.0 - _LIMIT_P))
        for modality, one in known.items()
    }
    for modality, one in known.items():
        arrays |= one.arrays(modality)
    return replace(profile, arrays=arrays, limits=scores | dict(limits))
