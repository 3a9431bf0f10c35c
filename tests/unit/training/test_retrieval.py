"""Recall of searches: high where windows of a fault lie together, chance where nothing is told."""

import numpy as np

from mmindustry.fusion.runtime import Raw
from mmindustry.fusion.similar import Space
from mmindustry.training.dataset import Targets
from mmindustry.training.retrieval import retrieval_figures

FAULTS = ("healthy", "leak", "slip")
SHARED = Space(np.stack([np.eye(8)] * 3).astype("f4"), np.zeros((3, 8), "f4"))


def windows(count: int, *, told: float) -> tuple[Raw, np.ndarray, Targets]:
    """Return embeddings that lie about their fault's centre, and about their window's own."""
    random = np.random.default_rng(4)
    fault = random.integers(0, 3, count)
    centres = np.eye(8)[:3] * 4 * told
    own = random.normal(size=(count, 1, 8)) * told
    points = centres[fault][:, None] + own + random.normal(size=(count, 3, 8)) * 0.3
    nothing = np.zeros((count, 1), np.float32)
    raw = Raw(nothing, nothing, nothing, nothing, points.astype("f4"))
    truth = Targets(
        fault=fault,
        product=np.full(count, -1),
        hours=np.full(count, np.nan),
        failed=np.zeros(count, "f4"),
        severity=np.zeros(count),
        group=np.array([f"m{n % 7}" for n in range(count)]),
        begin=np.zeros(count),
        gauges=np.zeros((count, 0), "f4"),
    )
    return raw, np.ones((count, 3), "f4"), truth


def test_windows_that_lie_together_are_found_across_modalities() -> None:
    found = retrieval_figures(*windows(150, told=1.0), faults=FAULTS, space=SHARED)

    assert found["window.same_fault@1"] > 0.9
    assert found["text.image.same_window@5"] > 0.8 > found["text.image.same_window@5.chance"]
    assert found["text.audio.same_fault@1"] > found["text.audio.same_fault@1.chance"] + 0.3


def test_embeddings_that_tell_nothing_find_no_more_than_chance() -> None:
    found = retrieval_figures(*windows(150, told=0.0), faults=FAULTS, space=SHARED)

    for name in ("window.same_fault@1", "text.image.same_window@10", "text.audio.same_fault@1"):
        assert abs(found[name] - found[f"{name}.chance"]) < 0.2


def test_where_no_space_is_shared_only_windows_are_searched_by_windows() -> None:
    found = retrieval_figures(*windows(60, told=1.0), faults=FAULTS, space=Space(None, None))

    assert "window.same_fault@1" in found
    assert not any(name.startswith("text.") for name in found)
