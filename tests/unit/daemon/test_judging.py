"""A window that kills the network is found by going one by one, and recorded as failed."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from mmindustry.daemon.judging import TOGETHER, MarkedPredictor
from mmindustry.daemon.marker import MappedMarker, open_marker
from mmindustry.domain import Failed, Features, Prediction, WindowKey
from mmindustry.testing import BEGINNING, FakePredictor, HandClock


class Deadly:
    """A network that dies at one window; an exception stands for the death."""

    def __init__(self, victim: str) -> None:
        self._victim = victim
        self._inner = FakePredictor()
        self.batches: list[int] = []

    def predict(self, features: Sequence[Features | Failed]) -> Sequence[Prediction | Failed]:
        if any(item.window.asset == self._victim for item in features):
            raise MemoryError
        self.batches.append(len(features))
        return self._inner.predict(features)


def features(asset: str) -> Features:
    return Features(
        window=WindowKey(asset, "p", BEGINNING),
        end=BEGINNING + timedelta(seconds=10),
        bundle="b",
        arrays={"x": np.zeros(1, np.float32)},
        present={},
        quality={},
    )


def started(folder: Path, inner: Deadly) -> tuple[MarkedPredictor, MappedMarker]:
    marker = open_marker(folder)
    predictor = MarkedPredictor(
        inner,
        marker=marker,
        clock=HandClock(),
        took=lambda _: None,
        wary=TOGETHER in marker.blamed(),
    )
    return predictor, marker


def test_a_deadly_window_ends_as_crash_loop_and_the_others_are_judged(tmp_path: Path) -> None:
    work = [features("a"), features("bad"), features("c")]
    for _ in range(4):  # one death in company, three alone
        predictor, marker = started(tmp_path, Deadly("bad"))
        with pytest.raises(MemoryError):
            predictor.predict(work)
        marker.close()

    predictor, marker = started(tmp_path, Deadly("bad"))
    first, second, third = predictor.predict(work)
    marker.close()

    assert isinstance(first, Prediction)
    assert isinstance(third, Prediction)
    assert isinstance(second, Failed)
    assert (second.stage, second.reason) == ("predict", "crash_loop")


def test_without_a_death_all_windows_go_together(tmp_path: Path) -> None:
    inner = Deadly("nobody")
    predictor, marker = started(tmp_path, inner)

    predictor.predict([features("a"), features("b")])
    predictor.predict([])

    assert inner.batches == [2]
    assert marker.blamed() == {}
    marker.close()


def test_a_window_inside_a_step_is_blamed_not_the_step_around_it(tmp_path: Path) -> None:
    marker = open_marker(tmp_path)
    with pytest.raises(ZeroDivisionError), marker.hold("outer"), marker.hold("inner"):
        raise ZeroDivisionError
    marker.close()

    again = open_marker(tmp_path)

    assert again.blamed() == {"inner": 1}
    again.close()


def test_after_the_inner_item_the_outer_one_is_in_hand_again(tmp_path: Path) -> None:
    marker = open_marker(tmp_path)
    outer = marker.hold("outer")
    outer.__enter__()
    with marker.hold("inner"):
        pass
    marker.close()  # dead with the outer one in hand

    again = open_marker(tmp_path)

    assert again.blamed() == {"outer": 1}
    again.close()
