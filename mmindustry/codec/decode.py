"""Messages to events; what can't be read becomes a dead letter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mmindustry.codec.encode import Content
from mmindustry.codec.envelope import TYPES, Envelope, read_envelope
from mmindustry.codec.images import decode_frame
from mmindustry.codec.partition import partition_of
from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.rfc3339 import parse_time
from mmindustry.codec.sounds import decode_chunk
from mmindustry.codec.texts import decode_entry, decode_state
from mmindustry.domain import (
    Chunk,
    DeadLetter,
    Event,
    LogEntry,
    Message,
    Modality,
)
from mmindustry.errors import DecodeError

STAGE = "decode"
"""The stage that these dead letters name."""

_Decoder = Callable[[bytes, str | None, CodecPolicy], tuple[Content, tuple[str, ...]]]
_DECODERS: Mapping[Modality, _Decoder] = {
    Modality.IMAGE: decode_frame,
    Modality.AUDIO: decode_chunk,
    Modality.TEXT: decode_entry,
    Modality.STATE: decode_state,
}


@dataclass(frozen=True, slots=True)
class _Rules:
    """What one call of `decode` holds every message to."""

    count: int
    policy: CodecPolicy
    modalities: Mapping[str, Modality]
    max_ahead: timedelta
    homes: dict[bytes, int] = field(default_factory=dict)

    def home(self, key: bytes) -> int:
        """Return the partition of `key`; each key is hashed once a call."""
        home = self.homes.get(key)
        if home is None:
            home = self.homes[key] = partition_of(key, self.count)
        return home


def _none_condemned(_: str) -> bool:
    return False


def decode(
    messages: Sequence[Message],
    *,
    count: int,
    policy: CodecPolicy,
    condemned: Callable[[str], bool] = _none_condemned,
) -> tuple[list[Event], list[DeadLetter]]:
    """Return the events of one poll, in order, and the messages that can't be used.

    A `seen` message that is refused is skipped: its dead letter is in the record.

    Args:
        messages: Of any partitions.
        count: Partitions of every input topic.
        policy: Topics and limits.
        condemned: Whether the item (`Position.item`) has killed three starts.
    """
    rules = _Rules(count, policy, policy.modalities, timedelta(seconds=policy.max_ahead_seconds))
    events: list[Event] = []
    letters: list[DeadLetter] = []
    for message in messages:
        try:
            if condemned(message.position.item):
                raise DecodeError("crash_loop", "three starts died with this message in hand")  # noqa: TRY301 - one way out
            events.append(_event(message, rules))
        except DecodeError as error:
            if not message.seen:
                modality = rules.modalities.get(message.position.topic)
                letters.append(DeadLetter(message, error.reason, STAGE, modality, error.detail))
    return events, letters


def _event(message: Message, rules: _Rules) -> Event:
    """Return the event of one message."""
    if message.value is not None and len(message.value) > rules.policy.value_bytes:
        raise DecodeError(
            "value_too_large", f"{len(message.value)} bytes, at most {rules.policy.value_bytes}"
        )
    envelope = read_envelope(message)
    modality = TYPES[envelope.type]
    _check_place(message, envelope, rules)
    content, flags = _DECODERS[modality](envelope.data, envelope.content_type, rules.policy)
    time, more = _time(envelope.time, message.append_time, rules.max_ahead)
    end, ahead = _end(content, time, message.append_time, rules.max_ahead)
    if more or ahead:
        flags = tuple(sorted({*flags, *more, *ahead}))
    return Event(
        id=envelope.id,
        source=envelope.source,
        asset=envelope.subject,
        modality=modality,
        time=time,
        end=end,
        position=message.position,
        append_time=message.append_time,
        content=content,
        flags=flags,
        seen=message.seen,
        message=message,
    )


def _check_place(message: Message, envelope: Envelope, rules: _Rules) -> None:
    """Refuse a message whose key, partition or topic is not the one its event asks for."""
    if not message.key:
        raise DecodeError("key_missing", f"expected the key {envelope.subject}")
    if message.key != envelope.subject.encode():
        raise DecodeError("key_mismatch", f"{message.key!r:.80} is not {envelope.subject}")
    home = rules.home(message.key)
    topic, partition, _ = message.position
    if partition != home:
        raise DecodeError("wrong_partition", f"{partition}; {envelope.subject} lives in {home}")
    if rules.modalities.get(topic) is not TYPES[envelope.type]:
        right = rules.policy.topic_of(TYPES[envelope.type])
        raise DecodeError("wrong_topic", f"{envelope.type} belongs to {right}, not {topic}")


def _time(
    told: str | None, append_time: datetime, max_ahead: timedelta
) -> tuple[datetime, tuple[str, ...]]:
    """Return the event time: what was told, unless nothing was or it lies too far ahead."""
    if told is None:
        return append_time, ("time_from_append",)
    time = parse_time(told)
    if time > append_time + max_ahead:
        return append_time, ("clock_ahead",)
    return time, ()


def _end(
    content: Content, time: datetime, append_time: datetime, max_ahead: timedelta
) -> tuple[datetime, tuple[str, ...]]:
    """Return the event's end, unless a text claims to be written too far ahead."""
    written_at = content.written_at if isinstance(content, LogEntry) else None
    if written_at is not None and written_at > append_time + max_ahead:
        return max(time, append_time), ("clock_ahead",)
    return end_of(content, time), ()


def end_of(content: Content, time: datetime) -> datetime:
    """Return what `Event.end` promises of content that begins at `time`.

    The last instant of a sound; the instant from which a text counts: when it was written, else
    the end of its coarse span; elsewhere `time` itself.
    """
    if isinstance(content, Chunk):
        return time + timedelta(microseconds=content.frames * 1_000_000 // content.rate_hz)
    if not isinstance(content, LogEntry):
        return time
    if content.written_at is None:
        return time + content.precision
    return max(time, content.written_at)
