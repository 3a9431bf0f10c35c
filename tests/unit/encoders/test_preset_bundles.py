"""Presets as bundles: written, read, and asked about windows as a plant sends them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmindustry.domain import Features, Prediction
from mmindustry.errors import InputError
from mmindustry.features.spectra import Basis
from mmindustry.features.wordpiece import plain_vocabulary
from mmindustry.fusion.bundle import ARRAYS, CARD, MODEL, WEIGHTS, read_bundle, write_bundle
from mmindustry.fusion.calibration import PATTERNS, Calibration
from mmindustry.fusion.catalogue import NONE
from mmindustry.fusion.encoders.adopt import vocabulary_of
from mmindustry.fusion.export import export_onnx
from mmindustry.fusion.manifest import Manifest
from mmindustry.fusion.network import Network
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.predictor import open_predictor
from mmindustry.fusion.presets import PRESETS, Design
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.weights import arrays_of, pack
from mmindustry.training.card import bundle_card
from mmindustry.training.examples import Order, simulated_examples
from tests.unit.encoders.material import settle, small_spec
from tests.unit.encoders.test_presets import small

PIECED = "resnet50-bert-concat"
PRIOR = 0.1


def written(folder: Path, spec: NetworkSpec) -> Path:
    """Write a bundle of an untrained network and return its folder."""
    torch.manual_seed(5)
    network = Network(spec, [PRIOR] * len(spec.faults)).eval()
    settle(network)
    manifest = Manifest(
        name="preset",
        spec=spec,
        prior=dict.fromkeys(spec.faults, PRIOR),
        thresholds={},
        calibration=Calibration(dict.fromkeys(PATTERNS, 1.0)),
    )
    contents = {
        WEIGHTS: pack(arrays_of(network)),
        ARRAYS: pack(Basis.make(spec.recipe, vocabulary_of(spec)).to_arrays()),
        MODEL: export_onnx(network),
        CARD: b"# preset\n",
    }
    write_bundle(folder, manifest, contents)
    return folder


def windows(spec: NetworkSpec, vocabulary: tuple[str, ...]) -> list[Features]:
    """Return simulated windows, made by the recipe."""
    order = Order(seed=11, visits=3, length_seconds=spec.recipe.window_lengths[0])
    return [features for features, _ in simulated_examples(order, spec.recipe, vocabulary)]


@pytest.mark.parametrize(
    "name",
    [name if name == PIECED else pytest.param(name, marks=pytest.mark.soak) for name in PRESETS],
)
def test_a_bundle_of_a_preset_predicts_through_onnx_as_through_torch(
    name: str, tmp_path: Path
) -> None:
    folder = written(tmp_path / "bundle", small(name))
    bundle = read_bundle(folder)
    spec = bundle.manifest.spec
    asked = windows(spec, bundle.vocabulary)

    served, reference = (
        open_predictor(folder, FusionPolicy(device="cpu", runtime=runtime)).predict(asked)
        for runtime in ("onnx", "torch")
    )

    assert spec == small(name)
    assert bool(bundle.vocabulary) == (name == PIECED)
    assert len(served) == len(asked) > 0
    for one, other in zip(served, reference, strict=True):
        assert isinstance(one, Prediction)
        assert isinstance(other, Prediction)
        assert sum(one.faults.values()) == pytest.approx(1.0, abs=1e-5)
        assert one.faults == pytest.approx(other.faults, abs=1e-3)
        assert one.bundle == bundle.id


def test_the_vocabulary_travels_in_the_bundle_and_cuts_text_as_in_training() -> None:
    spec = small(PIECED)
    basis = Basis.make(spec.recipe, vocabulary_of(spec))

    again = Basis.from_arrays(spec.recipe, basis.to_arrays())

    assert again.pieces is not None
    assert tuple(again.pieces.ids) == plain_vocabulary()
    for one, other in zip(
        windows(spec, tuple(again.pieces.ids)), windows(spec, plain_vocabulary()), strict=True
    ):
        np.testing.assert_array_equal(one.arrays["text_pieces"], other.arrays["text_pieces"])


def test_a_design_is_laid_over_its_preset() -> None:
    plain = replace(small_spec({}), width=64)

    spec = Design(
        preset="mmnn-sum",
        encoders={"text": "minilm+ngrams"},
        weights={"text.minilm": "wheel"},
        frozen=("text.minilm",),
    ).apply(plain)

    assert spec.fusion == "relu_sum"
    assert spec.width == PRESETS["mmnn-sum"].width
    assert (spec.encoder("image"), spec.encoder("text")) == ("tiny", "minilm+ngrams")
    assert spec.recipe.pieces > 0
    assert (spec.weights, spec.frozen) == ({"text.minilm": "wheel"}, ("text.minilm",))
    assert Design().apply(plain) == plain


@pytest.mark.parametrize(
    ("design", "said"),
    [
        (Design(preset="magic"), "no preset 'magic'"),
        (Design(encoders={"text": "magic"}), "text: no 'magic'; there are"),
        (Design(encoders={"smell": "tiny"}), r"no modality \['smell'\]"),
        (Design(weights={"text.minilm": "wheel"}), r"\['text.minilm'\] are no encoders"),
        (Design(frozen=("image.tiny",)), "image.tiny: frozen, but filled from no weights"),
        (Design(frozen=("image.resnet18",)), r"\['image.resnet18'\] are no encoders"),
    ],
)
def test_a_design_that_no_network_can_have_is_refused(design: Design, said: str) -> None:
    with pytest.raises(InputError, match=said):
        design.apply(small_spec({}))


def test_the_card_tells_encoders_and_where_their_weights_are_from() -> None:
    spec = replace(small_spec({"text": "minilm+ngrams"}), weights={"text.minilm": "wheel:a#ff"})
    deaf = replace(spec, encoders={**spec.encoders, "audio": NONE}, weights={})

    def card(spec: NetworkSpec) -> str:
        return bundle_card(
            Manifest(
                name="preset",
                spec=spec,
                prior=dict.fromkeys(spec.faults, 1 / len(spec.faults)),
                thresholds={},
                calibration=Calibration(dict.fromkeys(PATTERNS, 1.0)),
                metrics={name: {} for name in ("macro_f1", "product", "life", "alarms")}
                | {"f1": {"healthy": 0.9, "belt_slip": float("nan")}}
                | {"ece": dict.fromkeys(PATTERNS, 0.1), "ece_as_is": 0.1},
            )
        )

    told = card(spec)
    assert "by camera, machine sound and log text, in any combination." in told
    assert "by camera and log text, in any combination." in card(deaf)
    assert "- encoders: image tiny, audio tiny, text minilm+ngrams" in told
    assert "- weights of text.minilm: wheel:a#ff; licence: Apache-2.0" in told
    assert "| healthy | 0.900 |" in told
    assert "| belt_slip | - |" in told  # no window of it was there to measure on
