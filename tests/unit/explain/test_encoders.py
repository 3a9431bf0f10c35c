"""The worker explains windows whatever its network reads them with."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from mmindustry.domain import Features, LogEntry
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import MODALITIES, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.features.text import TEXT_IDS
from mmindustry.features.wordpiece import plain_vocabulary
from mmindustry.fusion.bundle import builtin_bundle, read_bundle
from mmindustry.fusion.catalogue import ENCODERS, NONE, parts_of
from mmindustry.fusion.explainer import Explanation, Target, entries_by_slot
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.manifest import Manifest
from mmindustry.fusion.network import Network
from mmindustry.fusion.occlusion import hidden_orders, hidden_regions, hidden_words
from mmindustry.fusion.torch_runtime import TorchRuntime
from mmindustry.simulate.windows import LabelledWindow, labelled_windows
from tests.unit.encoders.material import EVERY, JOINED, SIZES, SMALL, settle, small_recipe

FAULT = Target("fault", "bearing_outer", 1)


@cache
def windows() -> tuple[LabelledWindow, ...]:
    return tuple(labelled_windows(12, 5, length_seconds=4.0, assets=1))


def whole(recipe: Recipe, basis: Basis, bundle: str) -> Features:
    """Return the first window in which there is all to see, hear and read."""
    for one in windows():
        context = replace(one.context, bundle=bundle)
        item, _ = build_features(one.window, context, recipe, basis=basis, guard=Guard())
        assert isinstance(item, Features)
        if all(item.present.values()) and one.context.card and one.context.entries:
            return item
    raise AssertionError("no window has it all")


def explanation(encoders: dict[str, str], *, steered: bool = False) -> Explanation:
    """Return what explains the window by a small network of these encoders, drawn by a seed."""
    bundle = read_bundle(builtin_bundle())
    manifest: Manifest = bundle.manifest
    recipe = replace(small_recipe(encoders), frame_size=64, speeds=24 if steered else 0)
    spec = replace(
        manifest.spec,
        recipe=recipe,
        encoders={**dict.fromkeys(MODALITIES, NONE), **encoders},
        steering=steered,
        width=8,
        text_width=4,
        sizes={p: SIZES[p] for e in encoders.values() for p in parts_of(e) if p in SIZES},
    )
    untold = replace(manifest.calibration, typical=None)
    judge = Judge(replace(manifest, spec=spec, calibration=untold))
    basis = Basis.make(recipe, plain_vocabulary())
    torch.manual_seed(3)
    network = Network(spec, [1.0 / len(spec.faults)] * len(spec.faults))
    settle(network)
    run = TorchRuntime(network.eval()).run
    return Explanation(judge, run, whole(recipe, basis, bundle.id), FAULT, None, basis.pieces)


@pytest.mark.parametrize(("modality", "name"), [*EVERY, *JOINED])
def test_every_encoder_is_explained_by_what_it_reads(modality: str, name: str) -> None:
    born = explanation({modality: name})
    reads = {a for part in parts_of(name) for a in ENCODERS[modality][part].reads}

    told = born.document()

    parts = {"frame", "regions", "sound", "orders", "entries"} & set(told)
    heard = {"sound": "audio_logmel", "orders": "audio_orders"}
    assert (
        parts
        == {
            "image": {"frame", "regions"},
            "audio": {part for part, array in heard.items() if array in reads},
            "text": {"entries"},
        }[modality]
    )
    if modality == "text":
        slot, entry = next(iter(entries_by_slot(born.item, SMALL.entries).items()))
        assert isinstance(entry.content, LogEntry)
        words = hidden_words(
            entry.content.text,
            slot,
            born.arrays,
            recipe=born.judge.manifest.spec.recipe,
            cut=born.pieces,
        )
        said = born.values([(), *(variant for *_, variant in words)])
        assert len(words) > 1
        assert (said[1:] != said[0]).any()
        assert set(TEXT_IDS) & set(born.arrays) == set(TEXT_IDS) & reads


def test_a_modality_that_the_network_leaves_out_is_not_explained() -> None:
    told = explanation({"text": "ngrams"}).document()

    assert {"frame", "sound", "orders"}.isdisjoint(told)
    assert "entries" in told


@pytest.mark.parametrize("audio", ["orders", "deep_cnn"])
def test_a_steered_ear_is_explained_by_the_dial_and_by_orders_at_every_speed(audio: str) -> None:
    encoders = {"image": "tiny", "audio": audio}
    plain, steered = explanation(encoders), explanation(encoders, steered=True)
    untold = np.zeros_like(steered.arrays["operating"])  # else the drive's word settles the speed
    steered.arrays = {**steered.arrays, "operating": untold}

    regions = hidden_regions(steered.arrays, steered.judge.manifest.spec.recipe)
    assert set(regions) - set(hidden_regions(plain.arrays, plain.judge.manifest.spec.recipe)) == {
        "tacho"
    }
    families = hidden_orders(steered.arrays)
    assert {edit.array for edit in families["shaft"]} >= {"audio_speeds"}
    values = steered.values([(), regions["tacho"], families["shaft"]])
    assert values[1] != values[0]
    assert values[2] != values[0]
    told = steered.document()
    assert "tacho" in told["regions"]  # type: ignore[operator]
    assert told["orders"]
