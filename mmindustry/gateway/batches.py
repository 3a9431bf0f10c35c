"""Cutting a feed into batches that close no window earlier than real speed would."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from mmindustry.domain import Modality, Sensor
from mmindustry.gateway.item import Item
from mmindustry.windowing.policy import WindowPolicy


class Stride(NamedTuple):
    """How far one batch reaches: event time from its first item's, and items."""

    span: timedelta
    items: int


def batches(
    items: Sequence[Item], sensors: Sequence[Sensor], stride: Stride, windows: WindowPolicy
) -> Iterator[list[Item]]:
    """Cut items, in order of their dues, so that a batch holds back what a window still needs.

    Within a batch pictures go before sound, so they may move the watermark over a chunk that is
    due before them. Mostly they can't: the watermark waits for the chunk's own source. Where it
    does not - after a source's last chunk, or where its pauses are longer than a window - the
    batch ends before anything is due the grace after that chunk's beginning or later (where a
    chunk is longer than the grace, right behind it: nothing precedes it that would not at real
    speed).

    Args:
        items: In the order in which they are sent.
        sensors: As they are registered.
        stride: The most that a batch may be.
        windows: Length and grace of the line.
    """
    loose = _loose(items, sensors, timedelta(seconds=windows.length_seconds))
    grace = timedelta(seconds=windows.grace_seconds)
    batch: list[Item] = []
    limit: datetime | None = None
    for item in items:
        over = limit is not None and item.due >= limit
        if batch and (over or item.due - batch[0].due >= stride.span or len(batch) >= stride.items):
            yield batch
            batch, limit = [], None
        batch.append(item)
        if id(item) in loose:
            reach = item.time + grace
            limit = reach if limit is None else min(limit, reach)
    if batch:
        yield batch


def _loose(items: Sequence[Item], sensors: Sequence[Sensor], length: timedelta) -> set[int]:
    """Return which chunks (by `id`) the watermark does not wait for once the one before is in."""
    unawaited = {
        (sensor.source, sensor.asset)
        for sensor in sensors
        if sensor.every is not None and sensor.every > length
    }
    sounds = [item for item in items if item.modality is Modality.AUDIO]
    last = {(item.source, item.asset): id(item) for item in sounds}
    found = set(last.values())
    found.update(id(item) for item in sounds if (item.source, item.asset) in unawaited)
    return found
