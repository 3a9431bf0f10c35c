"""Keyset pagination: a list is read on from its last row, never by counting rows off."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, and_, or_

from mmindustry.errors import InputError

Row = TypeVar("Row")
Key = tuple[str | int | datetime, ...]
_MAX_CURSOR = 1024
_INTEGERS = 1 << 63


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list; `next` is the cursor of what follows, None at the end."""

    rows: tuple[Row, ...]
    next: str | None = None


def write_cursor(key: Key) -> str:
    """Return a key as an opaque cursor."""
    plain = [{"t": part.isoformat()} if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def read_cursor(cursor: str, like: tuple[type, ...]) -> Key:
    """Return the key of a cursor.

    Args:
        cursor: What `write_cursor` gave.
        like: The types its parts must have.

    Raises:
        InputError: It is no cursor of this list.

    >>> read_cursor(write_cursor((7, "a")), (int, str))
    (7, 'a')
    """
    wrong = InputError("`after` is no cursor of this list; leave it out to begin at the start")
    if len(cursor) > _MAX_CURSOR:
        raise wrong
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        plain = json.loads(base64.urlsafe_b64decode(padded.encode()))
        key = tuple(_part(part) for part in plain)
    except (
        binascii.Error,
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
        OverflowError,
    ) as error:
        raise wrong from error
    if tuple(type(part) for part in key) != like:
        raise wrong
    return key


def _part(part: object) -> str | int | datetime:
    if isinstance(part, dict):
        return datetime.fromisoformat(part["t"]).astimezone(UTC)
    if isinstance(part, str) and "\0" not in part:
        part.encode()  # a lone surrogate fits no database
        return part
    if isinstance(part, int) and abs(part) < _INTEGERS:
        return part
    raise TypeError(part)


def beyond(
    columns: Sequence[ColumnElement[Any]], key: Key, *, descending: bool
) -> ColumnElement[bool]:
    """Return the condition that a row stands after `key` in the order of `columns`."""
    options = []
    for place, column in enumerate(columns):
        same = [c == k for c, k in zip(columns[:place], key[:place], strict=True)]
        later = column < key[place] if descending else column > key[place]
        options.append(and_(*same, later))
    return or_(*options)


def cut_page(rows: Sequence[Row], limit: int, key: Callable[[Row], Key]) -> Page[Row]:
    """Return at most `limit` of `rows` (one more was asked for) and the cursor of the rest."""
    if len(rows) <= limit:
        return Page(tuple(rows))
    return Page(tuple(rows[:limit]), write_cursor(key(rows[limit - 1])))
