"""Each change can be switched on alone, changes what it says, and leaves the rest as it is."""

import random
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmindustry.training.augment import Augment, Batch, foreign_words, text_spans
from mmindustry.training.batches import real_outages
from mmindustry.training.dataset import DataSet
from mmindustry.training.policy import AugmentPolicy
from mmindustry.training.typos import TypoPolicy, retyped
from tests.unit.training.tiny import tiny_features, tiny_recipe

NOTHING = AugmentPolicy(**{field.name: 0 for field in fields(AugmentPolicy)})
RECIPE = tiny_recipe()


def batch_of(count: int = 24) -> Batch:
    items = [tiny_features(seed, seed % 3) for seed in range(count)]
    return {n: torch.from_numpy(np.stack([i.arrays[n] for i in items])) for n in RECIPE.shapes()}


def changed_by(
    policy: AugmentPolicy,
    *,
    dropout: float = 0.0,
    outages: Tensor | None = None,
    healthy: Tensor | None = None,
) -> tuple[Batch, Batch]:
    batch = batch_of()
    before = {name: tensor.clone() for name, tensor in batch.items()}
    augment = Augment(policy, dropout, RECIPE, outages)
    after = augment(batch, torch.Generator().manual_seed(5), healthy)
    again = augment(batch, torch.Generator().manual_seed(5), healthy)
    assert all(torch.equal(batch[name], tensor) for name, tensor in before.items())
    assert all(torch.equal(after[name], again[name]) for name in before)
    return before, after


def names_changed(before: Batch, after: Batch) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_with_everything_off_nothing_changes() -> None:
    assert names_changed(*changed_by(NOTHING)) == set()


PICTURES = {"image_frames", "image_regions"}


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ({"shift_pixels": 2}, {*PICTURES, "image_delta"}),
        ({"crop": 0.3}, {"image_frames", "image_delta"}),
        ({"light": 0.2}, PICTURES),
        ({"picture_noise": 0.1}, PICTURES),
        ({"gain": 0.2}, {"audio_logmel"}),
        ({"tilt": 0.2}, {"audio_logmel"}),
        ({"sound_noise": 0.1}, {"audio_logmel"}),
        ({"masked_bands": 6}, {"audio_logmel"}),
        ({"masked_moments": 6}, {"audio_logmel"}),
        ({"background": 1.0}, {"audio_logmel"}),
        ({"token_dropout": 0.3}, {"text_ids"}),
        ({"foreign": 1.0}, {"text_ids"}),
        ({"item_dropout": 0.5}, {"image_mask", "text_mask"}),
        ({"operating_dropout": 0.5}, {"operating"}),
        ({"outages": 1.0}, {"present"}),
    ],
    ids=lambda named: "+".join(sorted(named)),  # of sets: their own order differs by process
)
def test_each_change_alone_touches_what_it_is_for(
    setting: dict[str, float], names: set[str]
) -> None:
    outages = torch.tensor([[1.0, 0.0, 1.0]])
    healthy = torch.arange(24) % 3 == 0

    before, after = changed_by(replace(NOTHING, **setting), outages=outages, healthy=healthy)  # type: ignore[arg-type]  # numbers

    assert names_changed(before, after) == names
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert after["image_frames"].min() >= 0
    assert after["image_frames"].max() <= 1


def test_a_background_lies_within_six_decibels_of_what_is_heard() -> None:
    healthy = torch.zeros(24, dtype=torch.bool)
    healthy[3] = True

    before, after = changed_by(replace(NOTHING, background=1.0), healthy=healthy)

    def power(logmel: Tensor) -> Tensor:
        return 10.0 ** (logmel.double() * RECIPE.mel_scale + RECIPE.mel_mean)

    added = power(after["audio_logmel"]) - power(before["audio_logmel"])
    ratio = added.mean((2, 3)) / power(before["audio_logmel"]).mean((2, 3))
    decibels = 10.0 * torch.log10(ratio)
    assert decibels.min() >= -6.05
    assert decibels.max() <= 6.05
    assert decibels.std() > 1
    shape = added[:, 0] / added[:, 0].mean((1, 2), keepdim=True)
    torch.testing.assert_close(shape, shape[:1].expand_as(shape), atol=0.02, rtol=0.02)


