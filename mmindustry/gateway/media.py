"""Pictures and recordings of a plan as items: bytes are read when they are sent, not before."""

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from mmindustry.codec.content_type import JPEG, PNG, WAV
from mmindustry.domain import Chunk, Frame, Modality
from mmindustry.errors import InputError
from mmindustry.gateway.files import find_files, own_times
from mmindustry.gateway.item import Item
from mmindustry.gateway.notes import Notes
from mmindustry.gateway.plan import Frames, Sound
from mmindustry.gateway.times import lay, parse_at, parse_shift, parse_span

_PICTURES = {".jpg": JPEG, ".jpeg": JPEG, ".png": PNG}
_RECORDINGS = frozenset((".wav", ".flac", ".ogg", ".aiff", ".aif", ".au", ".w64", ".caf"))


class _Kept(NamedTuple):
    """How samples are kept: numpy type, WAV format code, bits a sample."""

    dtype: str
    code: int
    bits: int


_KEPT = {
    "PCM_24": _Kept("int32", 1, 32),
    "PCM_32": _Kept("int32", 1, 32),
    "FLOAT": _Kept("float32", 3, 32),
    "DOUBLE": _Kept("float64", 3, 64),
}
_SHORT = _Kept("int16", 1, 16)


def frame_items(root: Path, plan: Frames, now: datetime, notes: Notes) -> Iterator[Item]:
    """Return the pictures of a source on the plan's time line.

    Raises:
        InputError: No picture, or one that does not tell its time.
    """
    timed = own_times(find_files(root, plan, frozenset(_PICTURES)), plan, notes)[: plan.limit]
    times = lay(
        [time for time, _ in timed],
        at=parse_at(plan.at, now),
        shift=None if plan.shift is None else parse_shift(plan.shift),
        every=None if plan.every is None else parse_span(plan.every, "every"),
    )
    for time, (_, file) in zip(times, timed, strict=True):
        yield Item(
            time=time,
            due=time,
            source=plan.source,
            asset=plan.asset,
            modality=Modality.IMAGE,
            where=str(file),
            read=partial(_read_frame, file),
        )


def _read_frame(file: Path) -> Frame:
    """Return a picture as it lies there; a damaged one is for the line to judge."""
    try:
        payload = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    return Frame(payload, _PICTURES[file.suffix.lower()], 0, 0)


class _Recording(NamedTuple):
    """What a recording's header tells."""

    file: Path
    rate_hz: int
    frames: int

    @property
    def length(self) -> timedelta:
        return timedelta(microseconds=self.frames * 1_000_000 // self.rate_hz)


def sound_items(root: Path, plan: Sound, now: datetime, notes: Notes) -> Iterator[Item]:
    """Return the recordings of a source, cut into chunks, on the plan's time line.

    By interval they follow one another without a pause, unless `every` says how far apart they
    begin. The last chunk of a recording may be shorter.

    Raises:
        InputError: No recording, one that can't be read or does not tell its time.
    """
    chunk = parse_span(plan.chunk, "chunk")
    files = own_times(find_files(root, plan, _RECORDINGS), plan, notes)
    recordings = [(time, _look(file)) for time, file in files]
    every = None if plan.every is None else parse_span(plan.every, "every")
    if plan.time == "interval" and every is None:
        begin, own = recordings[0][0], []
        for _, recording in recordings:
            own.append(begin)
            begin += recording.length
    else:
        own = [time for time, _ in recordings]
    shift = None if plan.shift is None else parse_shift(plan.shift)
    begins = lay(own, at=parse_at(plan.at, now), shift=shift, every=every)
    left = plan.limit
    for begin, (_, recording) in zip(begins, recordings, strict=True):
        for item in _chunks(plan, recording, begin, chunk):
            if left == 0:
                return
            left = None if left is None else left - 1
            yield item


def _chunks(
    plan: Sound, recording: _Recording, begin: datetime, chunk: timedelta
) -> Iterator[Item]:
    """Return one recording's chunks."""
    length = max(round(chunk / timedelta(seconds=1) * recording.rate_hz), 1)
    for start in range(0, recording.frames, length):
        frames = min(length, recording.frames - start)
        time = begin + timedelta(microseconds=start * 1_000_000 // recording.rate_hz)
        yield Item(
            time=time,
            due=time + timedelta(microseconds=frames * 1_000_000 // recording.rate_hz),
            source=plan.source,
            asset=plan.asset,
            modality=Modality.AUDIO,
            where=f"{recording.file} from frame {start}",
            read=partial(_read_chunk, recording.file, start, frames),
        )


def _look(file: Path) -> _Recording:
    try:
        info = soundfile.info(file)
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(f"{file}: no recording that can be read: {error}") from error
    if info.frames < 1:
        raise InputError(f"{file}: the recording is empty")
    return _Recording(file, int(info.samplerate), int(info.frames))


def _read_chunk(file: Path, start: int, frames: int) -> Chunk:
    """Return a stretch of a recording as WAV, its samples untouched."""
    try:
        with soundfile.SoundFile(file) as opened:
            kept = _KEPT.get(opened.subtype, _SHORT)
            opened.seek(start)
            samples = opened.read(frames, dtype=kept.dtype, always_2d=True)
            rate = int(opened.samplerate)
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(f"{file}: {error}") from error
    return _wav(samples, rate, kept)


def _wav(samples: NDArray[np.generic], rate: int, kept: _Kept) -> Chunk:
    """Return samples, shape (frames, channels), as a WAV without any date: the same each time."""
    frames, channels = samples.shape
    data = samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()
    block = channels * kept.bits // 8
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        kept.code,
        channels,
        rate,
        rate * block,
        block,
        kept.bits,
        b"data",
        len(data),
    )
    return Chunk(head + data, WAV, rate, channels, frames)
