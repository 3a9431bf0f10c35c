"""A camera that shows the same picture window after window is frozen."""

from datetime import timedelta

import pytest

from mmindustry.domain import Arrival, Claim, Event, Modality, Window
from mmindustry.testing import BEGINNING, make_event
from mmindustry.windowing.assembler import Assembler
from mmindustry.windowing.policy import WindowPolicy

Shown = tuple[float, bytes]
FROZEN = ("cam",)


def frame(number: int, shown: Shown) -> Event:
    second, payload = shown
    return make_event(Modality.IMAGE, second, source="cam", offset=number, payload=payload)


def claimed(policy: WindowPolicy, *, after: Assembler | None = None) -> Assembler:
    assembler = Assembler(policy)
    assets = () if after is None else after.changed()
    assembler.restore(Claim(partition=0, epoch=1, progress=None, assets=assets))
    return assembler


def close(assembler: Assembler, seconds: float) -> list[Window]:
    clock = BEGINNING + timedelta(seconds=seconds)
    return assembler.close({0: Arrival(clock, ready=True, read_through={})})[0]


def frozen(*shown: Shown, policy: WindowPolicy | None = None) -> list[tuple[str, ...]]:
    """Return the frozen cameras of each window that these frames make."""
    assembler = claimed(policy or WindowPolicy())
    assembler.add([frame(number, one) for number, one in enumerate(shown)])
    return [window.frozen for window in close(assembler, 1000)]


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ([(1, b"x"), (11, b"x"), (21, b"x")], [(), FROZEN, FROZEN]),
        ([(1, b"x"), (11, b"y"), (21, b"x")], [(), (), ()]),
        ([(1, b"x"), (11, b"x"), (12, b"y"), (21, b"y"), (22, b"y")], [(), (), FROZEN]),
        ([(1, b"x"), (11, b"y"), (12, b"x"), (31, b"x")], [(), (), FROZEN]),
    ],
)
def test_a_camera_is_frozen_where_it_shows_only_the_last_picture_of_the_window_before(
    shown: list[Shown], found: list[tuple[str, ...]]
) -> None:
    assert frozen(*shown) == found


def test_one_frame_in_two_hopping_windows_is_not_a_picture_shown_twice() -> None:
    hopping = WindowPolicy(hop_seconds=5.0)

    found = frozen((6, b"x"), (16, b"y"), (26, b"y"), policy=hopping)

    assert found == [(), (), (), (), FROZEN, ()]


def test_a_claim_knows_the_last_picture() -> None:
    first = claimed(WindowPolicy())
    first.add([frame(0, (1, b"x"))])
    close(first, 100)

    second = claimed(WindowPolicy(), after=first)
    second.add([frame(1, (111, b"x"))])

    assert [window.frozen for window in close(second, 1000)] == [FROZEN]
