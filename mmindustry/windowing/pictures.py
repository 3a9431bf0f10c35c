"""Cameras that show the very picture of the window before: found across windows, not within one."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b

from mmindustry.domain import Event, Frame, LastPicture
from mmindustry.windowing.watermark import AssetTime


def note_pictures(time: AssetTime, items: Iterable[Event]) -> tuple[str, ...]:
    """Remember the newest picture of each camera of a window; return, sorted, the frozen ones.

    A camera is frozen where all that it sent since its last remembered picture is that picture
    again, byte for byte: no live sensor gives the same noise twice. So a camera that sends but one
    frame a window is found, too. What is remembered is part of what the record keeps.

    Args:
        time: The sources of the window's asset; changed in place.
        items: All of one window, in order of their times.
    """
    shown: dict[str, list[Event]] = {}
    for item in items:
        if isinstance(item.content, Frame):
            shown.setdefault(item.source, []).append(item)
    return tuple(sorted(source for source, mine in shown.items() if _is_frozen(time, source, mine)))


def _is_frozen(time: AssetTime, source: str, frames: list[Event]) -> bool:
    state = time.sources.get(source)
    if state is None:
        return False
    last = state.picture
    news = [frame for frame in frames if last is None or frame.time > last.time]
    if not news:
        return False
    digest = _digest(news[-1])
    time.sources[source] = replace(state, picture=LastPicture(news[-1].time, digest))
    if last is None or digest != last.digest:
        return False
    return all(_payload(frame) == _payload(news[-1]) for frame in news)


def _payload(frame: Event) -> bytes:
    return frame.content.payload if isinstance(frame.content, Frame) else b""


def _digest(frame: Event) -> str:
    return blake2b(_payload(frame), digest_size=16).hexdigest()
