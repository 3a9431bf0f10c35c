"""A feed at full speed leaves the windows that real speed leaves, to the last chunk."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmindustry.domain import (
    Arrival,
    Chunk,
    Claim,
    Event,
    Frame,
    Fresh,
    Modality,
    Position,
    Sensor,
)
from mmindustry.gateway.batches import Stride, batches
from mmindustry.gateway.feed import _ORDER
from mmindustry.gateway.item import Item
from mmindustry.windowing.assembler import Assembler
from mmindustry.windowing.policy import WindowPolicy

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
ASSET = "a/b/c/d"
WINDOWS = WindowPolicy(length_seconds=10, grace_seconds=5)
Left = list[tuple[datetime, tuple[str, ...], tuple[str, ...]]]


def nothing() -> Frame:
    return Frame(b"x", "image/png", 1, 1)


def items_of(  # noqa: PLR0913 - a source in one line
    source: str, modality: Modality, *, begin: float, count: int, every: float, length: float = 0
) -> list[Item]:
    """Return a source's items, seconds from `BEGIN`; `length` of a chunk."""
    times = [BEGIN + timedelta(seconds=begin + n * every) for n in range(count)]
    return [
        Item(
            time=time,
            due=time + timedelta(seconds=length),
            source=source,
            asset=ASSET,
            modality=modality,
            where="",
            read=nothing,
        )
        for time in times
    ]


def ordered(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.due, item.time, item.source))


def sensors_for(items: Sequence[Item]) -> list[Sensor]:
    """Register each source as a feed does."""
    found = []
    for source in sorted({item.source for item in items}):
        mine = [item for item in items if item.source == source]
        times = [item.time for item in mine]
        pauses = [later - sooner for sooner, later in pairwise(times)]
        found.append(
            Sensor(
                source=source,
                asset=ASSET,
                modality=mine[0].modality,
                every=max(pauses, default=None),
                valid_from=times[0],
                valid_to=mine[-1].due + timedelta(microseconds=1),
            )
        )
    return found


def event_of(item: Item, offset: int) -> Event:
    sound = item.modality is Modality.AUDIO
    return Event(
        id=f"{item.source}-{item.time.isoformat()}",
        source=item.source,
        asset=ASSET,
        modality=item.modality,
        time=item.time,
        end=item.due,
        position=Position("mm.audio" if sound else "mm.frames", 0, offset),
        append_time=BEGIN + timedelta(days=1),
        content=Chunk(b"x", "audio/wav", 8000, 1, 1) if sound else nothing(),
    )


def windows_of(order: Sequence[Item], sensors: Sequence[Sensor]) -> Left:
    """Return (start, missing, ids) of the windows an order of arrival leaves, closed or open.

    The arrival clock stands still, so only the watermark closes. Events come one by one.
    """
    assembler = Assembler(WINDOWS)
    assembler.restore(Claim(partition=0, epoch=1, progress=None, sensors=tuple(sensors)))
    left = []
    for offset, item in enumerate(order):
        untaken = assembler.add([event_of(item, offset)])
        assembler.admit(Fresh(late=tuple(untaken)))
        arrival = Arrival(BEGIN + timedelta(days=1), ready=True, read_through={})
        closed, _ = assembler.close({0: arrival})
        left += [(w.key.start, w.missing, tuple(i.id for i in w.items)) for w in closed]
    return sorted(left)


def as_sent(items: Sequence[Item], sensors: Sequence[Sensor], seconds: float) -> list[Item]:
    """Return the order in which a feed at full speed sends."""
    stride = Stride(timedelta(seconds=seconds), 500)
    return [
        item
        for batch in batches(items, sensors, stride, WINDOWS)
        for modality in _ORDER
        for item in batch
        if item.modality is modality
    ]


def same_as_at_real_speed(items: Sequence[Item], seconds: float) -> bool:
    sensors = sensors_for(items)
    sent = as_sent(items, sensors, seconds)
    assert sorted(map(id, sent)) == sorted(map(id, items))
    real = windows_of(items, sensors)
    fast = {start: rest for start, *rest in windows_of(sent, sensors)}
    return all(fast.get(start, rest) == rest for start, *rest in real)


@pytest.mark.parametrize("length", [1.0, 4.0, 5.0, 8.0], ids=str)
def test_a_sources_last_chunk_is_not_late_at_full_speed(length: float) -> None:
    camera = items_of("cam", Modality.IMAGE, begin=0, count=120, every=0.5)
    count = int(21 / length)
    sound = items_of("mic", Modality.AUDIO, begin=0, count=count, every=length, length=length)

    assert same_as_at_real_speed(ordered([*camera, *sound]), seconds=5)


def test_a_chunk_that_nothing_waits_for_is_not_late_at_full_speed() -> None:
    camera = items_of("cam", Modality.IMAGE, begin=0, count=160, every=0.5)
    rare = items_of("mic", Modality.AUDIO, begin=8, count=4, every=15, length=4)

    assert same_as_at_real_speed(ordered([*camera, *rare]), seconds=5)


@given(
    begin=st.floats(0, 20),
    length=st.sampled_from([0.5, 1, 2.5, 5, 7]),
    count=st.integers(1, 12),
    pause=st.sampled_from([0, 0, 1, 12]),
    seconds=st.sampled_from([0.5, 2.0, 5.0]),
)
def test_full_speed_leaves_the_windows_of_real_speed(
    *, begin: float, length: float, count: int, pause: float, seconds: float
) -> None:
    camera = items_of("cam", Modality.IMAGE, begin=0, count=100, every=0.5)
    far = items_of("far", Modality.IMAGE, begin=begin, count=20, every=3)
    every = length + pause
    sound = items_of("mic", Modality.AUDIO, begin=begin, count=count, every=every, length=length)

    assert same_as_at_real_speed(ordered([*camera, *far, *sound]), seconds)
