"""Media types: what a sender says its bytes are."""

from collections.abc import Mapping
from typing import NamedTuple

JPEG = "image/jpeg"
PNG = "image/png"
WAV = "audio/wav"
FLAC = "audio/flac"
JSON = "application/json"
PLAIN = "text/plain"

_SYNONYMS: Mapping[str, str] = {
    "image/jpg": JPEG,
    "image/pjpeg": JPEG,
    "audio/x-wav": WAV,
    "audio/wave": WAV,
    "audio/vnd.wave": WAV,
    "audio/x-flac": FLAC,
}


class ContentType(NamedTuple):
    """A media type in lower case without its synonyms, and its parameters."""

    essence: str
    parameters: Mapping[str, str]


def parse_content_type(text: str) -> ContentType:
    """Return the parts of a media type (RFC 9110 8.3.1); never fails, unknown stays unknown.

    >>> parse_content_type("Audio/L16; rate=16000").parameters["rate"]
    '16000'
    """
    essence, semicolon, rest = text.partition(";")
    essence = essence.strip().lower()
    parameters: dict[str, str] = {}
    if semicolon:
        for part in rest.split(";"):
            name, _, value = part.partition("=")
            parameters[name.strip().lower()] = value.strip().strip('"')
    return ContentType(_SYNONYMS.get(essence, essence), parameters)


def l16(rate_hz: int, channels: int) -> str:
    """Return the media type of bare 16-bit sound: signed, big-endian (RFC 2586), interleaved.

    >>> l16(16000, 1)
    'audio/L16;rate=16000;channels=1'
    """
    return f"audio/L16;rate={rate_hz};channels={channels}"
