"""The notifier's loop: claim rows, send each by its way out, mark what became of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from mmindustry.domain import OutboxRow, Outcome
from mmindustry.errors import Fenced
from mmindustry.notify.policy import NotifyPolicy
from mmindustry.ports import Notifier, Outbox

Count = Callable[[str, str, int], None]


class Stop(Protocol):
    """A request to end, waited on instead of sleeping."""

    def wanted(self) -> bool:
        """Return whether the end was asked for."""

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`; return whether the end was asked for."""


@runtime_checkable
class Tending(Protocol):
    """A way out that has work of its own between rows, such as repeating what stands."""

    def tend(self) -> None:
        """Do what is due; returns soon where nothing is."""


def run_notifier(
    outbox: Outbox,
    notifiers: Mapping[str, Notifier],
    policy: NotifyPolicy,
    *,
    stop: Stop,
    count: Count = lambda _channel, _outcome, _rows: None,
) -> None:
    """Carry rows out until asked to stop; the rows in hand are finished first.

    Args:
        outbox: Rows that are due; each goes to one claimant.
        notifiers: Channel -> its way out.
        policy: Batch and pause.
        stop: Asked between batches.
        count: Told (channel, `sent` | `put_off` | `refused`, rows), for metrics.
    """
    while not stop.wanted():
        try:
            busy = turn(outbox, notifiers, policy, count)
        except Fenced:  # the record was away, and meanwhile the end was asked for
            return
        if not busy and stop.wait(policy.poll_seconds):
            return


def turn(
    outbox: Outbox, notifiers: Mapping[str, Notifier], policy: NotifyPolicy, count: Count
) -> bool:
    """Do what is due between rows, then carry one batch; return whether there was one."""
    for notifier in notifiers.values():
        if isinstance(notifier, Tending):
            notifier.tend()
    rows = outbox.claim(policy.batch)
    if rows:
        outbox.mark(carry(rows, notifiers, count))
    return bool(rows)


def carry(
    rows: Sequence[OutboxRow], notifiers: Mapping[str, Notifier], count: Count
) -> list[Outcome]:
    """Send rows, each channel's together and in order; return one outcome a row."""
    outcomes: list[Outcome] = []
    for channel in dict.fromkeys(row.channel for row in rows):
        mine = [row for row in rows if row.channel == channel]
        known = notifiers.get(channel)
        done = known.send(mine) if known is not None else [_unknown(row) for row in mine]
        outcomes += done
        for outcome in ("sent", "put_off", "refused"):
            if found := sum(_name(one) == outcome for one in done):
                count(channel, outcome, found)
    return outcomes


def _name(outcome: Outcome) -> str:
    if outcome.sent:
        return "sent"
    return "refused" if outcome.final else "put_off"


def _unknown(row: OutboxRow) -> Outcome:
    detail = f"this notifier has no way out named {row.channel!r}; set it in the notify section"
    return Outcome(row.id, sent=False, final=True, detail=detail)
