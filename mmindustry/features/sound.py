"""Encoded sound -> mono float samples at the recipe's rate, bounded and finite."""

import math
import struct
from io import BytesIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from mmindustry.domain import Chunk
from mmindustry.errors import FeatureError
from mmindustry.features.policy import FeaturePolicy

Samples = NDArray[np.float32]

_PCM16 = np.float32(1.0 / 32768.0)
_WAV_PCM = 1
_BITS = 16


def decode(chunk: Chunk, rate_hz: int, policy: FeaturePolicy) -> Samples:
    """Return the chunk as mono samples in -1..1 at `rate_hz`, shape (time,).

    Channels are averaged. Values beyond full scale are clipped to it.

    Args:
        chunk: WAV, FLAC or `audio/L16` (big-endian, RFC 3551 section 4.5.11).
        rate_hz: The rate wanted; other rates are converted by soxr.
        policy: Limits of decoding.

    Raises:
        FeatureError: `audio_corrupt`, `audio_too_long` or `audio_not_finite`.
    """
    samples = _channels(chunk, policy)
    if not samples.size:
        raise FeatureError("audio_corrupt", "no sample could be read")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    lowest, highest = float(mono.min()), float(mono.max())
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        raise FeatureError("audio_not_finite", "the sound holds NaN or infinite samples")
    if lowest < -1.0 or highest > 1.0:
        mono = np.clip(mono, -1.0, 1.0)
    return mono if chunk.rate_hz == rate_hz else convert(mono, chunk.rate_hz, rate_hz)


def convert(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Return the samples at another rate (soxr, high quality; imported when first needed)."""
    # Imported here: plants with 16 kHz sound never load it.
    from soxr import resample  # type: ignore[import-untyped]  # noqa: PLC0415

    converted: Samples = np.asarray(resample(samples, from_hz, to_hz, quality="HQ"), np.float32)
    return converted


def _channels(chunk: Chunk, policy: FeaturePolicy) -> Samples:
    """Return float samples of shape (time, channels)."""
    limit = int(policy.chunk_seconds * chunk.rate_hz)
    kind = chunk.content_type.partition(";")[0].strip().lower()
    if kind == "audio/l16":
        return _pcm(chunk.payload, ">i2", chunk.channels, limit)
    body = _wav_pcm16(chunk) if chunk.payload.startswith(b"RIFF") else None
    if body is not None:
        return _pcm(body, "<i2", chunk.channels, limit)
    return _blocks(chunk, limit, policy.block_frames)


def _pcm(body: bytes | memoryview, dtype: str, channels: int, limit: int) -> Samples:
    frames = len(body) // (2 * channels)
    if frames > limit:
        raise FeatureError("audio_too_long", f"{frames} frames, at most {limit}")
    whole = np.frombuffer(body, dtype, count=frames * channels).reshape(frames, channels)
    return whole.astype(np.float32) * _PCM16


def _wav_pcm16(chunk: Chunk) -> memoryview | None:
    """Return the data of a plain 16-bit WAV, which needs no library; None for any other WAV.

    A `data` size that lies is cut to what is there, as libsndfile does.
    """
    view, at, plain = memoryview(chunk.payload), 12, False
    try:
        while at + 8 <= len(view):
            name, size = bytes(view[at : at + 4]), int(struct.unpack_from("<I", view, at + 4)[0])
            if name == b"fmt ":
                code, channels, _, _, _, bits = struct.unpack_from("<HHIIHH", view, at + 8)
                plain = (code, channels, bits) == (_WAV_PCM, chunk.channels, _BITS)
            if name == b"data":
                return view[at + 8 : at + 8 + size] if plain else None
            at += 8 + size + size % 2
    except struct.error:
        return None
    return None


def _blocks(chunk: Chunk, limit: int, block_frames: int) -> Samples:
    """Read what libsndfile knows block by block, and stop where the header's length is passed."""
    read: list[Samples] = []
    frames = 0
    try:
        with soundfile.SoundFile(BytesIO(chunk.payload)) as file:
            while (block := file.read(block_frames, dtype="float32", always_2d=True)).size:
                frames += len(block)
                if frames > limit:
                    raise FeatureError("audio_too_long", f"over {limit} frames, at most that")
                read.append(block)
    except soundfile.LibsndfileError as error:
        raise FeatureError("audio_corrupt", str(error)) from error
    if not read:
        raise FeatureError("audio_corrupt", f"{len(chunk.payload)} bytes hold no sound")
    return np.concatenate(read)
