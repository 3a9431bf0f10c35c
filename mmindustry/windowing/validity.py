"""When the registry holds a source as valid, over all the rows it has of it."""

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mmindustry.domain import Sensor

EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of event time in which one row counts. `sensor` None: the source is not valid;
    `since`: the start of the unbroken stretch of valid spans; `ends` None: it never does."""

    sensor: Sensor | None
    since: datetime
    ends: datetime | None


class Validity:
    """One source's rows laid side by side: where several are valid, the one that began last counts.

    Args:
        rows: At least one, all of one asset and source; each is valid from `valid_from` until
            just before `valid_to`, None = without bound.
    """

    __slots__ = ("_spans", "_starts", "rows")

    def __init__(self, rows: Sequence[Sensor]) -> None:
        self.rows = tuple(sorted(rows, key=_begin))
        self._starts: list[datetime] = []
        self._spans: list[Span] = []
        laid = list(_lay(self.rows))
        ends = [start for start, _ in laid[1:]]
        since, valid = EVER, False
        for (start, sensor), end in zip(laid, [*ends, None], strict=True):
            if not valid:
                since = start
            valid = sensor is not None
            self._starts.append(start)
            self._spans.append(Span(sensor, since, end))

    @property
    def newest(self) -> Sensor:
        """The row that began last."""
        return self.rows[-1]

    @property
    def is_bounded(self) -> bool:
        """Whether the source's validity ever changes."""
        return len(self._spans) > 1

    def at(self, instant: datetime) -> Span:
        """Return the span that holds an instant."""
        return self._spans[bisect_right(self._starts, instant) - 1]

    def is_over(self, instant: datetime) -> bool:
        """Return whether the source is not valid at an instant, nor ever after."""
        span = self.at(instant)
        return span.sensor is None and span.ends is None


def _begin(row: Sensor) -> datetime:
    return row.valid_from or EVER


def _lay(rows: Sequence[Sensor]) -> Iterator[tuple[datetime, Sensor | None]]:
    """Yield (start, row that counts from there on), ascending; the first start is `EVER`."""
    cuts = {EVER, *map(_begin, rows), *(row.valid_to for row in rows if row.valid_to)}
    begun: list[int] = []
    waiting = 0
    for cut in sorted(cuts):
        while waiting < len(rows) and _begin(rows[waiting]) <= cut:
            heapq.heappush(begun, -waiting)
            waiting += 1
        while begun and _is_ended(rows[-begun[0]], cut):
            heapq.heappop(begun)
        yield cut, rows[-begun[0]] if begun else None


def _is_ended(row: Sensor, at: datetime) -> bool:
    return row.valid_to is not None and row.valid_to <= at
