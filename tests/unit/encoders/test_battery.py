"""What every encoder in the catalogue must do; a new entry is tried by all of it at once."""

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.errors import BundleError
from mmindustry.features.spec import MODALITIES, Recipe
from mmindustry.fusion.catalogue import DEFAULTS, ENCODERS, NONE, parts_of, recipe_for
from mmindustry.fusion.encoders import make_encoder
from mmindustry.fusion.encoders.image import REGION_WIDTH
from mmindustry.fusion.encoders.shape import Encoder
from mmindustry.fusion.export import OPSET, quiet_exporter
from mmindustry.fusion.items import Encoded
from mmindustry.fusion.network import Network
from mmindustry.fusion.spec import NetworkSpec
from tests.unit.encoders.material import EVERY, JOINED, noise, settle, small_spec

every_encoder = pytest.mark.parametrize(("modality", "name"), [*EVERY, *JOINED])
CHEAP = {("audio", "mfcc_lstm"), ("text", "transformer")}
ITEMS = {"image": "image_mask", "audio": "audio_mask", "text": "text_mask"}


def made(modality: str, name: str) -> tuple[NetworkSpec, Encoder]:
    """Return a small spec, and the encoder with weights that follow from the seed."""
    spec = small_spec({modality: name})
    torch.manual_seed(3)
    encoder = make_encoder(modality, name, spec)
    settle(encoder)
    return spec, encoder.eval()


def parts(encoded: Encoded) -> list[Tensor]:
    """Return all tensors of an answer that must not depend on what is masked."""
    kept = encoded.items.where(torch.ones(len(encoded.embedding), 1))
    found = [encoded.embedding, *kept, encoded.regions, encoded.features]
    return [one for one in found if one is not None]


def spoil(spec: NetworkSpec, arrays: dict[str, Tensor], modality: str) -> dict[str, Tensor]:
    """Return the arrays with other content in every masked item of the modality."""
    spoilt = dict(arrays)
    masks = {"image_regions": "image_regions_mask"}
    for name, (shape, _) in spec.recipe.shapes().items():
        mask = arrays[masks.get(name, ITEMS[modality])] if name.startswith(modality) else None
        if mask is None or name.endswith(("_mask", "_known")) or len(shape) < 1:
            continue
        gone = (mask == 0).reshape(*mask.shape, *(1 for _ in shape[1:]))
        other = arrays[name].roll(1, 0)
        if other.is_floating_point():
            other = other + 1
        spoilt[name] = torch.where(gone, other, arrays[name])
    return spoilt


@every_encoder
def test_shapes_are_those_of_the_one_signature(modality: str, name: str) -> None:
    spec, encoder = made(modality, name)

    told = encoder(noise(spec))

    count = spec.recipe.shapes()[ITEMS[modality]][0][0]
    assert told.embedding.shape == (4, spec.width)
    assert told.items.tokens.shape == (4, count, spec.width)
    assert told.items.mask.shape == told.items.times.shape == (4, count)
    wide = told.embedding if told.features is None else told.features
    assert wide.shape == (4, encoder.feature_width)
    if modality == "image":
        assert told.regions is not None
        assert told.regions.shape == (4, 2, REGION_WIDTH)


@every_encoder
def test_it_reads_the_arrays_it_names_and_no_other(modality: str, name: str) -> None:
    spec, encoder = made(modality, name)
    arrays = noise(spec)
    named = {array for part in parts_of(name) for array in ENCODERS[modality][part].reads}

    told = encoder({array: arrays[array] for array in named})

    assert torch.equal(told.embedding, encoder(arrays).embedding)
    assert named <= set(spec.inputs)


@every_encoder
def test_what_stands_in_a_masked_item_changes_nothing(modality: str, name: str) -> None:
    spec, encoder = made(modality, name)
    arrays = noise(spec)

    before, after = encoder(arrays), encoder(spoil(spec, arrays, modality))

    for one, other in zip(parts(before), parts(after), strict=True):
        assert torch.equal(one, other)


@every_encoder
def test_an_answer_is_finite_with_every_item_masked(modality: str, name: str) -> None:
    spec, encoder = made(modality, name)
    arrays = noise(spec)
    for mask in ("image_mask", "image_regions_mask", "audio_mask", "text_mask"):
        arrays[mask] = torch.zeros_like(arrays[mask])

    assert all(torch.isfinite(one).all() for one in parts(encoder(arrays)))


@every_encoder
def test_what_is_there_matters(modality: str, name: str) -> None:
    spec, encoder = made(modality, name)
    one, other = noise(spec, seed=1), noise(spec, seed=2)

    assert not torch.allclose(encoder(one).embedding, encoder(other).embedding)


@every_encoder
def test_every_parameter_gets_a_gradient(modality: str, name: str) -> None:
    spec, encoder = made(modality, name)

    told = encoder.train()(noise(spec))
    torch.stack([one.square().sum() + one.sum() for one in parts(told)]).sum().backward()  # type: ignore[no-untyped-call]

    without = [
        name
        for name, values in encoder.named_parameters()
        if values.grad is None or not values.grad.abs().sum() > 0
    ]
    assert without == []


