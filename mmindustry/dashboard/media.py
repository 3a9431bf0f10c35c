"""Frames and sound of a window: thumbnails, spectrograms and players, originals as downloads."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse, Response

from mmindustry.dashboard import show
from mmindustry.dashboard.desk import Visit, Visitor
from mmindustry.dashboard.picture import thumbnail
from mmindustry.dashboard.sound import (
    Sound,
    as_wav,
    decode_sound,
    draw_spectrogram,
    join_sounds,
)
from mmindustry.dashboard.windows import find_window
from mmindustry.domain import Evidence, Failed, Media, Modality
from mmindustry.errors import InputError
from mmindustry.store.queries.detail import WindowDetail
from mmindustry.store.queries.plant import read_names

router = APIRouter()

Number = Annotated[int, Path(ge=0, le=9999)]
_HEIGHT = 256.0
_SUFFIXES = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "audio/wav": "wav",
    "audio/flac": "flac",
}
_UNSEALED = "unsealed"
"""Why an item is not there that will come by itself: no shard holds it yet."""
_RAW = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class FrameView:
    """A frame on the page, or why it is not there; `number` = its place in the evidence."""

    number: int
    source: str
    time: datetime
    failed: str | None


@dataclass(frozen=True, slots=True)
class SoundView:
    """The sound of one source with the axes of its picture, or why it is not there.

    `hertz`: pixels from the top and kHz; `seconds`: percent from the left and seconds.
    """

    number: int
    source: str
    failed: str | None
    failed_pieces: int = 0
    begins: str = ""
    hertz: tuple[tuple[float, str], ...] = ()
    seconds: tuple[tuple[float, str], ...] = ()
    low_db: int = 0
    high_db: int = 0


def sound_sources(window: WindowDetail) -> list[str]:
    """Return the sources of sound in a window, in order; a sound's number is its place here."""
    return sorted({e.source for e in window.evidence if e.modality is Modality.AUDIO})


@router.get("/windows/{window_id}/media", response_class=HTMLResponse, include_in_schema=False)
def media_page(visit: Visitor, window_id: str) -> HTMLResponse:
    """Return the frames and sounds of a window as a piece of its page."""
    with visit.read() as connection:
        window = find_window(connection, visit, window_id)
        zone = read_names(connection, visit.scope).zone(window.asset)
    frames = _frames(visit, window)
    sounds = [_sound(visit, window, n, zone) for n in range(len(sound_sources(window)))]
    lacking = [frame.failed for frame in frames] + [sound.failed for sound in sounds]
    return visit.page(
        "window_media.html",
        window=window,
        frames=[frame for frame in frames if frame.failed != _UNSEALED],
        sounds=[sound for sound in sounds if sound.failed != _UNSEALED],
        zone=zone,
        archiving=_UNSEALED in lacking,
    )


def _frames(visit: Visit, window: WindowDetail) -> list[FrameView]:
    wanted = [(n, e) for n, e in enumerate(window.evidence) if e.modality is Modality.IMAGE]
    wanted.sort(key=lambda item: (item[1].time, item[1].source))
    found = visit.desk.archive.read([e for _, e in wanted])
    return [
        FrameView(n, e.source, e.time, _why(window, n, media))
        for (n, e), media in zip(wanted, found, strict=True)
    ]


def _why(window: WindowDetail, number: int, media: Media | Failed) -> str | None:
    """Return the bounded code of why there is nothing to show; None = there is."""
    if number in window.dead:
        return "dead_letter"
    if isinstance(media, Media):
        return None
    if window.evidence_lost:
        return window.evidence_lost
    return _UNSEALED if window.shard is None else media.reason


def _sound(visit: Visit, window: WindowDetail, number: int, zone: str) -> SoundView:
    source = sound_sources(window)[number]
    try:
        sound, begins, failed = _joined(visit, window, number)
    except _Absent as absent:
        return SoundView(number, source, absent.reason)
    picture = draw_spectrogram(sound)
    return SoundView(
        number,
        source,
        None,
        failed_pieces=failed,
        begins=show.local(begins, zone),
        hertz=_ticks_hertz(picture.top_hz),
        seconds=_ticks_seconds(picture.seconds),
        low_db=round(picture.low_db),
        high_db=round(picture.high_db),
    )


