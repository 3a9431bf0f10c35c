"""What bundle.json says: recipe, labels, thresholds, calibration, figures, where it came from."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from mmindustry.errors import BundleError
from mmindustry.fusion.calibration import Calibration
from mmindustry.fusion.spec import HEALTHY, NetworkSpec

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything about a bundle but its weights; `id` and `files` are set when it is written."""

    name: str
    """Given by the maker: letters, digits, `.`, `_` and `-`."""
    spec: NetworkSpec
    """Recipe, labels and widths."""
    prior: Mapping[str, float]
    """Probability of each fault class before anything was seen; sums to 1."""
    thresholds: Mapping[str, Mapping[str, float]]
    """Fault -> `on` and `off`, probabilities chosen on held-out windows."""
    calibration: Calibration
    """Temperature of each presence pattern; class sets, life interval and what is unknown."""
    product_shift: Mapping[str, float] = field(default_factory=dict)
    """Product class -> nats added to its logit: where the bundle serves, defects are rarer than in
    the training set. Missing = 0."""
    product_temperature: float = 1.0
    """Temperature of the product logits, above 0."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Figures on assets that were not trained on."""
    data_hash: str = ""
    """SHA-256 over the training set."""
    parent: str | None = None
    """Id of the bundle this one was trained on from."""
    command: str = ""
    """The command that made it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of mmindustry, Python and the libraries at the making."""
    files: Mapping[str, str] = field(default_factory=dict)
    """File name -> SHA-256."""
    id: str = ""
    """`name-` and 12 hex digits of the content's hash."""

    def __post_init__(self) -> None:
        """Refuse a name that is no word, a prior or thresholds that fit no network."""
        check_name(self.name)
        if set(self.prior) != set(self.spec.faults):
            raise BundleError("prior: one probability for each fault class is needed")
        if min(self.prior.values()) <= 0 or abs(sum(self.prior.values()) - 1.0) > 1e-6:  # noqa: PLR2004 - rounding
            raise BundleError("prior: probabilities must be above 0 and sum to 1")
        if unknown := set(self.thresholds) - set(self.spec.faults) | {HEALTHY} & set(
            self.thresholds
        ):
            raise BundleError(f"thresholds: {sorted(unknown)} are no faults of this bundle")
        if unknown := set(self.product_shift) - set(self.spec.products):
            raise BundleError(f"product_shift: {sorted(unknown)} are no products of this bundle")
        if not 0 < self.product_temperature < inf:
            raise BundleError("product_temperature: must be a positive number")
        self._check_calibration()
        for fault, pair in self.thresholds.items():
            if not 0 < pair.get("off", -1.0) <= pair.get("on", -1.0) <= 1:
                raise BundleError(f"thresholds: {fault}: 0 < off <= on <= 1 must hold")

    def _check_calibration(self) -> None:
        faults = len(self.spec.faults)
        sets, typical = self.calibration.sets, self.calibration.typical
        if sets and any(len(row) != faults for row in sets.limits.values()):
            raise BundleError("calibration.sets: one limit for each fault class is needed")
        shape = (len(self.spec.modalities), faults, self.spec.width)
        if typical and typical.centres.shape != shape:
            raise BundleError(
                f"calibration.typical: centres are {typical.centres.shape}, expected {shape}"
            )

    def sealed(self, contents: Mapping[str, bytes]) -> "Manifest":
        """Return the manifest with the files' hashes and the id that follows from all."""
        files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        named = replace(self, files=files)
        return replace(named, id=named.content_id())

    def content_id(self) -> str:
        """Return the id this content has, whatever `id` says."""
        return id_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "format": FORMAT,
            "id": self.id,
            "name": self.name,
            "network": self.spec.to_json(),
            "prior": dict(self.prior),
            "thresholds": {fault: dict(pair) for fault, pair in self.thresholds.items()},
            "calibration": self.calibration.to_json(),
            "product_shift": dict(self.product_shift),
            "product_temperature": self.product_temperature,
            "metrics": dict(self.metrics),
            "data_hash": self.data_hash,
            "parent": self.parent,
            "command": self.command,
            "versions": dict(self.versions),
            "files": dict(self.files),
        }

    def to_bytes(self) -> bytes:
        """Return what stands in bundle.json."""
        text = json.dumps(self.to_json(), indent=1, sort_keys=True, ensure_ascii=False)
        return f"{text}\n".encode()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Manifest":
        """Return what `to_json` wrote.

        Raises:
            BundleError: The format is another, or a key is missing or of another type.
        """
        if document.get("format") != FORMAT:
            raise BundleError(
                f"bundle.json: format {document.get('format')!r}, this mmindustry reads {FORMAT}"
            )
        try:
            values = {key: document[key] for key in _KEYS}
            spec = NetworkSpec.from_json(document["network"])
            calibration = Calibration.from_json(document["calibration"])
            return cls(spec=spec, calibration=calibration, **values)
        except KeyError as error:
            raise BundleError(f"bundle.json: key {error} is missing") from error
        except (TypeError, AttributeError, ValueError) as error:
            raise BundleError(f"bundle.json: {error}") from error


def check_name(name: str) -> None:
    """Refuse what can't be a bundle's name: it begins ids, which stand in rows, logs and paths.

    Raises:
        BundleError: It is empty or holds other characters.
    """
    if not _NAME.fullmatch(name):
        raise BundleError(
            f"name {name!r}: give letters, digits, '.', '_' and '-', a letter or a digit first"
        )


def id_of(document: Mapping[str, Any]) -> str:
    """Return the id that follows from what stands in bundle.json, `id` left out.

    It is taken from the document as it stands, so that a bundle keeps its id when a later
    mmindustry knows more keys.
    """
    rest = {key: value for key, value in document.items() if key != "id"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{document.get('name')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


_KEYS = (
    "name",
    "prior",
    "thresholds",
    "product_shift",
    "product_temperature",
    "metrics",
    "data_hash",
    "parent",
    "command",
    "versions",
    "files",
    "id",
)
