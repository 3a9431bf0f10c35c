"""Search over embeddings: exact, the same by faiss, across modalities only in a shared space."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmindustry.errors import InputError
from mmindustry.features.spec import MODALITIES
from mmindustry.fusion.fusions.align import AlignmentFusion
from mmindustry.fusion.fusions.shape import Heard
from mmindustry.fusion.items import Items
from mmindustry.fusion.network import Network
from mmindustry.fusion.similar import (
    Space,
    across,
    column,
    likeness,
    nearest,
    nearest_across,
    recall_at,
    unpack_embeddings,
)
from mmindustry.fusion.weights import arrays_of
from tests.noise import noise_spec


def bank(count: int, seed: int, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    points = random.normal(size=(count, 3, width)).astype(np.float32)
    quality = (random.uniform(0.5, 1, (count, 3)) * (random.random((count, 3)) < 0.8)).astype("f4")
    return points * (quality > 0)[..., None], quality


def test_kept_embeddings_come_back_and_foreign_ones_are_refused() -> None:
    points, _ = bank(4, 1)
    kept = [one.astype("<f2").tobytes() for one in points]

    np.testing.assert_allclose(unpack_embeddings(kept, 64), points, atol=3e-3)
    with pytest.raises(InputError, match="another bundle"):
        unpack_embeddings(kept, 32)


def test_a_window_is_most_like_itself_and_an_absent_modality_says_nothing() -> None:
    points, quality = bank(50, 2)
    placed = Space(None, None).place(points, quality)

    for at in range(50):
        if quality[at].any():
            scores = likeness(placed[at], placed)
            assert scores[at] == pytest.approx(1.0, abs=1e-5)
            assert nearest(scores, 1) == [at] or scores[nearest(scores, 1)[0]] >= scores[at] - 1e-5
    alone = placed[0] * np.array([[1.0], [0.0], [0.0]], np.float32)
    deaf = placed * np.array([[[0.0], [1.0], [1.0]]], np.float32)
    assert (likeness(alone, deaf) == -1.0).all()
    assert nearest(likeness(alone, deaf), 5) == []


def test_the_shared_space_is_the_alignment_fusions_own() -> None:
    torch.manual_seed(0)
    spec = replace(noise_spec(), fusion="alignment")
    network = Network(spec, [0.25] * len(spec.faults)).eval()
    space = Space.of(spec, arrays_of(network))
    points, quality = bank(20, 3, spec.width)
    nothing = Items(torch.zeros(20, 1, spec.width), torch.zeros(20, 1), torch.zeros(20, 1))
    present = torch.from_numpy((quality > 0).astype("f4"))
    heard = Heard(
        torch.from_numpy(points),
        torch.zeros(20, 3, len(spec.faults)),
        present,
        torch.from_numpy(quality),
        (nothing,) * 3,
        torch.zeros(20, 22),
    )

    assert isinstance(network.fusion, AlignmentFusion)
    expected = network.fusion.aligned(heard).detach().numpy()

    assert space.shared
    np.testing.assert_allclose(space.place(points, quality), expected, atol=1e-5)


def test_other_fusions_share_no_space() -> None:
    assert not Space.of(noise_spec(), {}).shared


def test_a_search_in_one_modality_looks_at_that_alone() -> None:
    points, quality = bank(30, 4)
    placed = Space(None, None).place(points, quality)
    query = placed[np.flatnonzero(quality[:, 1])[3], 1]

    scores = across(query, placed, "audio")

    slow = [
        float(row[1] @ query) if q[1] > 0 else -1.0 for row, q in zip(placed, quality, strict=True)
    ]
    np.testing.assert_allclose(scores, slow, atol=1e-5)
    with pytest.raises(InputError, match="modality"):
        column("smell")


@pytest.mark.parametrize("modality", MODALITIES)
def test_faiss_finds_what_exact_search_finds(modality: str) -> None:
    pytest.importorskip("faiss")
    points, quality = bank(200, 5)
    placed = Space(None, None).place(points, quality)
    there = np.flatnonzero(quality[:, MODALITIES.index(modality)] > 0)

    for at in there[:20]:
        query = placed[at, MODALITIES.index(modality)]
        exact = nearest_across(query, placed, modality, 10, faiss=False)
        found = nearest_across(query, placed, modality, 10, faiss=True)
        assert [place for place, _ in found] == [place for place, _ in exact]
        assert exact[0][0] == at
        np.testing.assert_allclose([c for _, c in found], [c for _, c in exact], atol=1e-5)


@pytest.mark.parametrize("faiss", [False, True])
def test_where_no_window_has_a_modality_none_is_found(*, faiss: bool) -> None:
    if faiss:
        pytest.importorskip("faiss")
    nothing = np.zeros((3, len(MODALITIES), 4), np.float32)

    assert nearest_across(np.ones(4, np.float32), nothing, "audio", 2, faiss=faiss) == []


def test_recall_counts_queries_that_find_one_of_theirs() -> None:
    ranked = [[3, 1, 2], [0, 2, 3], [1, 0, 2]]
    relevant = [frozenset({2}), frozenset({2}), frozenset[int]()]

    assert recall_at(ranked, relevant, 1) == 0.0
    assert recall_at(ranked, relevant, 2) == 0.5
    assert recall_at(ranked, relevant, 3) == 1.0
