"""Classic multimodal systems by name: their encoders, fusion, widths and training; no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from mmindustry.errors import InputError
from mmindustry.fusion.catalogue import NONE, entries_of, recipe_for
from mmindustry.fusion.spec import NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A system of the field, as our parts make it."""

    says: str
    """What it is, in one line."""
    reference: str
    """Where it comes from."""
    encoders: Mapping[str, str]
    """Modality -> encoder; `none` where the system has no such input."""
    fusion: str
    """Name of the fusion module."""
    parameters: int
    """Trainable numbers of the whole network with 10 fault and 4 product classes."""
    width: int = 64
    """Width of the embeddings, and of the fusion's hidden layer."""
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Sizes of encoders that differ from the catalogue's."""
    recipe: Mapping[str, int] = field(default_factory=dict)
    """Fields of the recipe that differ from the default."""
    training: Mapping[str, float] = field(default_factory=dict)
    """Fields of the training policy that differ from the default."""

    @property
    def licence(self) -> str:
        """The licences of its encoders."""
        return "; ".join(sorted({entry.licence for *_, entry in entries_of(self.encoders)}))

    @property
    def reads(self) -> tuple[str, ...]:
        """The modalities it reads."""
        return tuple(name for name in ("image", "audio", "text") if self.encoders[name] != NONE)


_MFB_TRAINING = MappingProxyType({"learning_rate": 7e-4, "clip": 1.0})

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "resnet50-bert-concat": Preset(
            says="ResNet-50 (2048) and BERT (768) side by side: 2816 -> 1024 -> classes",
            reference="He et al., CVPR 2016; Devlin et al., NAACL 2019",
            encoders={"image": "resnet50", "audio": NONE, "text": "bert"},
            fusion="feature_concat",
            parameters=150_876_636,
            width=1024,
            recipe={"frame_size": 224, "frames": 1, "entries": 4, "pieces": 32},
            training={"learning_rate": 1e-4, "weight_decay": 1e-2, "batch": 16},
        ),
        "mmnn-sum": Preset(
            says="text, image and audio each projected, ReLU, summed, classified",
            reference="Ngiam et al., Multimodal deep learning, ICML 2011",
            encoders={"image": "tiny", "audio": "tiny", "text": "ngrams"},
            fusion="relu_sum",
            parameters=988_747,
            width=128,
            training={"learning_rate": 1e-3},
        ),
        "cnn-lstm-selfattention": Preset(
            says="CNN on images, LSTM on words, LSTM on MFCC; self-attention over the three",
            reference="Vaswani et al., NeurIPS 2017; Hochreiter & Schmidhuber, 1997",
            encoders={"image": "tiny", "audio": "mfcc_lstm", "text": "words_lstm"},
            fusion="self_attention",
            parameters=1_350_579,
            training={"learning_rate": 2e-3},
        ),
        "mfb": Preset(
            says="ResNet-18, audio CNN and word LSTM, pairs fused by factorised bilinear pooling",
            reference="Yu et al., MFB, ICCV 2017",
            encoders={"image": "resnet18", "audio": "tiny", "text": "words_lstm"},
            fusion="mfb",
            parameters=12_423_351,
            training=_MFB_TRAINING,
        ),
        "mfh": Preset(
            says="ResNet-18, audio CNN and word LSTM, pairs fused by two cascaded MFB blocks",
            reference="Yu et al., MFH, TNNLS 2018",
            encoders={"image": "resnet18", "audio": "tiny", "text": "words_lstm"},
            fusion="mfh",
            parameters=12_479_415,
            training=_MFB_TRAINING,
        ),
    }
)
"""Name -> preset."""


def preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        InputError: There is none.
    """
    if name not in PRESETS:
        raise InputError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def with_preset(spec: NetworkSpec, name: str) -> NetworkSpec:
    """Return the spec made over as the preset says; classes and gauges stay.

    Raises:
        InputError: There is no such preset.
    """
    found = preset(name)
    changed = replace(spec.recipe, **found.recipe)  # type: ignore[arg-type]  # counts, every one
    return replace(
        spec,
        recipe=recipe_for(found.encoders, changed),
        encoders=dict(found.encoders),
        fusion=found.fusion,
        width=found.width,
        sizes={name: dict(sizes) for name, sizes in found.sizes.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What a network is made of where it isn't the default."""

    preset: str = ""
    """Name of a preset; empty = none."""
    encoders: Mapping[str, str] = field(default_factory=dict)
    """Modality -> encoder, over the preset's."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """`modality.encoder` -> source of its pretrained weights."""
    frozen: tuple[str, ...] = ()
    """`modality.encoder` that training leaves as it was filled."""

    def apply(self, plain: NetworkSpec) -> NetworkSpec:
        """Return the spec made over.

        Raises:
            InputError: A name is unknown, weights are for an encoder that is not there, or one is
                to be left as it was drawn by chance.
        """
        spec = with_preset(plain, self.preset) if self.preset else plain
        encoders = {**spec.encoders, **self.encoders}
        try:
            made = replace(
                spec,
                encoders=encoders,
                recipe=recipe_for(encoders, spec.recipe),
                weights=dict(self.weights),
                frozen=self.frozen,
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        if drawn := sorted(set(self.frozen) - set(self.weights)):
            raise InputError(
                f"{', '.join(drawn)}: frozen, but filled from no weights, so drawn by chance for "
                "good; give --weights, or let it learn"
            )
        return made
