"""Classic systems by name: built as their papers say, trained, exported and served."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from mmindustry.cli.main import new_app
from mmindustry.errors import InputError
from mmindustry.features.spec import MODALITIES, Recipe
from mmindustry.fusion.export import export_onnx
from mmindustry.fusion.formulas import FORMULAS
from mmindustry.fusion.fusions import CLASSICS, FUSIONS, make_fusion
from mmindustry.fusion.fusions.classic import FeatureConcat
from mmindustry.fusion.fusions.shape import FusionShape
from mmindustry.fusion.network import Network
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.presets import PRESETS, with_preset
from mmindustry.fusion.runtime import Runtime
from mmindustry.fusion.spec import OUTPUTS, NetworkSpec
from mmindustry.fusion.torch_runtime import TorchRuntime
from mmindustry.training.policy import TrainingPolicy
from tests.unit.encoders.material import SIZES, SMALL, noise, settle

CLASSES = ("healthy", *(f"fault_{number}" for number in range(9)))
every_preset = pytest.mark.parametrize("name", list(PRESETS))
BIG = ("resnet50-bert-concat", "mfh")


def full_spec(name: str) -> NetworkSpec:
    """Return the preset as it is, with 10 fault and 4 product classes."""
    plain = NetworkSpec(
        recipe=Recipe(), faults=CLASSES, products=("good", "scratch", "dent", "stain")
    )
    return with_preset(plain, name)


def small(name: str) -> NetworkSpec:
    """Return the preset, its widths shrunken."""
    whole = full_spec(name)
    named = {part for encoder in whole.encoders.values() for part in encoder.split("+")}
    recipe = replace(
        SMALL, words=5 * bool(whole.recipe.words), pieces=6 * bool(whole.recipe.pieces)
    )
    sizes = {encoder: sizes for encoder, sizes in SIZES.items() if encoder in named}
    return replace(whole, recipe=recipe, width=8, text_width=6, sizes=sizes)


def made(spec: NetworkSpec) -> Network:
    torch.manual_seed(5)
    network = Network(spec, [0.1] * 10)
    settle(network)
    return network


def plain(arrays: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: values.numpy() for name, values in arrays.items()}


def assert_alike(one: Runtime, other: Runtime, spec: NetworkSpec) -> None:
    for batch in (1, 3):
        arrays = plain(noise(spec, batch, seed=batch))
        for name, left, right in zip(OUTPUTS, one.run(arrays), other.run(arrays), strict=True):
            np.testing.assert_allclose(left, right, atol=5e-5, rtol=1e-3, err_msg=name)


@every_preset
def test_a_preset_learns_with_every_part_of_it(name: str) -> None:
    network = made(small(name)).train()
    arrays = noise(network.spec, 8)
    truth = torch.arange(8)
    steps = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []

    for _ in range(12):
        answer = network(arrays)
        alone = sum(nn.functional.cross_entropy(answer.modal[:, at], truth) for at in network.heard)
        loss = nn.functional.cross_entropy(answer.evidence, truth)
        others = answer.hazard.square().mean() + answer.product.square().mean()
        steps.zero_grad()
        (loss + alone + 0.01 * others).backward()
        steps.step()
        losses.append(loss.item())

    without = [name for name, values in network.named_parameters() if values.grad is None]
    assert without == []
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.soak
@every_preset
def test_a_preset_serves_through_onnx_as_it_was_trained(name: str) -> None:
    network = made(small(name)).eval()

    assert_alike(OnnxRuntime(export_onnx(network)), TorchRuntime(network), network.spec)


@pytest.mark.soak
@pytest.mark.parametrize("name", BIG)
def test_the_big_presets_serve_at_their_full_size(name: str) -> None:
    network = made(full_spec(name)).eval()

    assert_alike(OnnxRuntime(export_onnx(network)), TorchRuntime(network), network.spec)


@every_preset
def test_a_preset_tells_its_parameters_and_licence(name: str) -> None:
    with torch.device("meta"):
        network = Network(full_spec(name), [0.1] * 10)

    assert PRESETS[name].parameters == sum(values.numel() for values in network.parameters())
    assert "Apache-2.0" in PRESETS[name].licence


@every_preset
def test_the_presence_of_a_modality_that_a_preset_leaves_out_is_ignored(name: str) -> None:
    network = made(small(name)).eval()
    arrays = noise(network.spec)
    gone = {**arrays, "present": arrays["present"].clone()}
    left_out = [at for at, m in enumerate(MODALITIES) if m not in PRESETS[name].reads]
    gone["present"][:, left_out] = 0.0

    for one, other in zip(network(arrays), network(gone), strict=True):
        assert torch.equal(one, other)


def test_resnet_and_bert_meet_as_2048_and_768_features_and_leave_as_ten_classes() -> None:
    with torch.device("meta"):
        network = Network(full_spec("resnet50-bert-concat"), [0.1] * 10)

    fusion = network.fusion
    assert isinstance(fusion, FeatureConcat)
    assert fusion.widths == (2048, 768)
    assert (fusion.hidden.in_features, fusion.hidden.out_features) == (2816, 1024)
    assert (fusion.out.in_features, fusion.out.out_features) == (1024, 10)


@every_preset
def test_the_training_of_a_preset_is_one_that_the_policy_knows(name: str) -> None:
    known = {field.name for field in fields(TrainingPolicy)}

    policy = TrainingPolicy(**PRESETS[name].training)  # type: ignore[arg-type]

    assert set(PRESETS[name].training) <= known
    assert policy.learning_rate == PRESETS[name].training["learning_rate"]


def test_an_unknown_preset_is_refused_with_those_known() -> None:
    with pytest.raises(InputError, match="no preset 'magic'; there are resnet50-bert-concat"):
        with_preset(full_spec("mfb"), "magic")


@pytest.mark.parametrize("name", [*FUSIONS, *CLASSICS])
def test_every_fusion_has_its_formula_and_parameters(name: str) -> None:
    shape = FusionShape(modalities=3, width=64, classes=10, dropout=0.2, context=22)

    with torch.device("meta"):
        fusion = make_fusion(name, shape)

    assert FORMULAS[name].parameters == sum(values.numel() for values in fusion.parameters())


def test_formulas_stand_in_the_order_of_the_registry() -> None:
    assert list(FORMULAS) == [*FUSIONS, *CLASSICS]


@pytest.mark.parametrize("noun", ["encoders", "fusions", "presets"])
def test_models_lists_one_line_each_or_one_object(noun: str) -> None:
    text = CliRunner().invoke(new_app(), ["models", noun])
    told = CliRunner().invoke(new_app(), ["models", noun, "--json"])

    rows = json.loads(told.stdout)[noun]
    assert len(text.stdout.splitlines()) == len(rows)
    for row in rows:
        assert {"name", "parameters", "licence", "reads", "reference", "says"} <= set(row)
        assert row["name"] in text.stdout


def test_models_are_listed_without_torch() -> None:
    import subprocess  # noqa: PLC0415 - a fresh interpreter
    import sys  # noqa: PLC0415

    statement = (
        "import sys; sys.modules['torch'] = None\n"
        "from mmindustry.cli.models import encoders, fusions, presets\n"
        "[show(as_json=True) for show in (encoders, fusions, presets)]"
    )

    told = subprocess.run(
        [sys.executable, "-c", statement], check=True, capture_output=True, text=True
    )

    assert [list(json.loads(line)) for line in told.stdout.splitlines()] == [
        ["encoders"],
        ["fusions"],
        ["presets"],
    ]


def classic(name: str, widths: tuple[int, ...]) -> nn.Module:
    shape = FusionShape(3, 8, 4, 0.0, 5, widths)
    torch.manual_seed(1)
    return make_fusion(name, shape).eval()


@pytest.mark.parametrize("name", list(CLASSICS))
@pytest.mark.parametrize("widths", [(), (5, 8, 3)])
def test_a_classic_fusion_answers_by_its_equation(name: str, widths: tuple[int, ...]) -> None:
    from tests.unit.fusions.test_battery import PATTERNS, heard, swapped  # noqa: PLC0415

    fusion, batch = classic(name, widths), heard()
    wide = tuple(torch.randn(8, width) for width in widths)
    batch = batch._replace(features=wide)
    weights = {key: values.detach() for key, values in fusion.named_parameters()}

    answer = fusion(batch)

    features = [
        f * batch.weight[:, m : m + 1] for m, f in enumerate(wide or batch.embeddings.unbind(1))
    ]
    there = (batch.weight.sum(1, keepdim=True) > 0).float()
    if name == "feature_concat":
        hidden = torch.cat(features, 1) @ weights["hidden.weight"].T + weights["hidden.bias"]
        trunk = hidden.clamp(min=0)
    else:
        trunk = torch.zeros(8, 8)
        for m, f in enumerate(features):
            one = f @ weights[f"projections.{m}.weight"].T + weights[f"projections.{m}.bias"]
            trunk = trunk + one.clamp(min=0) * (batch.weight[:, m : m + 1] > 0)
    expected = (trunk @ weights["out.weight"].T + weights["out.bias"]) * there
    torch.testing.assert_close(answer.evidence, expected)
    torch.testing.assert_close(fusion(swapped(batch)).evidence, answer.evidence)
    assert not answer.evidence[PATTERNS.index((0.0, 0.0, 0.0))].any()
