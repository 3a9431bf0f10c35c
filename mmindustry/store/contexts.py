"""What surrounds a window: the log entries and states below its cut, its asset's papers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from mmindustry.domain import Context, Event, LogEntry, Modality, Window
from mmindustry.store import facts
from mmindustry.store.around import Around, AroundQueries
from mmindustry.store.policy import RecordPolicy
from mmindustry.store.registry import Papers
from mmindustry.store.tables import entries, states

_MOST = 32  # windows a query


class Surroundings:
    """The entries and states around windows, by few queries for many windows.

    An item counts where its offset is below the window's cut, whatever the record holds by now:
    so a later revision sees what the first judgement saw. Kept by the recorder: it remembers the
    statements, whose making costs more than their answers.
    """

    def __init__(self, policy: RecordPolicy) -> None:
        self._policy = policy
        self._entries = AroundQueries(
            entries, "end", order=("end", "source", "event_id"), limit=policy.entries
        )
        newest = ("time", "source", "event_id")
        self._states = AroundQueries(states, "time", order=newest, limit=None)
        self._state_before = AroundQueries(states, "time", order=newest, limit=1)

    def contexts(
        self,
        connection: Connection,
        windows: Sequence[Window],
        fresh: Sequence[Event],
        papers: Papers,
    ) -> list[Context]:
        """Return one context a window; `fresh` are entries and states not yet in the record."""
        found: list[Context] = []
        for chunk in _chunks(windows):
            ask = partial(self._ask, connection)
            written = ask(self._entries, chunk, span=self._texts, event_of=facts.entry_of)
            running = ask(self._states, chunk, span=_inside, event_of=facts.state_of)
            before = ask(self._state_before, chunk, span=self._before, event_of=facts.state_of)
            for number, window in enumerate(chunk):
                mine = [event for event in fresh if event.asset == window.key.asset]
                known_states = [*before[number], *running[number], *mine]
                found.append(
                    papers.context(
                        window.key.asset,
                        entries=self._newest(window, [*written[number], *mine]),
                        states=self._operating(window, known_states),
                    )
                )
        return found

    @staticmethod
    def _ask(
        connection: Connection,
        queries: AroundQueries,
        windows: Sequence[Window],
        *,
        span: Callable[[Window], tuple[datetime, datetime]],
        event_of: Callable[[Any], Event],
    ) -> list[list[Event]]:
        """Return for each window the events within its span, all asked for at once."""
        found: list[list[Event]] = [[] for _ in windows]
        around = [Around(window.key.asset, *span(window), window.cut) for window in windows]
        for row in queries.ask(connection, around):
            found[row["number"]].append(event_of(row))
        return found

    def _texts(self, window: Window) -> tuple[datetime, datetime]:
        """Return the first and the last instant (both in) from which entries may count."""
        return window.end - timedelta(seconds=self._policy.look_back_seconds), window.end

    def _before(self, window: Window) -> tuple[datetime, datetime]:
        """Return the first and the last instant of the states before a window."""
        look_back = timedelta(seconds=self._policy.state_look_back_seconds)
        return window.key.start - look_back, window.key.start - _TICK

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


_TICK = timedelta(microseconds=1)


def _inside(window: Window) -> tuple[datetime, datetime]:
    """Return the first and the last instant of a window."""
    return window.key.start, window.end - _TICK


def _chunks(windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
    """Yield the windows in pieces of what one query answers."""
    for first in range(0, len(windows), _MOST):
        yield windows[first : first + _MOST]


def _text_bytes(event: Event) -> int:
    return len(event.content.text.encode()) if isinstance(event.content, LogEntry) else 0


def _below(window: Window, event: Event) -> bool:
    return event.position.offset < window.cut.get(event.position.topic, 0)
