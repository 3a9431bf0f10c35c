"""Log entries, as JSON or plain text, and operating states, as JSON."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, TypeVar

import msgspec

from mmindustry.codec.content_type import JSON, PLAIN, parse_content_type
from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.rfc3339 import parse_duration, parse_time
from mmindustry.domain import LogEntry, OperatingState
from mmindustry.errors import DecodeError

_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CHARSETS: Mapping[str, str] = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
}


class LogV1(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A line a person wrote, or a work order."""

    text: str
    author: Annotated[str, msgspec.Meta(max_length=256, description="Who wrote it.")] | None = None
    written_at: (
        Annotated[str, msgspec.Meta(description="When it was written, RFC 3339 with zone.")] | None
    ) = None
    time_precision: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h|d)$",
                description="How coarse ce_time is, such as 1d; ce_time is the span's beginning.",
            ),
        ]
        | None
    ) = None


class StateV1(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The operating point; a field that is absent is unknown, never zero."""

    running: bool | None = None
    speed_rpm: (
        Annotated[
            float,
            msgspec.Meta(ge=0, le=1_000_000, description="Shaft speed in revolutions a minute."),
        ]
        | None
    ) = None
    load_ratio: (
        Annotated[float, msgspec.Meta(ge=0, le=2, description="Load; 1 = nominal.")] | None
    ) = None


_LOG = msgspec.json.Decoder(LogV1)
_STATE = msgspec.json.Decoder(StateV1)
_Read = TypeVar("_Read")


def decode_entry(
    payload: bytes, content_type: str | None, policy: CodecPolicy
) -> tuple[LogEntry, tuple[str, ...]]:
    """Return the entry and flags.

    Raises:
        DecodeError: `header_missing`, `content_type_unsupported`, one of the `text_`, `time_`
            and `json_` reasons, or `schema_invalid`.
    """
    if content_type is None:
        raise DecodeError("header_missing", "content-type: text/plain or application/json")
    essence, parameters = parse_content_type(content_type)
    if essence == PLAIN:
        text = _plain(payload, parameters.get("charset", "utf-8"))
        kept, flags = clean(text, policy.text_characters)
        return LogEntry(kept), flags
    if essence != JSON:
        raise DecodeError("content_type_unsupported", f"{essence:.80}")
    return _entry(read_json(_LOG, payload), policy)


def _entry(told: LogV1, policy: CodecPolicy) -> tuple[LogEntry, tuple[str, ...]]:
    """Return the domain's entry for one that came as JSON."""
    text, flags = clean(told.text, policy.text_characters)
    author = told.author
    if author is not None and not author.strip():
        author = None
    elif author is not None:
        author, more = clean(author, policy.text_characters)
        flags = tuple(sorted({*flags, *more}))
    written_at = None if told.written_at is None else parse_time(told.written_at)
    precision = timedelta(0)
    if told.time_precision is not None:
        try:
            precision = parse_duration(told.time_precision)
        except ValueError as error:
            raise DecodeError("schema_invalid", f"time_precision: {error}") from error
    return LogEntry(text, author, written_at, precision), flags


def _plain(payload: bytes, charset: str) -> str:
    """Return plain text in the charset that the sender named."""
    codec = _CHARSETS.get(charset.lower())
    if codec is None:
        raise DecodeError("content_type_unsupported", f"charset {charset!r:.40}")
    try:
        return payload.decode(codec)
    except UnicodeDecodeError as error:
        raise DecodeError("text_not_utf8", f"byte {error.start} is not {charset:.40}") from error


def clean(text: str, most: int) -> tuple[str, tuple[str, ...]]:
    r"""Return `text` fit for every store, at most `most` characters, and flags in order of name.

    NUL becomes U+FFFD, for PostgreSQL can't hold it; other control characters are kept.

    Raises:
        DecodeError: `text_empty`.

    >>> clean("oil\x00leak", 99)
    ('oil�leak', ('nul_replaced',))
    """
    if len(text) <= most and text.isprintable() and not text.isspace() and text:
        return text, ()
    flags = []
    if _BIDI.search(text):
        flags.append("bidi_controls")
    if _CONTROL.search(text):
        flags.append("control_characters")
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
        flags.append("nul_replaced")
    if len(text) > most:
        text = text[:most]
        flags.append("text_cut")
    if not text.strip():
        raise DecodeError("text_empty", "nothing but white space")
    return text, tuple(flags)


def decode_state(
    payload: bytes, content_type: str | None, policy: CodecPolicy
) -> tuple[OperatingState, tuple[str, ...]]:
    """Return the operating state; it is always JSON.

    Raises:
        DecodeError: `content_type_unsupported`, `json_invalid` or `schema_invalid`.
    """
    del policy  # its limits are in the schema
    if content_type is not None and parse_content_type(content_type).essence != JSON:
        raise DecodeError("content_type_unsupported", f"{content_type:.80}")
    told = read_json(_STATE, payload)
    return OperatingState(told.running, told.speed_rpm, told.load_ratio), ()


def read_json(decoder: msgspec.json.Decoder[_Read], payload: bytes) -> _Read:
    """Return what `decoder` reads.

    Raises:
        DecodeError: `schema_invalid`, `json_invalid`.
    """
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise DecodeError("schema_invalid", f"{error!s:.200}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError("json_invalid", f"{error!s:.200}") from error
