"""Sound for display: chunks joined by their times, a WAV to listen to, a spectrogram to look at."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.sounds import decode_chunk
from mmindustry.domain import Media
from mmindustry.errors import DecodeError, InputError

_MAX_SECONDS = 120.0
_FULL_SCALE = 32_768.0
_TRANSFORM = 1024
_COLUMNS, _ROWS = 860, 256
_LEAST_DB, _MOST_DB = 40.0, 90.0
_FLOOR_POWER = 1e-12


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono samples in -1..1, shape (time,), and their rate."""

    samples: NDArray[np.float32]
    rate_hz: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """A picture of a sound: PNG bytes and what its axes and colours mean."""

    png: bytes
    seconds: float
    top_hz: float
    low_db: float
    high_db: float


def decode_sound(media: Media) -> Sound:
    """Return archived sound (WAV, FLAC or bare PCM) as mono samples; channels are averaged.

    The header is held to the codec's limits before anything is decoded.

    Raises:
        InputError: The bytes are no sound that can be decoded; it says why.
    """
    try:
        chunk, _ = decode_chunk(media.payload, media.content_type, CodecPolicy())
    except DecodeError as error:
        raise InputError(f"this sound can't be shown: {error}") from error
    if chunk.content_type.startswith("audio/L16"):
        raw = np.frombuffer(media.payload, ">i2").astype(np.float32) / np.float32(_FULL_SCALE)
        return Sound(_mono(raw.reshape(-1, chunk.channels)), chunk.rate_hz)
    try:
        with soundfile.SoundFile(io.BytesIO(media.payload)) as file:
            read = file.read(int(chunk.rate_hz * _MAX_SECONDS), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"this sound can't be decoded: {error}") from error
    return Sound(_mono(read), chunk.rate_hz)


def _mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    return np.clip(np.nan_to_num(mean, posinf=0.0, neginf=0.0), -1.0, 1.0)


def join_sounds(pieces: Sequence[tuple[float, Sound]]) -> Sound:
    """Return pieces as one sound, each at its offset in seconds; silence where none is.

    Pieces of another rate than the first are left out: they are not one recording.

    Raises:
        InputError: There is no piece.
    """
    if not pieces:
        raise InputError("there is no sound to show")
    ordered = sorted(pieces, key=lambda piece: piece[0])
    start, rate = ordered[0][0], ordered[0][1].rate_hz
    fitting = [
        (round((offset - start) * rate), s.samples) for offset, s in ordered if s.rate_hz == rate
    ]
    length = min(max(at + len(samples) for at, samples in fitting), int(_MAX_SECONDS * rate))
    whole = np.zeros(length, np.float32)
    for at, samples in fitting:
        room = whole[at : at + len(samples)]
        room[:] = samples[: len(room)]
    return Sound(whole, rate)


def as_wav(sound: Sound) -> bytes:
    """Return a sound as a 16-bit PCM WAV file."""
    target = io.BytesIO()
    soundfile.write(target, sound.samples, sound.rate_hz, format="WAV", subtype="PCM_16")
    wav: bytes = target.getvalue()
    return wav


def power_db(sound: Sound) -> NDArray[np.float32]:
    """Return the short-time power in dB relative to full scale, shape (513, columns).

    Hann windows of 1024 samples; the hop is chosen so that at most 860 columns result.
    """
    samples = sound.samples
    if len(samples) < _TRANSFORM:
        samples = np.pad(samples, (0, _TRANSFORM - len(samples)))
    hop = max(_TRANSFORM // 4, (len(samples) - _TRANSFORM) // _COLUMNS + 1)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _TRANSFORM)[::hop]
    taper = np.hanning(_TRANSFORM).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(frames * taper, axis=1)) * (2.0 / taper.sum())
    level: NDArray[np.float32] = 10.0 * np.log10(np.square(spectrum.T) / 2.0 + _FLOOR_POWER)
    return level.astype(np.float32)


def draw_spectrogram(sound: Sound) -> Spectrogram:
    """Return the picture of a sound: time to the right, frequency up, louder is brighter.

    The colours span from the quietest tenth to the loudest thousandth, 40 to 90 dB.

    >>> tone = np.sin(np.arange(16000, dtype=np.float32) * 0.5).astype(np.float32)
    >>> draw_spectrogram(Sound(tone, 16000)).top_hz
    8000.0
    """
    power = power_db(sound)
    high = float(np.ceil(np.percentile(power, 99.9) / 10.0) * 10.0)
    floor = float(np.floor(np.percentile(power, 10.0) / 10.0) * 10.0)
    low = max(min(floor, high - _LEAST_DB), high - _MOST_DB)
    grey = np.clip((power - low) / (high - low) * 255.0, 0, 255).astype(np.uint8)[::-1]
    sized = cv2.resize(grey, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".png", cv2.applyColorMap(sized, cv2.COLORMAP_CIVIDIS))
    if not done:
        raise InputError("the spectrogram can't be written as PNG")
    return Spectrogram(encoded.tobytes(), sound.seconds, sound.rate_hz / 2.0, low, high)
