"""Windows of noise in the shapes that an encoder reads, and encoders of small sizes."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from mmindustry.features.spec import MODALITIES, Recipe
from mmindustry.features.wordpiece import plain_vocabulary
from mmindustry.fusion.catalogue import ENCODERS, parts_of, recipe_needs
from mmindustry.fusion.spec import NetworkSpec

SMALL = Recipe(
    segments=3,
    frames=3,
    frame_size=32,
    regions=("gauge", "product"),
    region_size=32,
    entries=3,
    tokens=12,
    word_ids=32,
    ngram_ids=32,
    word_rows=40,
)
ROWS = len(plain_vocabulary())
_BERT = {"hidden": 8, "layers": 2, "heads": 2, "inner": 16, "rows": ROWS, "positions": 10}
SIZES: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "resnet18": {"channels": 4},
        "resnet34": {"channels": 4},
        "resnet50": {"channels": 4},
        "mfcc_lstm": {"hidden": 4},
        "mfcc_gru": {"hidden": 4},
        "deep_cnn": {"channels": 2},
        "words_lstm": {"vector": 6, "hidden": 4},
        "words_gru": {"vector": 6, "hidden": 4},
        "transformer": {"hidden": 8, "layers": 2, "heads": 2},
        "bert": _BERT,
        "minilm": _BERT,
    }
)
EVERY = [(modality, name) for modality in MODALITIES for name in ENCODERS[modality]]
JOINED = [("audio", "tiny+mfcc_lstm"), ("audio", "envelope+orders"), ("text", "minilm+ngrams")]


def small_recipe(encoders: Mapping[str, str], recipe: Recipe = SMALL) -> Recipe:
    """Return the small recipe with what these encoders need."""
    needs = recipe_needs(encoders)
    return replace(recipe, words=5 * ("words" in needs), pieces=6 * ("pieces" in needs))


def small_spec(encoders: Mapping[str, str], *, fusion: str = "late", width: int = 8) -> NetworkSpec:
    """Return the spec of a small network of these encoders."""
    named = {part for whole in encoders.values() for part in parts_of(whole)}
    return NetworkSpec(
        recipe=small_recipe(encoders),
        faults=("healthy", "bearing_outer", "belt_slip"),
        products=("good", "scratch"),
        gauges={"bar": 3.0},
        fusion=fusion,
        width=width,
        text_width=6,
        encoders=encoders,
        sizes={name: sizes for name, sizes in SIZES.items() if name in named},
    )


def noise(spec: NetworkSpec, batch: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """Return arrays of noise; the first item of each modality is masked in every other window."""
    made = torch.Generator().manual_seed(seed)
    arrays = {}
    for name, (shape, dtype) in spec.recipe.shapes().items():
        if dtype == "int32":
            top = {"text_ids": spec.recipe.vocabulary, "text_words": spec.recipe.word_rows}
            values = torch.randint(1, top.get(name, 30), (batch, *shape), generator=made)
            values[..., -2:] = 0  # padding at the end of every entry
            arrays[name] = values.int()
        else:
            arrays[name] = torch.rand((batch, *shape), generator=made)
    for name in ("image_mask", "audio_mask", "text_mask", "image_regions_mask"):
        arrays[name] = torch.ones_like(arrays[name])
        arrays[name][::2, 0] = 0.0
    arrays["present"] = torch.ones_like(arrays["present"])
    arrays["quality"] = 0.5 + 0.5 * arrays["quality"]
    for name in ("image_offset", "audio_offset"):
        arrays[name] = -arrays[name]
    return arrays


def settle(module: nn.Module) -> None:
    """Give batch norms statistics as after training, and leave dropout out."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(part.get_buffer("running_mean"), -0.2, 0.2)
            nn.init.uniform_(part.get_buffer("running_var"), 0.5, 1.5)
        if isinstance(part, nn.Dropout):
            part.p = 0.0
