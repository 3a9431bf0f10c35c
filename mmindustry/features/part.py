"""What each modality hands to the builder, and how an item is held while native code reads it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Event, Window
from mmindustry.errors import FeatureError
from mmindustry.features.policy import FeaturePolicy
from mmindustry.ports import Marker

Decoded = TypeVar("Decoded")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that no decoder could read; it becomes a dead letter of stage `build`."""

    item: Event
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Part:
    """One modality of a window: its arrays, whether anything usable came, and how good (0..1)."""

    arrays: Mapping[str, NDArray[Any]]
    present: bool
    quality: float
    findings: tuple[tuple[str, str], ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


class Unmarked:
    """A `Marker` that marks nothing: for training, and wherever a crash harms nobody."""

    def hold(self, item: str) -> AbstractContextManager[None]:
        """Return a context that names no one."""
        del item
        return nullcontext()

    def condemned(self, item: str) -> bool:
        """Return False: nothing is remembered."""
        del item
        return False


@dataclass(frozen=True, slots=True)
class Guard:
    """The safety around native decoders: limits, and the marker that a crash is blamed by."""

    policy: FeaturePolicy = field(default_factory=FeaturePolicy)
    marker: Marker = field(default_factory=Unmarked)

    def read(self, item: Event, decode: Callable[[], Decoded]) -> Decoded | Unreadable:
        """Return what `decode` makes of the item, named while it runs, or why it can't."""
        name = "/".join(map(str, item.position))
        if self.marker.condemned(name):
            return Unreadable(item, "crash_loop", f"three starts died decoding {name}")
        with self.marker.hold(name):
            try:
                return decode()
            except FeatureError as error:
                return Unreadable(item, error.reason, error.detail)


def offset(window: Window, time: datetime) -> float:
    """Return where `time` lies in the window: -1 at its start, 0 at its end, clipped."""
    length = (window.end - window.key.start).total_seconds()
    return min(max((time - window.end).total_seconds() / length, -1.0), 0.0)


def choose(times: Sequence[datetime], slots: int) -> list[int]:
    """Return indices of at most `slots` items, evenly spaced in time, the newest kept.

    Args:
        times: Ascending.
        slots: At least 1.

    >>> base = datetime(2026, 1, 1)
    >>> choose([base.replace(second=s) for s in (0, 1, 2, 3, 8)], 3)
    [0, 3, 4]
    """
    if len(times) <= slots:
        return list(range(len(times)))
    seconds = np.array([(time - times[-1]).total_seconds() for time in times])
    picked: list[int] = []
    free = np.ones(len(times), bool)
    for target in np.linspace(0.0, seconds[0], slots):
        distance = np.where(free, np.abs(seconds - target), np.inf)
        index = len(times) - 1 - int(np.argmin(distance[::-1]))
        free[index] = False
        picked.append(index)
    return sorted(picked)
