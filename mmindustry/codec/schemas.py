"""The contract with the plant as documents: JSON Schemas, AsyncAPI and examples, from the code.

`mmindustry schemas write` puts them under `schemas/`; a test fails where they are out of date.
Sources: JSON Schema 2020-12; AsyncAPI 3.0.0; CloudEvents 1.0.2 and its Kafka binding.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from mmindustry.codec.content_type import FLAC, JPEG, JSON, PLAIN, PNG, WAV, l16
from mmindustry.codec.encode import Content, Encoded, encode, modality_of
from mmindustry.codec.envelope import ASSET_PATTERN, LONGEST_ATTRIBUTE, TYPES
from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.reasons import FLAGS, REASONS
from mmindustry.codec.texts import LogV1, StateV1
from mmindustry.domain import Chunk, Frame, LogEntry, Modality, OperatingState

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIME_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:]{8}(\.[0-9]{1,12})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_CONTENT_TYPES: Mapping[Modality, tuple[str, ...]] = {
    Modality.IMAGE: (JPEG, PNG),
    Modality.AUDIO: (WAV, FLAC, l16(16_000, 1)),
    Modality.TEXT: (JSON, PLAIN),
    Modality.STATE: (JSON,),
}
_TITLES: Mapping[Modality, str] = {
    Modality.IMAGE: "A camera frame: JPEG or PNG bytes",
    Modality.AUDIO: "A stretch of sound: WAV, FLAC, or bare 16-bit samples (L16: big-endian)",
    Modality.TEXT: "A line a person wrote, or a work order",
    Modality.STATE: "The operating point of a machine",
}
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
"""A PNG of one black pixel."""
_ASSET = "north/press/line-1/pump-1"
_AT = datetime(2026, 3, 1, 8, 15, 0, 250_000, tzinfo=UTC)


def documents(policy: CodecPolicy) -> dict[str, str]:
    """Return file name -> text of every document, for the topics and limits of `policy`."""
    found: dict[str, object] = {
        "envelope.schema.json": envelope_schema(),
        "log.v1.schema.json": _payload_schema(LogV1, "log.v1"),
        "state.v1.schema.json": _payload_schema(StateV1, "state.v1"),
        "asyncapi.json": asyncapi(policy),
        "dead-letters.json": {"reasons": dict(REASONS), "flags": dict(FLAGS)},
    }
    for name, content in examples().items():
        found[f"examples/{name}.json"] = _example(name, content, policy)
        found[f"examples/{name}.structured.json"] = _structured(name, content)
    return {name: _text(document) for name, document in sorted(found.items())}


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def envelope_schema() -> dict[str, Any]:
    """Return the schema of an event in structured mode; binary mode has the same attributes."""
    name = {"type": "string", "minLength": 1, "maxLength": LONGEST_ATTRIBUTE}
    attributes: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "id": name | {"description": "Unique within its source; the same again is one event."},
        "source": name | {"description": "The sensor."},
        "type": {"enum": list(TYPES)},
        "time": {
            "type": "string",
            "pattern": _TIME_PATTERN,
            "description": "Event time, the first instant; RFC 3339 with a zone, from 1990 on. "
            "Without it the append time stands for it.",
        },
        "subject": {
            "type": "string",
            "pattern": f"^{ASSET_PATTERN}$",
            "maxLength": LONGEST_ATTRIBUTE,
            "description": "The asset: site/area/line/asset. Also the message's key.",
        },
        "datacontenttype": {"type": "string"},
        "data": {"description": "JSON payload, or text."},
        "data_base64": {"type": "string", "contentEncoding": "base64"},
    }
    return {
        "$schema": _DIALECT,
        "title": "A CloudEvent as mmindustry takes it",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject"],
        "oneOf": [{"required": ["data"]}, {"required": ["data_base64"]}],
        "properties": attributes,
    }


def _payload_schema(kind: type[msgspec.Struct], title: str) -> dict[str, Any]:
    """Return the schema of a JSON payload."""
    (schema,), components = msgspec.json.schema_components([kind])
    body = components.pop(kind.__name__, schema)
    return {"$schema": _DIALECT, "title": title, **{k: v for k, v in body.items() if k != "title"}}


def asyncapi(policy: CodecPolicy) -> dict[str, Any]:
    """Return the AsyncAPI 3 document of the input topics and their dead letters."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for kind, modality in TYPES.items():
        name = kind.removeprefix("io.mmindustry.")
        topic = policy.topic_of(modality)
        messages[name] = _message(kind, modality)
        channels[modality.value] = _channel(topic, name, _TITLES[modality])
        channels[f"{modality.value}-dead-letters"] = _channel(
            f"{topic}.dlq", name, f"What could not be used of {topic}, with mmindustry_dlq_ headers"
        )
        operations[f"read-{modality.value}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{modality.value}"},
        }
        operations[f"refuse-{modality.value}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{modality.value}-dead-letters"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "mmindustry",
            "version": "1",
            "description": "CloudEvents 1.0 in Kafka binary mode; structured mode is read too. "
            "Key: the asset path; partition: murmur2 of the key, the same count for all inputs; "
            "message.timestamp.type: LogAppendTime.",
        },
        "defaultContentType": JSON,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _channel(topic: str, message: str, description: str) -> dict[str, Any]:
    return {
        "address": topic,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _message(kind: str, modality: Modality) -> dict[str, Any]:
    """Return a message's headers and payload as AsyncAPI tells them."""
    attributes = envelope_schema()["properties"]
    headers = {
        f"ce_{name}": attributes[name]
        for name in ("specversion", "id", "source", "time", "subject")
    }
    headers["ce_type"] = {"const": kind}
    headers["content-type"] = {"type": "string", "examples": list(_CONTENT_TYPES[modality])}
    payload: dict[str, Any] = {"type": "string", "format": "binary"}
    if modality in (Modality.TEXT, Modality.STATE):
        payload = {"$ref": f"{kind.removeprefix('io.mmindustry.')}.schema.json"}
    return {
        "title": _TITLES[modality],
        "contentType": _CONTENT_TYPES[modality][0],
        "headers": {
            "type": "object",
            "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject"],
            "properties": headers,
        },
        "payload": payload,
        "bindings": {"kafka": {"key": attributes["subject"]}},
    }


