"""Makers of events, messages and windows with sound defaults: say only what matters."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mmindustry.domain import (
    Chunk,
    Closing,
    Event,
    Frame,
    LogEntry,
    Message,
    Modality,
    OperatingState,
    Position,
    Window,
    WindowKey,
)

BEGINNING = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
ASSET = "north/hall-1/line-1/pump-1"
TOPICS = {
    Modality.IMAGE: "mm.frames",
    Modality.AUDIO: "mm.audio",
    Modality.TEXT: "mm.logs",
    Modality.STATE: "mm.states",
}


def make_event(  # noqa: PLR0913 - a maker: every argument has a default
    modality: Modality = Modality.IMAGE,
    at: float = 0.0,
    *,
    asset: str = ASSET,
    source: str | None = None,
    id: str | None = None,  # noqa: A002 - the field's own name
    offset: int = 0,
    partition: int = 0,
    appended: float | None = None,
    payload: bytes = b"x" * 10,
    text: str = "brg noisy",
    seconds: float = 1.0,
    seen: bool = False,
) -> Event:
    """Return an event `at` seconds after BEGINNING, appended then too unless told otherwise."""
    time = BEGINNING + timedelta(seconds=at)
    content: Frame | Chunk | LogEntry | OperatingState
    end = time
    if modality is Modality.IMAGE:
        content = Frame(payload, "image/jpeg", 640, 480)
    elif modality is Modality.AUDIO:
        content = Chunk(payload, "audio/wav", 16_000, 1, int(16_000 * seconds))
        end = time + timedelta(seconds=seconds)
    elif modality is Modality.TEXT:
        content = LogEntry(text)
    else:
        content = OperatingState(running=True, speed_rpm=1480.0, load_ratio=0.7)
    position = Position(TOPICS[modality], partition, offset)
    return Event(
        id=id or f"{modality}-{offset}",
        source=source or f"{modality}-1",
        asset=asset,
        modality=modality,
        time=time,
        end=end,
        position=position,
        append_time=BEGINNING + timedelta(seconds=at if appended is None else appended),
        content=content,
        seen=seen,
    )


def make_message(
    position: Position,
    value: bytes | None = b"{}",
    *,
    key: bytes | None = ASSET.encode(),
    headers: Sequence[tuple[str, bytes]] = (),
    appended: float = 0.0,
) -> Message:
    """Return a message appended so many seconds after BEGINNING."""
    append_time = BEGINNING + timedelta(seconds=appended)
    return Message(position, key, value, tuple(headers), append_time)


def make_window(
    items: Sequence[Event],
    *,
    start: float = 0.0,
    length: float = 10.0,
    missing: Sequence[str] = (),
    revision: int = 0,
) -> Window:
    """Return a closed window over `items` that begins `start` seconds after BEGINNING."""
    begin = BEGINNING + timedelta(seconds=start)
    asset = items[0].asset if items else ASSET
    cut = dict.fromkeys(TOPICS.values(), 0)
    for item in items:
        cut[item.position.topic] = max(cut[item.position.topic], item.position.offset + 1)
    return Window(
        key=WindowKey(asset, "tumbling-10s", begin, revision),
        end=begin + timedelta(seconds=length),
        partition=items[0].position.partition if items else 0,
        cut=cut,
        items=tuple(sorted(items, key=lambda e: (e.time, e.source, e.id))),
        missing=tuple(missing),
        closed_by=Closing.WATERMARK if revision == 0 else Closing.REVISION,
    )
