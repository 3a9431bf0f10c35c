"""Which windows hold an instant."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def covering_starts(instant: datetime, length: timedelta, hop: timedelta) -> list[datetime]:
    """Return the starts, ascending, of the windows [start, start + length) that hold `instant`.

    Starts are whole multiples of `hop` since 1970-01-01T00:00Z, as in Flink's and Beam's sliding
    windows, so every worker cuts time at the same places.

    >>> second = timedelta(seconds=1)
    >>> covering_starts(EPOCH + 12 * second, 10 * second, 5 * second) == [
    ...     EPOCH + 5 * second, EPOCH + 10 * second]
    True
    """
    newest = EPOCH + (instant - EPOCH) // hop * hop
    if hop == length:
        return [newest]
    starts = []
    start = newest
    while start + length > instant:
        starts.append(start)
        start -= hop
    starts.reverse()
    return starts