def test_unknown_words_take_the_place_of_words_and_n_grams_of_n_grams() -> None:
    spans = text_spans(RECIPE)["text_ids"]
    ids = torch.tensor([1, 5, RECIPE.word_ids - 1, RECIPE.word_ids, RECIPE.vocabulary - 1, 0])
    ids = ids.repeat(200, 3, 1)
    share = torch.tensor([0.0, 0.5, 1.0]).repeat(200, 1)

    others = foreign_words(ids, share, spans, torch.Generator().manual_seed(2))

    words = ids < RECIPE.word_ids
    assert torch.equal(others[:, 0], ids[:, 0])
    assert (others[..., 5] == 0).all()
    there = ids > 0
    assert (others[words & there] < RECIPE.word_ids).all()
    assert (others[words & there] > 0).all()
    assert (others[~words] >= RECIPE.word_ids).all()
    assert (others < RECIPE.vocabulary).all()
    changed = (others != ids).double()[..., :5].mean((0, 2))
    assert changed[1] == pytest.approx(0.5, abs=0.1)
    assert changed[2] > 0.9
    in_order = torch.tensor([1, 49, 0]).repeat(200, 1, 1)
    drawn = foreign_words(in_order, torch.ones(200, 1), (1, 50), torch.Generator().manual_seed(3))
    assert (drawn[..., :2] >= 1).all()
    assert (drawn < 50).all()
    assert (drawn[..., 2] == 0).all()


def test_without_a_healthy_window_there_is_no_background() -> None:
    none = torch.zeros(24, dtype=torch.bool)

    assert names_changed(*changed_by(replace(NOTHING, background=1.0), healthy=none)) == set()


def test_an_outage_takes_what_it_took_elsewhere_and_never_all(tiny: DataSet) -> None:
    seen = real_outages(tiny, np.arange(60))
    assert {tuple(row) for row in seen.tolist()} == {(1.0, 1.0, 0.0)}

    _, after = changed_by(replace(NOTHING, outages=1.0), outages=torch.tensor([[0.0, 0.0, 1.0]]))

    had_text = torch.arange(24) % 5 != 0
    assert after["present"][had_text].tolist() == [[0.0, 0.0, 1.0]] * int(had_text.sum())
    assert after["present"][~had_text].tolist() == [[1.0, 1.0, 0.0]] * int((~had_text).sum())


def test_modality_dropout_hides_as_often_as_asked() -> None:
    batch = {
        name: tensor.repeat(40, *[1] * (tensor.dim() - 1)) for name, tensor in batch_of().items()
    }
    batch["present"] = torch.ones_like(batch["present"])

    after = Augment(NOTHING, 0.25, RECIPE)(batch, torch.Generator().manual_seed(1))

    assert 1 - float(after["present"].mean()) == pytest.approx(0.25, abs=0.04)
    assert (after["present"].sum(1) >= 1).all()


@pytest.mark.parametrize("wrong", [{"crop": 0.9}, {"shift_pixels": -1}, {"background": 1.5}])
def test_a_change_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        AugmentPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose


@given(text=st.text(alphabet="abc rst/-0", max_size=40), seed=st.integers(0, 999))
def test_nothing_is_retyped_where_nothing_is_asked(text: str, seed: int) -> None:
    quiet = TypoPolicy(slips=0, short=0, full=0)

    assert retyped(text, quiet, random.Random(seed)) == text


@given(seed=st.integers(0, 9999))
def test_a_retyped_line_keeps_its_words_and_its_numbers(seed: int) -> None:
    line = "replace brg on PUMP P-4711 leaking 12"

    typed = retyped(line, TypoPolicy(slips=0.2, short=0.5, full=0.5), random.Random(seed))

    assert len(typed.split()) == len(line.split())
    assert "P-4711" in typed
    assert typed.endswith("12")


def test_slips_are_as_many_as_asked() -> None:
    draw = random.Random(4)
    word = "abcdefghijklmnopqrstuvwxyz"

    lengths = [len(retyped(word, TypoPolicy(slips=0.035), draw)) for _ in range(400)]

    assert np.mean([length != 26 for length in lengths]) == pytest.approx(0.45, abs=0.1)
