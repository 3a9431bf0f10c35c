"""What comes in over HTTP, judged by the line's own codec before it is accepted.

Source: CloudEvents 1.0.2, HTTP protocol binding, sections 3.1 (binary) and 3.2 (structured).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mmindustry.clock import Clock
from mmindustry.codec.decode import decode
from mmindustry.codec.encode import Encoded
from mmindustry.codec.envelope import TYPES, Envelope, read_envelope
from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.rfc3339 import format_time
from mmindustry.domain import Message, Position
from mmindustry.errors import DecodeError

_PREFIX = "ce-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An event that the line will read: when it was, where it goes, how it is written there."""

    id: str
    source: str
    time: str
    asset: str
    topic: str
    encoded: Encoded
    flags: tuple[str, ...]


def accept(
    headers: Iterable[tuple[str, str]], body: bytes, *, policy: CodecPolicy, clock: Clock
) -> Accepted:
    """Return the event of one request, checked as the worker will check it.

    Args:
        headers: Of the request, names in lower case, repeated ones repeated.
        body: The payload, or a structured event.
        policy: Topics and limits.
        clock: Stands for the append time that the stream will give.

    Raises:
        DecodeError: The line would dead-letter it; reason and detail say why.
    """
    told = _attributes(headers)
    now = clock.now()
    envelope = read_envelope(Message(Position("", 0, 0), None, body, told, now))
    if envelope.time is None:  # it may wait in the spool: the stream's append time would lie
        envelope = envelope._replace(time=format_time(now))
    topic = policy.topic_of(TYPES[envelope.type])
    encoded = _encoded(envelope, told)
    message = encoded.at(Position(topic, 0, 0), now)
    events, letters = decode([message], count=1, policy=policy)
    if letters:
        raise DecodeError(letters[0].reason, letters[0].detail)
    return Accepted(
        id=envelope.id,
        source=envelope.source,
        time=format_time(events[0].time),
        asset=envelope.subject,
        topic=topic,
        encoded=encoded,
        flags=events[0].flags,
    )


def _attributes(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, bytes], ...]:
    """Return HTTP headers as the Kafka binding writes them; others are left out."""
    found = []
    for name, value in headers:
        if name.startswith(_PREFIX):
            found.append((f"ce_{name.removeprefix(_PREFIX)}", unquote_to_bytes(value)))
        elif name == "content-type":
            found.append((name, value.encode()))
    return tuple(found)


def _encoded(envelope: Envelope, told: Iterable[tuple[str, bytes]]) -> Encoded:
    """Return the event in binary mode; extensions travel along as they came."""
    ours = {
        "ce_specversion": "1.0",
        "ce_id": envelope.id,
        "ce_source": envelope.source,
        "ce_type": envelope.type,
        "ce_time": envelope.time,
        "ce_subject": envelope.subject,
        "content-type": envelope.content_type,
    }
    extensions = [(name, value) for name, value in told if name not in ours]
    written = [(name, text.encode()) for name, text in ours.items() if text is not None]
    return Encoded(envelope.subject.encode(), envelope.data, (*written, *extensions))
