"""What a network is built from: the shapes it reads, the classes it knows, its widths."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from mmindustry.errors import BundleError
from mmindustry.features.spec import MODALITIES, Recipe
from mmindustry.fusion.catalogue import (
    DEFAULTS,
    Entry,
    arrays_read,
    entries_of,
    parts_of,
    recipe_needs,
)

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
"""The arrays that a network of the default encoders reads, in the order of its arguments."""

STEERING_INPUTS = ("audio_speeds", "image_dial", "image_dial_known")
"""What a network reads besides where it is steered by the speed that the tachometer shows."""

ARRAYS = (
    *INPUTS[: INPUTS.index("text_ids") + 1],
    "text_words",
    "text_pieces",
    *INPUTS[INPUTS.index("text_ids") + 1 :],
    *STEERING_INPUTS,
)
"""All arrays that some network reads, in the order of its arguments."""

_ADDITIVE = "late"
"""The fusion whose answer is the sum of what the modalities say."""

_CONTEXT = ("card", "operating", "present", "quality")

OUTPUTS = ("evidence", "modal", "hazard", "product", "embeddings")
"""What the network answers, in order; `Answer` tells the shapes."""

HEALTHY = "healthy"
"""The class that is no fault."""

GOOD = "good"
"""The product class that is no defect."""

EMPTY = "empty"
"""The product class that is no product: nothing lies where one is looked for."""


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
    pooled: bool = False
    """Whether what each modality says counts by a weight that was fitted for each presence
    pattern, before fusion `late` sums it."""
    members: int = 1
    """Networks whose answers are averaged, at least 1."""
    stacked: bool = False
    """Whether a learned layer over all evidence stands behind the average."""
    width: int = 64
    """Width of every modality's embedding (D)."""
    text_width: int = 16
    """Width of a token's embedding."""
    dropout: float = 0.2
    """Dropout in the heads while training, 0..1."""
    encoders: Mapping[str, str] = field(default_factory=dict)
    """Modality -> name of its encoder, or several joined by `+`, or `none` to leave it out; one
    not named has its default."""
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Encoder -> its sizes that differ from the catalogue's."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """`modality.encoder` -> the source it was filled from before training, `#` and the sha256 of
    the file behind it."""
    frozen: tuple[str, ...] = ()
    """`modality.encoder` whose pretrained net training leaves as it was filled."""
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
        if min(self.width, self.text_width, self.hazard_bins - 1, self.members) < 1:
            raise ValueError(
                "width, text_width and members must be at least 1, hazard_bins at least 2"
            )
        if self.steering and not self.recipe.speeds:
            raise ValueError("steering needs a recipe with speeds above 0")
        if self.pooled and self.fusion != _ADDITIVE:
            raise ValueError(f"pooled needs fusion {_ADDITIVE}; {self.fusion} sums no evidence")
        if any(scale <= 0 for scale in self.gauges.values()):
            raise ValueError("gauges: every full scale must be above 0")
        if not 0 < self.hazard_first_hours < self.hazard_last_hours:
            raise ValueError("0 < hazard_first_hours < hazard_last_hours must hold")
        self._check_encoders()

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities in their order: image, audio, text."""
        return MODALITIES

    @property
    def heard(self) -> tuple[bool, ...]:
        """Which modalities have an encoder; the presence of the others is ignored."""
        return tuple(bool(parts_of(self.encoder(modality))) for modality in MODALITIES)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The arrays that the network reads, in the order of its arguments."""
        read = {*arrays_read(self.encoders), *_CONTEXT}
        read |= set(STEERING_INPUTS) if self.steering else set()
        return tuple(name for name in ARRAYS if name in read)

    @property
    def arrays(self) -> tuple[str, ...]:
        """The arrays a data set holds: all that the recipe makes and some network of it reads."""
        made = set(self.recipe.shapes())
        made -= set() if self.steering else set(STEERING_INPUTS)
        return tuple(name for name in ARRAYS if name in made)

    def encoder(self, modality: str) -> str:
        """Return the name of a modality's encoder."""
        return self.encoders.get(modality, DEFAULTS[modality])

    def size(self, encoder: str, entry: Entry) -> dict[str, int]:
        """Return all sizes of an encoder."""
        return {**entry.sizes, **self.sizes.get(encoder, {})}

    def _check_encoders(self) -> None:
        found = list(entries_of(self.encoders))
        if not found:
            raise ValueError("encoders: at least one modality must have one")
        if self.steering and not self.heard[1]:
            raise ValueError("steering needs an audio encoder")
        named = {f"{modality}.{name}" for modality, name, _ in found}
        if unknown := sorted({*self.weights, *self.frozen} - named):
            raise ValueError(f"weights, frozen: {unknown} are no encoders of this network")
        self._check_sizes()
        if missing := sorted(arrays_read(self.encoders) - set(self.recipe.shapes())):
            needs = recipe_needs(self.encoders)
            raise ValueError(f"recipe: makes no {missing}; the encoders need {needs}")

    def _check_sizes(self) -> None:
        known: dict[str, set[str]] = {}  # image and audio may have one of the same name
        for _, name, entry in entries_of(self.encoders):
            known[name] = known.get(name, set()) | set(entry.sizes)
        for name, sizes in self.sizes.items():
            if unknown := sorted(set(sizes) - known.get(name, set())):
                raise ValueError(f"sizes: {name} has no {unknown} here")
            if min(sizes.values(), default=1) < 1:
                raise ValueError(f"sizes: {name}: every size must be at least 1")

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
        return {key: _plain(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value
