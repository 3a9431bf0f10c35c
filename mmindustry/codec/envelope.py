"""CloudEvents 1.0 on Kafka: binary and structured mode, read strictly.

Sources: CloudEvents 1.0.2 core specification and its Kafka protocol binding (section 3).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from mmindustry.codec.content_type import JSON, parse_content_type
from mmindustry.domain import Message, Modality
from mmindustry.errors import DecodeError

TYPES: Mapping[str, Modality] = {
    "io.mmindustry.frame.v1": Modality.IMAGE,
    "io.mmindustry.audio.v1": Modality.AUDIO,
    "io.mmindustry.log.v1": Modality.TEXT,
    "io.mmindustry.state.v1": Modality.STATE,
}
"""ce_type -> modality; a version stays readable for ever."""

ASSET_PATTERN = "[a-z0-9-]+(?:/[a-z0-9-]+){3}"
"""site/area/line/asset."""

LONGEST_ATTRIBUTE = 256
"""Most characters of an attribute: it becomes a key of the record."""

_SPECVERSION = "1.0"
_REQUIRED = ("specversion", "id", "source", "type", "subject")
_KNOWN = {"ce_time": "time", "content-type": "content-type"} | {
    f"ce_{name}": name for name in _REQUIRED
}
_ASSET = re.compile(ASSET_PATTERN, re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_TEXTUAL = ("text/", "application/json")


class Envelope(NamedTuple):
    """What an event says of itself, and its payload's bytes. `time` None: not told."""

    id: str
    source: str
    type: str
    subject: str
    time: str | None
    content_type: str | None
    data: bytes


class _Structured(msgspec.Struct, frozen=True):
    """The JSON event format; extensions are ignored."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: str | None = None


_STRUCTURED = msgspec.json.Decoder(_Structured)
_STRING = msgspec.json.Decoder(str)


def read_envelope(message: Message) -> Envelope:
    """Return the envelope of a message in either mode, its attributes checked by themselves.

    Raises:
        DecodeError: With a reason of `codec.reasons`.
    """
    value = message.value
    if not value:
        raise DecodeError("empty", "the value is null" if value is None else "the value is empty")
    attributes = _attributes(message.headers)
    content_type = attributes.get("content-type")
    if content_type is not None and content_type.lower().startswith("application/cloudevents"):
        envelope = _structured(attributes, content_type, value)
    else:
        envelope = _binary(attributes, value)
    _check(envelope)
    return envelope


def _attributes(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Return the headers that matter as text, by attribute name."""
    found: dict[str, str] = {}
    for name, raw in headers:
        attribute = _KNOWN.get(name)
        if attribute is None:
            continue
        if attribute in found:
            raise DecodeError("header_repeated", name)
        if not raw or raw.isspace():
            raise DecodeError("header_empty", name)
        try:
            found[attribute] = raw.decode()
        except UnicodeDecodeError as error:
            raise DecodeError("header_not_utf8", f"{name}: {error.reason}") from error
    return found


def _binary(attributes: Mapping[str, str], value: bytes) -> Envelope:
    """Return the envelope whose attributes stand in the headers."""
    for name in _REQUIRED:
        if name not in attributes:
            raise DecodeError("header_missing", f"ce_{name}")
    if attributes["specversion"] != _SPECVERSION:
        raise DecodeError("specversion_unsupported", f"{attributes['specversion']:.40}")
    return Envelope(
        attributes["id"],
        attributes["source"],
        attributes["type"],
        attributes["subject"],
        attributes.get("time"),
        attributes.get("content-type"),
        value,
    )


def _structured(attributes: Mapping[str, str], content_type: str, value: bytes) -> Envelope:
    """Return the envelope that stands in the value as JSON."""
    essence = parse_content_type(content_type).essence
    if essence.startswith("application/cloudevents-batch"):
        raise DecodeError("batch_unsupported", f"{content_type:.80}")
    if essence not in ("application/cloudevents+json", "application/cloudevents"):
        raise DecodeError("content_type_unsupported", f"{content_type:.80}")
    event = _decode_structured(value)
    if event.specversion != _SPECVERSION:
        raise DecodeError("specversion_unsupported", f"{event.specversion:.40}")
    for name in (*_REQUIRED, "time"):
        if name in attributes and attributes[name] != getattr(event, name):
            raise DecodeError("structured_mismatch", f"ce_{name} differs from `{name}`")
    inner = event.datacontenttype or JSON
    return Envelope(
        event.id, event.source, event.type, event.subject, event.time, inner, _data(event, inner)
    )


def _decode_structured(value: bytes) -> _Structured:
    """Return the parsed JSON event."""
    try:
        return _STRUCTURED.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError("structured_invalid", f"{error!s:.200}") from error


def _data(event: _Structured, content_type: str) -> bytes:
    """Return the payload's bytes, from `data_base64` or from `data`."""
    if event.data_base64 is not None:
        if event.data is not msgspec.UNSET:
            raise DecodeError("structured_invalid", "both `data` and `data_base64`")
        return _from_base64(event.data_base64)
    if isinstance(event.data, msgspec.UnsetType):
        raise DecodeError("empty", "neither `data` nor `data_base64`")
    essence = parse_content_type(content_type).essence
    if essence == JSON or essence.endswith("+json"):
        return bytes(event.data)
    if not essence.startswith(_TEXTUAL):
        raise DecodeError("structured_invalid", f"{essence:.80} belongs into `data_base64`")
    try:
        return _STRING.decode(event.data).encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DecodeError("structured_invalid", f"`data`: {error!s:.200}") from error


def _from_base64(text: str) -> bytes:
    """Return the bytes of strict base64 (RFC 4648 section 4)."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("structured_invalid", f"`data_base64`: {error}") from error
    if not data:
        raise DecodeError("empty", "`data_base64` is empty")
    return data


def _check(envelope: Envelope) -> None:
    """Refuse what no record could hold: control characters, endless names, bad paths."""
    for name, text in (("id", envelope.id), ("source", envelope.source)):
        if not text.strip():
            raise DecodeError("header_empty", f"ce_{name}")
        if len(text) > LONGEST_ATTRIBUTE:
            raise DecodeError(
                "header_invalid", f"ce_{name}: {len(text)} characters, at most {LONGEST_ATTRIBUTE}"
            )
        if not text.isprintable() and _CONTROL.search(text):
            raise DecodeError("header_invalid", f"ce_{name}: control characters in {text!r:.80}")
    subject = envelope.subject
    if len(subject) > LONGEST_ATTRIBUTE or _ASSET.fullmatch(subject) is None:
        raise DecodeError("path_invalid", f"{subject!r:.80}: expected site/area/line/asset")
    if envelope.type not in TYPES:
        raise DecodeError("type_unknown", f"{envelope.type!r:.80}")
