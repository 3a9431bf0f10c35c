"""Regions: where heat peaks, how far they reach, and which true ones they meet."""

import numpy as np
import pytest

from mmindustry.training.defects.regions import (
    Limits,
    box_overlap,
    hits,
    mask_of,
    overlaps,
    regions_of,
    true_regions,
)

LIMITS = Limits(peak=5.0, edge=2.0)


def hot() -> np.ndarray:
    """Return a plane of a region that peaks at 9, one that stays below 5, and one that peaks at 6
    beside a cool seam."""
    heat = np.zeros((20, 30), np.float32)
    heat[2:6, 3:9] = 3.0
    heat[4, 7] = 9.0
    heat[10:14, 3:9] = 4.0
    heat[2:6, 20:24] = 6.0
    return heat


def test_a_region_reaches_to_the_edge_and_needs_its_peak() -> None:
    first, second = regions_of(hot(), LIMITS)

    assert (first.box, first.area, first.peak, first.score) == ((3, 2, 6, 4), 24, (7, 4), 9.0)
    assert second.box == (20, 2, 4, 4)
    mask = mask_of(hot(), LIMITS)
    assert mask.sum() == first.area + second.area
    assert not mask[12, 5]


def test_nothing_hot_is_no_region() -> None:
    assert regions_of(np.zeros((5, 5), np.float32), LIMITS) == []
    assert not mask_of(np.zeros((5, 5), np.float32), LIMITS).any()


def test_regions_meet_true_ones_by_their_peak_and_by_their_box() -> None:
    found = regions_of(hot(), LIMITS)
    drawn = np.zeros((20, 30), np.bool_)
    drawn[2:6, 3:9] = True  # as found
    drawn[16:18, 20:22] = True  # missed
    truth = true_regions(drawn)

    assert len(truth.boxes) == 2
    assert hits(found, truth) == (1, 1)
    assert overlaps(found, truth) == 1


def test_two_finds_in_one_region_meet_it_once() -> None:
    heat = np.zeros((20, 30), np.float32)
    heat[2, 3], heat[2, 12] = 7.0, 8.0
    drawn = np.zeros((20, 30), np.bool_)
    drawn[1:4, 2:14] = True

    found, truth = regions_of(heat, LIMITS), true_regions(drawn)

    assert hits(found, truth) == (2, 1)
    assert overlaps(found, truth) == 0


@pytest.mark.parametrize(
    ("other", "share"), [((0, 0, 4, 4), 1.0), ((4, 0, 4, 4), 0.0), ((1, 1, 2, 2), 0.25)]
)
def test_boxes_overlap_by_what_they_share(other: tuple[int, int, int, int], share: float) -> None:
    assert box_overlap((0, 0, 4, 4), other) == share
