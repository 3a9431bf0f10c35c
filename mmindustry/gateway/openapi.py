"""What the door's OpenAPI document says of its one operation."""

from typing import Any

from mmindustry.codec.envelope import ASSET_PATTERN, LONGEST_ATTRIBUTE, TYPES


def _header(name: str, description: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string", **schema},
    }


def _problem(description: str) -> dict[str, Any]:
    members = {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    }
    schema = {"type": "object", "properties": members}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
    }


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_RECEIPT = {
    "type": "object",
    "required": ["id", "source", "time", "topic", "partition", "kept", "flags"],
    "properties": {
        "id": {"type": "string"},
        "source": {"type": "string"},
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "Event time; the gateway's clock where the event told none.",
        },
        "topic": {"type": "string"},
        "partition": {"type": ["integer", "null"], "description": "null while it is spooled"},
        "kept": {"enum": ["stream", "spool"]},
        "flags": {"type": "array", "items": {"type": "string"}},
    },
}
_ATTRIBUTE = {"minLength": 1, "maxLength": LONGEST_ATTRIBUTE}

OPERATION: dict[str, Any] = {
    "parameters": [
        _header("ce-specversion", "CloudEvents version.", required=False, const="1.0"),
        _header("ce-id", "Unique within its source.", required=False, **_ATTRIBUTE),
        _header("ce-source", "The sensor.", required=False, **_ATTRIBUTE),
        _header("ce-type", "What it is.", required=False, enum=sorted(TYPES)),
        _header("ce-subject", "The asset.", required=False, pattern=f"^{ASSET_PATTERN}$"),
        _header("ce-time", "Event time, RFC 3339.", required=False, format="date-time"),
    ],
    "requestBody": {
        "required": True,
        "description": "The payload (binary mode: all ce- headers but ce-time are needed), or a "
        "whole event (structured mode: no ce- header is needed).",
        "content": {
            "image/jpeg": _BINARY,
            "image/png": _BINARY,
            "audio/wav": _BINARY,
            "audio/flac": _BINARY,
            "audio/L16": _BINARY,
            "text/plain": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
            "application/cloudevents+json": {"schema": {"type": "object"}},
        },
    },
    "responses": {
        "202": {
            "description": "Durable, in the stream or in the spool.",
            "content": {"application/json": {"schema": _RECEIPT}},
        },
        "400": _problem("The line can't read it; `code` is the dead-letter reason."),
        "403": _problem("This sender may not write there."),
        "413": _problem("Too large."),
        "415": _problem("A kind of content that nobody reads."),
        "422": _problem("The stream will never take it."),
        "503": _problem("Neither stream nor spool takes it now."),
    },
}
