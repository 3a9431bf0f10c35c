"""Cameras that show the very picture of the window before: found across windows, not within one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b

from mmindustry.domain import Event, Frame, LastPicture
from mmindustry.windowing.watermark import AssetTime


def note_pictures(
    time: AssetTime, items: Iterable[Event]
) -> tuple[tuple[str, ...], dict[str, LastPicture]]:
    """Remember the newest picture of each camera of a window.

    What is remembered is part of what the record keeps.

    Args:
        time: The sources of the window's asset; changed in place.
        items: All of one window, in order of their times.

    Returns:
        Sorted, the frozen cameras; and what each camera of the asset last showed, this window
        included.
    """
    mine = [item for item in items if item.source in time.sources]
    frozen, pictures = compare_pictures(_known(time), mine)
    for source, picture in pictures.items():
        time.sources[source] = replace(time.sources[source], picture=picture)
    return frozen, pictures


def compare_pictures(
    last: Mapping[str, LastPicture], items: Iterable[Event]
) -> tuple[tuple[str, ...], dict[str, LastPicture]]:
    """Return, sorted, the cameras frozen in a window, and what each camera last showed after it.

    A camera is frozen where all that it sent since its last remembered picture is that picture
    again, byte for byte: no live sensor gives the same noise twice. So a camera that sends but one
    frame a window is found, too.

    Args:
        last: Camera -> what it last showed in the windows before.
        items: All of one window, in order of their times.
    """
    shown: dict[str, list[Event]] = {}
    for item in items:
        if isinstance(item.content, Frame):
            shown.setdefault(item.source, []).append(item)
    frozen, newest = [], dict(last)
    for source, frames in shown.items():
        known = last.get(source)
        news = [frame for frame in frames if known is None or frame.time > known.time]
        if not news:
            continue
        digest = _digest(news[-1])
        newest[source] = LastPicture(news[-1].time, digest)
        is_old = known is not None and digest == known.digest
        if is_old and all(_payload(frame) == _payload(news[-1]) for frame in news):
            frozen.append(source)
    return tuple(sorted(frozen)), newest


def _known(time: AssetTime) -> dict[str, LastPicture]:
    return {
        source: state.picture for source, state in time.sources.items() if state.picture is not None
    }


def _payload(frame: Event) -> bytes:
    return frame.content.payload if isinstance(frame.content, Frame) else b""


def _digest(frame: Event) -> str:
    return blake2b(_payload(frame), digest_size=16).hexdigest()