@every_encoder
def test_the_same_seed_and_arrays_give_the_same_answer(modality: str, name: str) -> None:
    spec, first = made(modality, name)
    _, second = made(modality, name)
    arrays = noise(spec)

    for one, other in zip(parts(first(arrays)), parts(second(arrays)), strict=True):
        assert torch.equal(one, other)


@every_encoder
def test_a_window_is_read_alike_alone_and_among_others(modality: str, name: str) -> None:
    spec, encoder = made(modality, name)
    arrays = noise(spec)

    alone = encoder({array: values[1:2] for array, values in arrays.items()})

    torch.testing.assert_close(alone.embedding, encoder(arrays).embedding[1:2])


class Positional(nn.Module):
    """An encoder with its arrays as arguments."""

    def __init__(self, encoder: Encoder, names: list[str]) -> None:
        super().__init__()
        self.encoder, self.names = encoder, names

    @override
    def forward(self, *arrays: Tensor) -> tuple[Tensor, Tensor]:
        told: Encoded = self.encoder(dict(zip(self.names, arrays, strict=True)))
        return told.embedding, told.items.tokens


def assert_exports(modality: str, name: str) -> None:
    spec, encoder = made(modality, name)
    reads = {array for part in parts_of(name) for array in ENCODERS[modality][part].reads}
    names = [array for array in spec.inputs if array in reads]
    batch = torch.export.Dim("batch", min=1, max=64)
    positional, example = Positional(encoder, names), noise(spec, 2)
    with quiet_exporter():
        program = torch.onnx.export(
            positional,
            tuple(example[array] for array in names),
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            dynamic_shapes=(tuple({0: batch} for _ in names),),
            verbose=False,
        )
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    asked = {entry.name for entry in session.get_inputs()}
    for size in (1, 3):
        arrays = noise(spec, size, seed=size)
        found = session.run(None, {array: arrays[array].numpy() for array in asked})
        expected = positional(*(arrays[array] for array in names))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other.detach().numpy(), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("modality", "name"), sorted(CHEAP))
def test_the_exported_encoder_answers_alike_at_any_batch_size(modality: str, name: str) -> None:
    assert_exports(modality, name)


@pytest.mark.soak
@pytest.mark.parametrize(("modality", "name"), [p for p in (*EVERY, *JOINED) if p not in CHEAP])
def test_every_exported_encoder_answers_alike_at_any_batch_size(modality: str, name: str) -> None:
    assert_exports(modality, name)


def test_the_defaults_come_first_and_every_modality_has_encoders() -> None:
    assert tuple(ENCODERS) == MODALITIES
    assert {modality: next(iter(entries)) for modality, entries in ENCODERS.items()} == DEFAULTS


@pytest.mark.parametrize(("modality", "name"), EVERY)
def test_an_entry_tells_its_parameters_as_they_are(modality: str, name: str) -> None:
    recipe = recipe_for({modality: name}, Recipe())
    spec = NetworkSpec(
        recipe=recipe, faults=("healthy",), products=("good",), encoders={modality: name}
    )

    with torch.device("meta"):  # without giving them memory
        encoder = make_encoder(modality, name, spec)

    found = sum(values.numel() for values in encoder.parameters())
    assert ENCODERS[modality][name].parameters == found


def test_an_unknown_encoder_is_refused_with_those_known() -> None:
    spec = small_spec({})

    with pytest.raises(BundleError, match=r"no 'magic'; there are tiny, resnet18.*none"):
        make_encoder("image", "magic", spec)
    with pytest.raises(BundleError, match="names one twice"):
        make_encoder("audio", "tiny+tiny", spec)


@pytest.mark.parametrize("left_out", MODALITIES)
def test_a_modality_left_out_is_ignored_whether_present_or_not(left_out: str) -> None:
    spec = small_spec({left_out: NONE}, fusion="concat")
    network = Network(spec, [0.5, 0.3, 0.2])
    settle(network.eval())
    arrays = noise(spec)
    gone = {**arrays, "present": arrays["present"].clone()}
    gone["present"][:, MODALITIES.index(left_out)] = 0.0

    there, absent = network(arrays), network(gone)

    assert not any(name.startswith(f"{left_out}_") for name in spec.inputs)
    for one, other in zip(there, absent, strict=True):
        assert torch.equal(one, other)
    assert not there.modal[:, MODALITIES.index(left_out)].any()


@pytest.mark.parametrize("left_out", MODALITIES)
def test_a_network_without_a_modality_trains_all_it_has(left_out: str) -> None:
    network = Network(small_spec({left_out: NONE}, fusion="mfb"), [0.5, 0.3, 0.2]).train()
    settle(network)

    answer = network(noise(network.spec))
    sum(one.square().sum() for one in answer).backward()

    without = [name for name, values in network.named_parameters() if values.grad is None]
    assert without == []
