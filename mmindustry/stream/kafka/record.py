"""A Kafka record as a message of the domain."""

from datetime import UTC, datetime, timedelta

from kafka.consumer.fetcher import ConsumerRecord

from mmindustry.domain import Message, Position
from mmindustry.errors import LayoutChanged

LOG_APPEND_TIME = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def message_of(record: ConsumerRecord) -> Message:
    """Return the message of a record, its time as the broker keeps it (milliseconds)."""
    return Message(
        Position(record.topic, record.partition, record.offset),
        record.key,
        record.value,
        tuple((name, value or b"") for name, value in record.headers),
        _EPOCH + timedelta(milliseconds=record.timestamp),
    )


def check_append_time(record: ConsumerRecord) -> None:
    """Check that the time of a record is the broker's and not the producer's.

    Raises:
        LayoutChanged: The topic keeps the producers' times.
    """
    if record.timestamp_type != LOG_APPEND_TIME:
        raise LayoutChanged(
            f"topic {record.topic} partition {record.partition} keeps producers' times at offset "
            f"{record.offset}: make it anew with `mmindustry topics create` "
            "(message.timestamp.type=LogAppendTime)"
        )