def examples() -> dict[str, Content]:
    """Return one event of each kind, small enough to read."""
    return {
        "frame": Frame(_PIXEL, PNG, 1, 1),
        "audio": Chunk(bytes(8), l16(16_000, 1), 16_000, 1, 4),
        "log": LogEntry("bearing runs hot", "kim", _AT, timedelta(0)),
        "work-order": LogEntry("replaced seal", None, None, timedelta(days=1)),
        "state": OperatingState(running=True, speed_rpm=1480.0, load_ratio=0.8),
    }


def _encoded(name: str, content: Content) -> Encoded:
    return encode(content, event_id=f"{name}-1", source=f"{name}s-1", asset=_ASSET, time=_AT)


def _example(name: str, content: Content, policy: CodecPolicy) -> dict[str, Any]:
    """Return a message in binary mode: topic, key, headers, value."""
    encoded = _encoded(name, content)
    value: dict[str, object] = {"value_base64": base64.b64encode(encoded.value).decode()}
    if isinstance(content, LogEntry | OperatingState):
        value = {"value": encoded.value.decode()}
    return {
        "topic": policy.topic_of(modality_of(content)),
        "key": encoded.key.decode(),
        "headers": {header: raw.decode() for header, raw in encoded.headers},
        **value,
    }


def _structured(name: str, content: Content) -> dict[str, Any]:
    """Return the same event in structured mode."""
    encoded = _encoded(name, content)
    headers = {header: raw.decode() for header, raw in encoded.headers}
    event: dict[str, Any] = {
        header.removeprefix("ce_"): value
        for header, value in headers.items()
        if header.startswith("ce_")
    }
    event["datacontenttype"] = headers["content-type"]
    if isinstance(content, LogEntry | OperatingState):
        event["data"] = json.loads(encoded.value)
    else:
        event["data_base64"] = base64.b64encode(encoded.value).decode()
    return event
