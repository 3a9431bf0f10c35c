"""Sound for display: chunks joined by their times, a WAV to listen to, a spectrogram to look at."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import soundfile  # type: ignore[import-untyped]  # ships no stubs
from numpy.typing import NDArray

from mmindustry.errors import InputError

_MAX_SECONDS = 120.0
_MIN_RATE_HZ, _MAX_RATE_HZ = 1000, 384_000
_MAX_CHANNELS = 8
_TRANSFORM = 1024
_COLUMNS, _ROWS = 860, 256
_DYNAMIC_DB = 70.0
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


def decode_sound(payload: bytes, *, raw_rate_hz: int) -> Sound:
    """Return archived sound as mono samples.

    Args:
        payload: WAV or FLAC bytes; anything else is taken as 16-bit big-endian PCM (RFC 2586).
        raw_rate_hz: Rate of such raw samples, from the sensor's registration.

    Raises:
        InputError: The bytes are no sound, or it is longer or wider than is shown.
    """
    if payload[:4] not in (b"RIFF", b"RF64", b"fLaC"):
        raw = np.frombuffer(payload[: len(payload) // 2 * 2], ">i2").astype(np.float32)
        return Sound(raw / np.float32(32_768.0), raw_rate_hz)
    try:
        with soundfile.SoundFile(io.BytesIO(payload)) as file:
            rate, channels = int(file.samplerate), int(file.channels)
            if channels > _MAX_CHANNELS or not _MIN_RATE_HZ <= rate <= _MAX_RATE_HZ:
                raise InputError(f"{channels} channels at {rate} Hz can't be shown")
            read = file.read(int(rate * _MAX_SECONDS), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"this sound can't be decoded: {error}") from error
    mono = cast("NDArray[np.float32]", np.asarray(read, np.float32).mean(axis=1))
    return Sound(np.nan_to_num(mono, posinf=0.0, neginf=0.0), rate)


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

    >>> tone = np.sin(np.arange(16000, dtype=np.float32) * 0.5).astype(np.float32)
    >>> draw_spectrogram(Sound(tone, 16000)).top_hz
    8000.0
    """
    power = power_db(sound)
    high = float(np.ceil(power.max() / 10.0) * 10.0)
    low = high - _DYNAMIC_DB
    grey = np.clip((power - low) / _DYNAMIC_DB * 255.0, 0, 255).astype(np.uint8)[::-1]
    sized = cv2.resize(grey, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".png", cv2.applyColorMap(sized, cv2.COLORMAP_CIVIDIS))
    if not done:
        raise InputError("the spectrogram can't be written as PNG")
    return Spectrogram(encoded.tobytes(), sound.seconds, sound.rate_hz / 2.0, low, high)
