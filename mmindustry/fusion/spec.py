"""What a network is built from: the shapes it reads, the classes it knows, its widths."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from mmindustry.errors import BundleError
from mmindustry.features.spec import MODALITIES, Recipe

INPUTS = (
    "audio_logmel",
    "audio_orders",
    "audio_orders_known",
    "audio_envelope",
    "audio_level",
    "audio_mask",
    "audio_offset",
    "image_frames",
    "image_delta",
    "image_regions",
    "image_regions_mask",
    "image_mask",
    "image_offset",
    "text_ids",
    "text_mask",
    "text_age",
    "text_meta",
    "card",
    "operating",
    "present",
    "quality",
)
"""The arrays that every network reads, in the order of its arguments."""

STEERING_INPUTS = ("audio_speeds", "image_dial", "image_dial_known")
"""What a network reads besides where it is steered by the speed that the tachometer shows."""

OUTPUTS = ("evidence", "modal", "hazard", "product", "embeddings")
"""What the network answers, in order; `Answer` tells the shapes."""

HEALTHY = "healthy"
"""The class that is no fault."""

GOOD = "good"
"""The product class that is no defect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """Everything a network's shape follows from, saved in the bundle."""

    recipe: Recipe
    """How windows become the arrays the network reads."""
    faults: tuple[str, ...]
    """Fault classes in the order of the logits; `healthy` is one of them."""
    products: tuple[str, ...]
    """Product classes in the order of the logits; `good` is one of them."""
    gauges: Mapping[str, float] = field(default_factory=dict)
    """Gauges the network learns to read in training, name -> full scale. What a needle shows is
    a lesson that helps it see; nothing is told of it in serving."""
    fusion: str = "late"
    """Name of the fusion module in the registry."""
    steering: bool = False
    """Whether sound is read by the speed seen on the tachometer where nobody tells it; the
    recipe's `speeds` must be above 0."""
    width: int = 64
    """Width of every modality's embedding (D)."""
    text_width: int = 16
    """Width of a token's embedding."""
    dropout: float = 0.2
    """Dropout in the heads while training, 0..1."""
    hazard_bins: int = 24
    """Time bins of the hazard (K)."""
    hazard_first_hours: float = 0.25
    """End of the first time bin in hours."""
    hazard_last_hours: float = 2160.0
    """End of the last time bin in hours (90 days): what lies beyond is not told apart."""

    def __post_init__(self) -> None:
        """Refuse a network that could answer nothing."""
        if HEALTHY not in self.faults or len(set(self.faults)) != len(self.faults):
            raise ValueError(f"faults must be different names, {HEALTHY!r} among them")
        if GOOD not in self.products or len(set(self.products)) != len(self.products):
            raise ValueError(f"products must be different names, {GOOD!r} among them")
        if min(self.width, self.text_width, self.hazard_bins - 1) < 1:
            raise ValueError("width and text_width must be at least 1, hazard_bins at least 2")
        if self.steering and not self.recipe.speeds:
            raise ValueError("steering needs a recipe with speeds above 0")
        if any(scale <= 0 for scale in self.gauges.values()):
            raise ValueError("gauges: every full scale must be above 0")
        if not 0 < self.hazard_first_hours < self.hazard_last_hours:
            raise ValueError("0 < hazard_first_hours < hazard_last_hours must hold")

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities in their order: image, audio, text."""
        return MODALITIES

    @property
    def inputs(self) -> tuple[str, ...]:
        """The arrays this network reads, in the order of its arguments."""
        return (*INPUTS, *STEERING_INPUTS) if self.steering else INPUTS

    def to_json(self) -> dict[str, object]:
        """Return the spec as plain JSON."""
        document: dict[str, object] = {
            field.name: _plain(getattr(self, field.name))
            for field in fields(self)
            if field.name != "recipe"
        }
        return {**document, "recipe": self.recipe.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "NetworkSpec":
        """Return the spec that `to_json` wrote.

        Raises:
            BundleError: A key is missing or unknown, or a value is out of range.
        """
        if unknown := sorted(set(document) - {field.name for field in fields(cls)}):
            raise BundleError(f"network: unknown keys {unknown}; made by a newer mmindustry?")
        recipe = document.get("recipe")
        if not isinstance(recipe, Mapping):
            raise BundleError("network: the recipe is missing")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
        values["recipe"] = Recipe.from_json(recipe)
        try:
            return cls(**values)  # type: ignore[arg-type]  # checked by __post_init__
        except (TypeError, ValueError) as error:
            raise BundleError(f"network: {error}") from error


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
