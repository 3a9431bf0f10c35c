"""Column types that mean the same on SQLite and on PostgreSQL."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands where a beginning is not known but a key needs one (events before 1990 are refused)."""


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept and given back in UTC with microseconds.

    PostgreSQL: `timestamptz`. SQLite: text `YYYY-MM-DD HH:MM:SS.ffffff`, which sorts as time does.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return `value` in UTC; naive times are refused, for nobody knows what they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the store takes aware times only")
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored instant, aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""Plain JSON: text on SQLite, `jsonb` on PostgreSQL. Not-a-number is refused (`to_json`)."""

SerialId = BigInteger().with_variant(Integer, "sqlite")
"""A growing id. SQLite counts up only columns of its type INTEGER."""


def to_json(value: Any) -> str:
    """Return `value` as JSON text.

    Raises:
        ValueError: It holds not-a-number or an infinity, which `jsonb` can't keep.
    """
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str | bytes) -> Any:
    """Return what the JSON `text` says; the commonest, an empty list, without a parser."""
    return [] if text == "[]" else json.loads(text)
