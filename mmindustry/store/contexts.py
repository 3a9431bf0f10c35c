"""What surrounds a window: the log entries and states below its cut, its asset's papers."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    literal,
    or_,
    select,
    union_all,
)

from mmindustry.domain import Context, Event, LogEntry, Modality, Window
from mmindustry.store import facts
from mmindustry.store.policy import RecordPolicy
from mmindustry.store.registry import Papers
from mmindustry.store.tables import entries, states

_CHUNK = 40  # windows a query; SQLite takes 500 terms of a compound select


class Surroundings:
    """The entries and states around windows, by one query a kind for many windows.

    An item counts where its offset is below the window's cut, whatever the record holds by now:
    so a later revision sees what the first judgement saw.
    """

    def __init__(self, connection: Connection, policy: RecordPolicy) -> None:
        self._connection = connection
        self._policy = policy

    def contexts(
        self, windows: Sequence[Window], fresh: Sequence[Event], papers: Papers
    ) -> list[Context]:
        """Return one context a window; `fresh` are entries and states not yet in the record."""
        found: list[Context] = []
        for first in range(0, len(windows), _CHUNK):
            chunk = windows[first : first + _CHUNK]
            known_entries = self._ask(chunk, self._entries_of, facts.entry_of)
            known_states = self._ask(chunk, self._states_of, facts.state_of)
            for number, window in enumerate(chunk):
                mine = [event for event in fresh if event.asset == window.key.asset]
                found.append(
                    papers.context(
                        window.key.asset,
                        entries=self._newest(window, [*known_entries[number], *mine]),
                        states=self._operating(window, [*known_states[number], *mine]),
                    )
                )
        return found

    def _ask(
        self,
        windows: Sequence[Window],
        query: Callable[[int, Window], Iterable[Select[Any]]],
        event_of: Callable[[Any], Event],
    ) -> list[list[Event]]:
        """Return for each window the events of its queries, asked all at once."""
        found: list[list[Event]] = [[] for _ in windows]
        parts = [part for number, window in enumerate(windows) for part in query(number, window)]
        for row in self._connection.execute(union_all(*parts)).mappings():
            found[row["number"]].append(event_of(row))
        return found

    def _entries_of(self, number: int, window: Window) -> Iterable[Select[Any]]:
        oldest = window.end - timedelta(seconds=self._policy.look_back_seconds)
        where = (entries.c.end >= oldest, entries.c.end <= window.end)
        yield _numbered(
            number,
            entries,
            (*_known(window, entries), *where),
            newest=(entries.c.end, entries.c.source, entries.c.event_id),
            limit=self._policy.entries,
        )

    def _states_of(self, number: int, window: Window) -> Iterable[Select[Any]]:
        known = _known(window, states)
        order = (states.c.time, states.c.source, states.c.event_id)
        inside = (states.c.time >= window.key.start, states.c.time < window.end)
        oldest = window.key.start - timedelta(seconds=self._policy.state_look_back_seconds)
        before = (states.c.time >= oldest, states.c.time < window.key.start)
        yield _numbered(number, states, (*known, *inside))
        yield _numbered(number, states, (*known, *before), newest=order, limit=1)

    def _newest(self, window: Window, events: Iterable[Event]) -> tuple[Event, ...]:
        """Return the last entries that fit, oldest first."""
        oldest = window.end - timedelta(seconds=self._policy.look_back_seconds)
        counted = {
            event.identity: event
            for event in events
            if event.modality is Modality.TEXT
            and _below(window, event)
            and oldest <= event.end <= window.end
        }
        ordered = sorted(counted.values(), key=lambda e: (e.end, e.source, e.id), reverse=True)
        kept: list[Event] = []
        room = self._policy.entry_bytes
        for event in ordered[: self._policy.entries]:
            room -= _text_bytes(event)
            if room < 0 and kept:
                break
            kept.append(event)
        return tuple(reversed(kept))

    def _operating(self, window: Window, events: Iterable[Event]) -> tuple[Event, ...]:
        """Return the newest state before the window and those within it, oldest first."""
        oldest = window.key.start - timedelta(seconds=self._policy.state_look_back_seconds)
        counted = {
            event.identity: event
            for event in events
            if event.modality is Modality.STATE
            and _below(window, event)
            and oldest <= event.time < window.end
        }
        ordered = sorted(counted.values(), key=lambda e: (e.time, e.source, e.id))
        before = [event for event in ordered if event.time < window.key.start]
        return tuple(before[-1:] + ordered[len(before) :])


def _text_bytes(event: Event) -> int:
    return len(event.content.text.encode()) if isinstance(event.content, LogEntry) else 0


def _below(window: Window, event: Event) -> bool:
    return event.position.offset < window.cut.get(event.position.topic, 0)


def _known(window: Window, table: Table) -> Sequence[ColumnElement[bool]]:
    """Return the conditions: of this asset, and below the window's cut."""
    below = [
        and_(table.c.topic == topic, table.c.offset < offset)
        for topic, offset in sorted(window.cut.items())
    ]
    return (table.c.asset == window.key.asset, or_(*below) if below else table.c.offset < 0)


def _numbered(
    number: int,
    table: Table,
    where: Sequence[ColumnElement[bool]],
    *,
    newest: Sequence[ColumnElement[Any]] = (),
    limit: int | None = None,
) -> Select[Any]:
    """Return rows, each with the number of the window that asks; the `newest` `limit`, if any."""
    order = [column.desc() for column in newest]
    rows = select(table).where(*where).order_by(*order).limit(limit).subquery()
    return select(literal(number).label("number"), rows)
