"""Facts of the line -> rows of the record. Pure; the other way is `facts.py`."""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from mmindustry.domain import (
    DeadLetter,
    Event,
    Evidence,
    Failed,
    Gap,
    LastPicture,
    LogEntry,
    OperatingState,
    Prediction,
    Shard,
    Untaken,
    Window,
)

Row = dict[str, Any]

DETAIL_LENGTH = 1000
"""Most characters kept of a failure's explanation."""

_KEY_LENGTH = 256
_UNSTORABLE = {0: 0xFFFD, **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)}


def clean(text: str, length: int) -> str:
    """Return at most `length` characters of `text`, less what PostgreSQL can't keep.

    NUL and lone surrogates become U+FFFD. Only for texts that come from broken messages.

    >>> clean("a" + chr(0) + "b", 10) == "a" + chr(0xFFFD) + "b"
    True
    """
    return text[:length].translate(_UNSTORABLE)


def instant(time: datetime) -> str:
    """Return `time` as RFC 3339 in UTC, for JSON columns."""
    return time.astimezone(UTC).isoformat()


def asset_id(asset: str) -> str:
    """Return the stable id of an asset first seen under this path: 32 hex digits, BLAKE2b.

    A renamed asset keeps the id of its first path.
    """
    return blake2b(asset.encode(), digest_size=16).hexdigest()


def evidence_row(evidence: Evidence, *, dead: bool = False) -> Row:
    """Return one item of an `evidence` column; `dead`: it could not be read and is a letter."""
    position = evidence.position
    row: Row = {
        "source": evidence.source,
        "id": evidence.id,
        "time": instant(evidence.time),
        "modality": evidence.modality.value,
        "topic": position.topic,
        "partition": position.partition,
        "offset": position.offset,
    }
    if dead:
        row["dead"] = True
    return row


def picture_row(picture: LastPicture) -> list[str]:
    """Return what a camera last showed, for JSON columns."""
    return [instant(picture.time), picture.digest]


def window_row(window: Window, judged: Prediction | Failed | None) -> Row:
    """Return the row of a closed window; one without evidence has nothing to seal."""
    evidence = [evidence_row(item) for item in window.evidence]
    evidence += [evidence_row(item, dead=True) for item in window.struck]
    archived = not window.items or window.key.revision > 0
    return {
        "start": window.key.start,
        "asset": window.key.asset,
        "policy": window.key.policy,
        "revision": window.key.revision,
        "id": window.key.id,
        "end": window.end,
        "partition": window.partition,
        "cut": dict(window.cut),
        "evidence": evidence,
        "missing": list(window.missing),
        "pictures": {source: picture_row(shown) for source, shown in window.pictures.items()},
        "closed_by": window.closed_by.value,
        "blind": window.blind,
        "bundle": "" if judged is None else judged.bundle,
        "profile": judged.profile if isinstance(judged, Prediction) else None,
        "shard": "" if archived else None,
        "evidence_lost": window.evidence_lost,
    }


def late_rows(late: Untaken, unrevised: str | None) -> Iterable[Row]:
    """Yield one row for each window the event missed."""
    event = late.event
    for start in late.late_for or (event.time,):
        yield {
            "start": start,
            "asset": event.asset,
            "policy": late.policy,
            **_named(event),
            "modality": event.modality.value,
            "unrevised": unrevised,
        }


def _named(event: Event) -> Row:
    return {
        "source": event.source,
        "event_id": event.id,
        "time": event.time,
        "topic": event.position.topic,
        "partition": event.position.partition,
        "offset": event.position.offset,
    }


def entry_row(event: Event) -> Row:
    """Return the row of a log entry.

    Raises:
        TypeError: The event carries no text.
    """
    content = event.content
    if not isinstance(content, LogEntry):
        raise TypeError(f"an entry carries text, this one {type(content).__name__}")
    return {
        **_named(event),
        "asset": event.asset,
        "end": event.end,
        "text": content.text,
        "author": content.author,
        "entry_written_at": content.written_at,
        "precision_seconds": content.precision.total_seconds(),
        "flags": list(event.flags),
        "append_time": event.append_time,
    }


def state_row(event: Event) -> Row:
    """Return the row of an operating state.

    Raises:
        TypeError: The event carries no state.
    """
    content = event.content
    if not isinstance(content, OperatingState):
        raise TypeError(f"a state carries an operating point, this one {type(content).__name__}")
    return {
        **_named(event),
        "asset": event.asset,
        "running": content.running,
        "speed_rpm": content.speed_rpm,
        "load_ratio": content.load_ratio,
        "flags": list(event.flags),
        "append_time": event.append_time,
    }


def gap_row(gap: Gap) -> Row:
    """Return the row of a gap; the same gap comes again when it ends."""
    return {
        "partition": gap.partition,
        "asset": gap.asset,
        "source": gap.source,
        "kind": gap.kind.value,
        "started": gap.started,
        "ended": gap.ended,
        "first_offset": gap.first_offset,
        "last_offset": gap.last_offset,
    }


def dead_letter_row(letter: DeadLetter) -> Row:
    """Return the row that counts a dead letter; the message itself is in the dead-letter topic."""
    message = letter.message
    key = None if message.key is None else message.key.decode("utf-8", "replace")
    return {
        "topic": message.position.topic,
        "partition": message.position.partition,
        "offset": message.position.offset,
        "reason": letter.reason,
        "stage": letter.stage,
        "modality": None if letter.modality is None else letter.modality.value,
        "detail": clean(letter.detail, DETAIL_LENGTH),
        "key": None if key is None else clean(key, _KEY_LENGTH),
        "value_bytes": len(message.value or b""),
        "append_time": message.append_time,
    }


def shard_row(shard: Shard) -> Row:
    """Return the row of a shard, or of evidence that was given up."""
    return {
        "id": shard.id,
        "partition": shard.partition,
        "epoch": shard.epoch,
        "uri": shard.uri,
        "bytes": shard.bytes,
        "sha256": shard.sha256,
        "lost": shard.lost,
        "rows": len(shard.rows),
    }
