"""How many alarms people get, and how many were false: figures of ISA-18.2 / IEC 62682."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mmindustry.domain import AlarmTransition, Change

FLOOD_STARTS_ABOVE = 10
FLOOD_ENDS_BELOW = 5
FLOOD_SPAN = timedelta(minutes=10)
CHATTER_RAISES = 3
CHATTER_SPAN = timedelta(minutes=1)
STALE_AFTER = timedelta(hours=24)
BUDGET_PER_MACHINE_WEEK = 0.7
"""False alarms a machine and week that a plant is asked to bear (0.1 an asset and day)."""

_WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """False alarms a machine-week with the exact 95 % Poisson interval (Garwood 1936)."""

    count: int
    machine_weeks: float
    rate: float
    low: float
    high: float

    @property
    def within_budget(self) -> bool:
        """Whether the budget is kept as far as the count can tell: its lower bound is below."""
        return self.low <= BUDGET_PER_MACHINE_WEEK


def false_alarms(count: int, healthy: timedelta) -> FalseAlarms:
    """Return the rate of `count` false alarms over `healthy` machine time.

    Raises:
        ValueError: No healthy time, or a count below 0.

    >>> false_alarms(7, timedelta(weeks=10)).rate
    0.7
    """
    from scipy.special import gammaincinv  # noqa: PLC0415 - slow to import, asked for in reports

    if healthy <= timedelta(0) or count < 0:
        raise ValueError(f"healthy time must be above 0 and count at least 0, got {count}")
    weeks = healthy / _WEEK
    low = float(gammaincinv(count, 0.025)) if count else 0.0
    return FalseAlarms(
        count=count,
        machine_weeks=weeks,
        rate=count / weeks,
        low=low / weeks,
        high=float(gammaincinv(count + 1, 0.975)) / weeks,
    )


def floods(raised: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Return the floods: from the raise that made it more than 10 in 10 minutes, until fewer than
    5 were left in them.

    Args:
        raised: Times of raises, ascending.
    """
    found: list[tuple[datetime, datetime]] = []
    start: datetime | None = None
    recent: list[datetime] = []
    for at in raised:
        if start is not None and (end := _ebb(recent, at)) is not None:
            found.append((start, end))
            start = None
        recent = [time for time in recent if time > at - FLOOD_SPAN] + [at]
        if start is None and len(recent) > FLOOD_STARTS_ABOVE:
            start = at
    if start is not None:
        found.append((start, recent[-FLOOD_ENDS_BELOW] + FLOOD_SPAN))
    return found


def is_flood(raised: Sequence[datetime], now: datetime) -> bool:
    """Return whether a flood runs at `now`."""
    return any(start <= now < end for start, end in floods([at for at in raised if at <= now]))


def chattering(transitions: Iterable[AlarmTransition]) -> list[tuple[str, str, str]]:
    """Return (asset, fault, source) raised three times or more within a minute."""
    times: dict[tuple[str, str, str], list[datetime]] = {}
    for one in transitions:
        if one.change is Change.RAISED:
            times.setdefault((one.key.asset, one.key.fault, one.source), []).append(one.at)
    return sorted(name for name, raised in times.items() if _chatters(sorted(raised)))


def is_stale(raised_at: datetime, now: datetime) -> bool:
    """Return whether an alarm active since `raised_at` has stood for over 24 h."""
    return now - raised_at > STALE_AFTER


def _ebb(recent: Sequence[datetime], before: datetime) -> datetime | None:
    """Return when fewer than 5 of the recent raises were left, if that was before `before`."""
    if len(recent) < FLOOD_ENDS_BELOW:
        return recent[-1] if recent else before
    end = recent[-FLOOD_ENDS_BELOW] + FLOOD_SPAN
    return end if end <= before else None


def _chatters(raised: Sequence[datetime]) -> bool:
    reach = CHATTER_RAISES - 1
    return any(
        last - first <= CHATTER_SPAN for first, last in zip(raised, raised[reach:], strict=False)
    )