class _Absent(Exception):  # noqa: N818 - what is so, not a mistake
    """No piece of a sound can be shown; `reason` is a bounded code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _joined(visit: Visit, window: WindowDetail, number: int) -> tuple[Sound, datetime, int]:
    """Return a source's sound in one piece, its first instant, and how many pieces are lacking."""
    sources = sound_sources(window)
    if number >= len(sources):
        raise visit.refusal(404, "no_item")
    wanted = [(n, e) for n, e in enumerate(window.evidence) if e.source == sources[number]]
    found = visit.desk.archive.read([e for _, e in wanted])
    begins = min(e.time for _, e in wanted)
    pieces: list[tuple[float, Sound]] = []
    reasons: list[str] = []
    for (n, evidence), media in zip(wanted, found, strict=True):
        why = _why(window, n, media)
        if why is not None or isinstance(media, Failed):
            reasons.append(why or "evidence_missing")
            continue
        try:
            sound = decode_sound(media)
        except InputError:
            reasons.append("undecodable")
            continue
        pieces.append(((evidence.time - begins).total_seconds(), sound))
    if not pieces:
        raise _Absent(reasons[0])
    return join_sounds(pieces), begins, len(reasons)


def _ticks_hertz(top_hz: float) -> tuple[tuple[float, str], ...]:
    step = next(s for s in (500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 50_000.0) if top_hz / s <= 6)  # noqa: PLR2004 - six labels fit
    count = int(top_hz // step)
    return tuple(
        (_HEIGHT * (1.0 - n * step / top_hz), f"{n * step / 1000.0:g}")
        for n in range(count + 1)
        if n * step < 0.97 * top_hz
    )


def _ticks_seconds(length: float) -> tuple[tuple[float, str], ...]:
    step = next((s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if length / s <= 12), 30.0)  # noqa: PLR2004 - twelve labels fit
    return tuple(
        (round(100.0 * n * step / length, 3), f"{n * step:g}")
        for n in range(int(length / step) + 1)
    )


def _read_one(visit: Visit, window_id: str, number: int) -> tuple[Evidence, Media]:
    with visit.read() as connection:
        window = find_window(connection, visit, window_id)
    if number >= len(window.evidence):
        raise visit.refusal(404, "no_item")
    evidence = window.evidence[number]
    media = visit.desk.archive.read([evidence])[0]
    if isinstance(media, Failed) or evidence.modality not in (Modality.IMAGE, Modality.AUDIO):
        raise visit.refusal(404, "no_bytes", code="evidence_missing")
    return evidence, media


@router.get("/windows/{window_id}/frames/{number}.jpg", response_class=Response)
def frame(
    visit: Visitor,
    window_id: str,
    number: Number,
    pixels: Annotated[int | None, Query(ge=64, le=1920)] = None,
) -> Response:
    """Return a frame as JPEG, decoded and written anew; `pixels` = its longer side at most."""
    evidence, media = _read_one(visit, window_id, number)
    if evidence.modality is not Modality.IMAGE:
        raise visit.refusal(404, "no_item")
    picture = thumbnail(media, longest=pixels or visit.desk.policy.thumbnail_pixels)
    return Response(picture, media_type="image/jpeg")


@router.get("/windows/{window_id}/items/{number}", response_class=Response)
def original(visit: Visitor, window_id: str, number: Number) -> Response:
    """Return an item's original bytes as a download that no browser renders."""
    evidence, media = _read_one(visit, window_id, number)
    known = media.content_type if media.content_type in _SUFFIXES else _RAW
    suffix = _SUFFIXES.get(media.content_type, "raw")
    name = f"{evidence.modality.value}-{evidence.time:%Y%m%dT%H%M%S%f}.{suffix}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(media.payload, media_type=known, headers=headers)


@router.get("/windows/{window_id}/sounds/{number}.wav", response_class=Response)
def sound(visit: Visitor, window_id: str, number: Number) -> Response:
    """Return the sound of one source in one piece as WAV, written anew."""
    return Response(as_wav(_found_sound(visit, window_id, number)), media_type="audio/wav")


@router.get("/windows/{window_id}/sounds/{number}.png", response_class=Response)
def spectrogram(visit: Visitor, window_id: str, number: Number) -> Response:
    """Return the spectrogram of one source as PNG, without axes."""
    picture = draw_spectrogram(_found_sound(visit, window_id, number))
    return Response(picture.png, media_type="image/png")


def _found_sound(visit: Visit, window_id: str, number: int) -> Sound:
    with visit.read() as connection:
        window = find_window(connection, visit, window_id)
    try:
        return _joined(visit, window, number)[0]
    except _Absent as absent:
        raise visit.refusal(404, "no_bytes", code=absent.reason) from absent
