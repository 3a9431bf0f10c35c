"""Raw answers -> Prediction: one piece of numpy behind every runtime."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Features, Prediction
from mmindustry.features.spec import PRODUCT
from mmindustry.fusion import hazard
from mmindustry.fusion.bank import novelty
from mmindustry.fusion.calibration import posterior
from mmindustry.fusion.explain import additive_terms
from mmindustry.fusion.manifest import Manifest
from mmindustry.fusion.runtime import Arrays, Raw
from mmindustry.fusion.spec import EMPTY

_NOTHING = 0.5
"""From this probability of `empty` on, no product is in view."""
_HALF_MOST = 6e4  # beyond lies infinity in half precision


class Judge:
    """Turns raw answers into predictions as one bundle's manifest says."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        spec = manifest.spec
        self.prior = np.array([manifest.prior[fault] for fault in spec.faults])
        self._heard = np.array(manifest.spec.heard)
        self._edges = hazard.edges_hours(spec)
        regions = spec.recipe.regions
        self._product = regions.index(PRODUCT) if PRODUCT in regions else None
        sets = manifest.calibration.sets
        self._level = sets.level if sets else None

    def temperatures(self, present: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the temperature of each window's presence pattern, shape (batch,).

        Modalities that the network has no encoder for count as absent.
        """
        calibration = self.manifest.calibration
        patterns = (present & self._heard).tolist()
        return np.array([calibration.temperature(tuple(row)) for row in patterns])

    def faults(self, raw: Raw, present: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return calibrated fault probabilities (batch, faults)."""
        return posterior(raw.evidence.astype(np.float64), self.prior, self.temperatures(present))

    def predictions(self, features: list[Features], arrays: Arrays, raw: Raw) -> list[Prediction]:
        """Return one prediction a window; raw answers must be finite."""
        present = (arrays["present"] > 0) & self._heard
        probabilities = self.faults(raw, present)
        curve = hazard.survival(raw.hazard)
        risks = hazard.risk(curve, self._edges)
        life = self.life_hours(curve) * 3600.0
        products = self._products(raw, arrays)
        terms = self._terms(raw, arrays, probabilities)
        sets = self._sets(features, raw, present, probabilities)
        kept = np.clip(raw.embeddings, -_HALF_MOST, _HALF_MOST).astype("<f2")
        spec = self.manifest.spec
        return [
            Prediction(
                window=item.window,
                end=item.end,
                bundle=self.manifest.id,
                profile=self._profile_id(item),
                faults=_named(spec.faults, probabilities[row]),
                risk={name: float(values[row]) for name, values in risks.items()},
                remaining_life_seconds=(life[row, 0], life[row, 1], life[row, 2]),
                product=products[row],
                novelty=self._novelty(item, raw.embeddings[row], present[row]),
                terms=terms[row],
                present=dict(item.present),
                quality=dict(item.quality),
                findings=item.findings,
                registered=item.registered,
                running=item.running,
                classes=sets[row],
                covered=None if sets[row] is None else self._level,
                embedding=kept[row].tobytes(),
                limits=self._limits(item),
            )
            for row, item in enumerate(features)
        ]

    def life_hours(self, curve: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the quantiles of remaining life (batch, 3), the outer two as calibrated."""
        life = hazard.remaining_life_hours(curve, self._edges)
        interval = self.manifest.calibration.life
        return life if interval is None else interval.stretched(life, float(self._edges[-1]))

    def members(
        self,
        probabilities: NDArray[np.float64],
        embeddings: NDArray[np.float32],
        present: NDArray[np.bool_],
        kinds: Sequence[str],
    ) -> NDArray[np.bool_] | None:
        """Return which classes can't be ruled out, (batch, faults), none where the window is like
        no known one; None where the bundle tells no sets."""
        calibration = self.manifest.calibration
        if calibration.sets is None:
            return None
        inside = calibration.sets.members(probabilities, kinds)
        if calibration.typical is not None:
            inside &= ~calibration.typical.strange(embeddings, present)[:, None]
        return inside

    def _sets(
        self,
        features: Sequence[Features],
        raw: Raw,
        present: NDArray[np.bool_],
        probabilities: NDArray[np.float64],
    ) -> list[tuple[str, ...] | None]:
        kinds = [kind_of(item) for item in features]
        inside = self.members(probabilities, raw.embeddings, present, kinds)
        if inside is None:
            return [None] * len(features)
        faults = self.manifest.spec.faults
        ranked = np.argsort(-probabilities, axis=1, kind="stable")
        return [
            tuple(faults[c] for c in ranked[row] if inside[row, c]) if present[row].any() else None
            for row in range(len(features))
        ]

    def products(self, raw: Raw) -> NDArray[np.float64]:
        """Return calibrated product probabilities (batch, products)."""
        manifest = self.manifest
        shift = np.exp([manifest.product_shift.get(name, 0.0) for name in manifest.spec.products])
        return posterior(raw.product.astype(np.float64), shift, manifest.product_temperature)

    def _products(self, raw: Raw, arrays: Arrays) -> list[dict[str, float]]:
        products = self.manifest.spec.products
        likely = self.products(raw)
        seen = (arrays["present"][:, 0] > 0) & self._heard[0]
        if self._product is not None:
            seen = seen & (arrays["image_regions_mask"][:, self._product] > 0)
        return [
            _in_view(_named(products, row)) if there else {}
            for row, there in zip(likely, seen, strict=True)
        ]

    def _terms(
        self, raw: Raw, arrays: Arrays, probabilities: NDArray[np.float64]
    ) -> list[dict[str, float]]:
        """Return what each modality adds where the fusion is a sum of theirs, else nothing."""
        if self.manifest.spec.fusion != "late":
            return [{}] * len(probabilities)
        weight = np.where(arrays["present"] > 0, arrays["quality"], 0.0).astype(np.float64)
        temperatures = self.temperatures(arrays["present"] > 0)
        leading = probabilities.argmax(axis=1)
        modalities = self.manifest.spec.modalities
        rows = zip(raw.modal, weight, temperatures, leading, strict=True)
        return [
            _named(modalities, additive_terms(modal.astype(np.float64), w, float(t), int(c)))
            for modal, w, t, c in rows
        ]

    def _profile_id(self, item: Features) -> str | None:
        profile = item.profile
        return profile.id if profile and profile.bundle == self.manifest.id else None

    def _limits(self, item: Features) -> Mapping[str, float]:
        profile = item.profile
        return {} if profile is None or not self._profile_id(item) else dict(profile.limits)

    def _novelty(
        self, item: Features, embeddings: NDArray[np.float32], present: NDArray[np.bool_]
    ) -> Mapping[str, float]:
        profile = item.profile
        if profile is None or profile.bundle != self.manifest.id:
            return {}  # a bank of other embeddings says nothing
        found = {
            modality: novelty(embeddings[m], profile.arrays, modality)
            for m, modality in enumerate(self.manifest.spec.modalities)
            if present[m]
        }
        return {modality: p for modality, p in found.items() if p is not None}


def kind_of(item: Features) -> str:
    """Return the type of a window's asset as its card says; empty where nobody knows."""
    kind = item.context.card.kind if item.context and item.context.card else ""
    return "" if kind == "unknown" else kind


def _in_view(likely: dict[str, float]) -> dict[str, float]:
    """Return how likely each class is of the product that lies there; nothing where none does."""
    empty = likely.pop(EMPTY, 0.0)
    if empty >= _NOTHING:
        return {}
    return {name: share / (1.0 - empty) for name, share in likely.items()}


def _named(names: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
