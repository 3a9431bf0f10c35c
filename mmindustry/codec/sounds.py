"""WAV and FLAC headers and bare PCM: rate, channels, length and limits, before any decoding.

Sources: Microsoft/IBM RIFF 1991 and WAVEFORMATEXTENSIBLE; RFC 9639 (FLAC) section 8.2;
RFC 2586 (audio/L16: signed 16 bit, big-endian, interleaved).
"""

import struct
from typing import NamedTuple

from mmindustry.codec.content_type import FLAC, WAV, ContentType, l16, parse_content_type
from mmindustry.codec.policy import CodecPolicy
from mmindustry.domain import Chunk
from mmindustry.errors import DecodeError

_L16 = "audio/l16"
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}
_EXTENSIBLE_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_MOST_CHUNKS = 1024
_STREAMINFO_BYTES = 34


class _Sound(NamedTuple):
    """What a header says; `frames` are samples a channel that are truly there."""

    content_type: str
    rate_hz: int
    channels: int
    frames: int
    truncated: bool = False


class _Format(NamedTuple):
    """The `fmt ` chunk of a WAV."""

    rate_hz: int
    channels: int
    frame_bytes: int


def decode_chunk(
    payload: bytes, content_type: str | None, policy: CodecPolicy
) -> tuple[Chunk, tuple[str, ...]]:
    """Return the chunk by what its bytes truly are, and flags; the samples stay encoded.

    Raises:
        DecodeError: One of the `audio_` reasons, or `header_missing`.
    """
    declared = None if content_type is None else parse_content_type(content_type)
    if payload[:4] == b"RIFF" and payload[8:12] == b"WAVE":
        sound = _wav(payload)
    elif payload[:4] == b"fLaC" and _first_block(payload) == (0, _STREAMINFO_BYTES):
        sound = _flac(payload)
    elif declared is None:
        raise DecodeError("header_missing", "content-type: the bytes are neither WAV nor FLAC")
    elif declared.essence == _L16:
        sound = _bare(payload, declared)
    else:
        raise DecodeError("audio_unsupported", f"{declared.essence:.60}: {payload[:8]!r}")
    _check(sound, policy)
    flags = ("audio_truncated",) if sound.truncated else ()
    if declared is not None and declared.essence != parse_content_type(sound.content_type).essence:
        flags = (*flags, "content_type_corrected")
    chunk = Chunk(payload, sound.content_type, sound.rate_hz, sound.channels, sound.frames)
    return chunk, flags


def _check(sound: _Sound, policy: CodecPolicy) -> None:
    """Refuse what lies outside the limits."""
    rate, channels, frames = sound.rate_hz, sound.channels, sound.frames
    if not policy.audio_rate_min_hz <= rate <= policy.audio_rate_max_hz:
        raise DecodeError(
            "audio_rate_invalid",
            f"{rate} Hz; {policy.audio_rate_min_hz}..{policy.audio_rate_max_hz}",
        )
    if not 1 <= channels <= policy.audio_channels:
        raise DecodeError("audio_channels_invalid", f"{channels}; 1..{policy.audio_channels}")
    if frames < 1:
        raise DecodeError("audio_empty", "no frame of sound")
    if frames > rate * policy.audio_seconds or frames * channels > policy.audio_samples:
        raise DecodeError(
            "audio_too_long",
            f"{frames / rate:.1f} s, {frames * channels} samples; at most "
            f"{policy.audio_seconds} s and {policy.audio_samples} samples",
        )


def _bare(payload: bytes, declared: ContentType) -> _Sound:
    """Return what the media type's parameters and the payload's length say."""
    try:
        rate = int(declared.parameters["rate"])
        channels = int(declared.parameters.get("channels", "1"))
    except KeyError as error:
        raise DecodeError("audio_rate_invalid", "audio/L16 needs `;rate=`") from error
    except ValueError as error:
        raise DecodeError("audio_corrupt", f"audio/L16: {error!s:.80}") from error
    if channels < 1:
        raise DecodeError("audio_channels_invalid", f"{channels} channels")
    frames, rest = divmod(len(payload), 2 * channels)
    if rest:
        raise DecodeError("audio_corrupt", f"{len(payload)} bytes are no whole frames of L16")
    return _Sound(l16(rate, channels), rate, channels, frames)


def _wav(payload: bytes) -> _Sound:
    """Return what the `fmt ` chunk and the bytes of the `data` chunk say."""
    position, form = 12, None
    for _ in range(_MOST_CHUNKS):
        if position + 8 > len(payload):
            raise DecodeError("audio_corrupt", "the WAV has no data chunk")
        name = payload[position : position + 4]
        size = int.from_bytes(payload[position + 4 : position + 8], "little")
        position += 8
        if name == b"fmt ":
            form = _wav_format(payload[position : position + min(size, 40)])
        elif name == b"data":
            if form is None:
                raise DecodeError("audio_corrupt", "the WAV's data stand before their format")
            return _wav_data(form, size, len(payload) - position)
        position += size + (size & 1)
    raise DecodeError("audio_corrupt", f"more than {_MOST_CHUNKS} chunks before the WAV's data")


def _wav_data(form: _Format, told: int, present: int) -> _Sound:
    """Return the sound that is there; a header that promises more is noted."""
    held = min(told, present)
    frames = held // form.frame_bytes
    truncated = told > present or held % form.frame_bytes != 0
    return _Sound(WAV, form.rate_hz, form.channels, frames, truncated)


def _wav_format(body: bytes) -> _Format:
    """Return the checked `fmt ` chunk."""
    if len(body) < 16:  # noqa: PLR2004 - the shortest there is
        raise DecodeError("audio_corrupt", "the WAV's format chunk is too short")
    code, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if code == _EXTENSIBLE:
        code = int.from_bytes(body[24:26], "little") if body[26:40] == _EXTENSIBLE_TAIL else 0
    if bits not in _BITS.get(code, ()):
        raise DecodeError("audio_unsupported", f"WAV format {code} of {bits} bit")
    if channels == 0:
        raise DecodeError("audio_channels_invalid", "0 channels")
    if frame_bytes != channels * bits // 8:
        raise DecodeError(
            "audio_corrupt", f"{channels} x {bits} bit is not {frame_bytes} bytes a frame"
        )
    return _Format(rate, channels, frame_bytes)


def _first_block(payload: bytes) -> tuple[int, int]:
    """Return type and length of the first FLAC metadata block."""
    return payload[4] & 0x7F if len(payload) > 4 else -1, int.from_bytes(payload[5:8], "big")  # noqa: PLR2004 - the magic


def _flac(payload: bytes) -> _Sound:
    """Return what STREAMINFO says."""
    body = payload[8 : 8 + _STREAMINFO_BYTES]
    if len(body) < _STREAMINFO_BYTES:
        raise DecodeError("audio_corrupt", "the FLAC ends in its stream info")
    packed = int.from_bytes(body[10:18], "big")
    rate, channels, frames = packed >> 44, (packed >> 41 & 7) + 1, packed & 0xFFFFFFFFF
    if frames == 0:
        raise DecodeError("audio_empty", "the FLAC tells no length (or none)")
    return _Sound(FLAC, rate, channels, frames)
