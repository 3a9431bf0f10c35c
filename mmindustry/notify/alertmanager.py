"""Alarms -> every Alertmanager instance, told again and again, for it forgets what is not repeated.

Prometheus Alertmanager API v2. High availability there is fail-open: each instance is told
everything, and a row has left when one of them took it; the others hear it at the next round.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mmindustry.clock import Clock
from mmindustry.domain import OutboxRow, Outcome
from mmindustry.errors import DeliveryFailed, DeliveryRefused
from mmindustry.notify.age import is_old
from mmindustry.notify.alert import Alert, Body, Fingerprint, alert_of
from mmindustry.notify.policy import NotifyPolicy
from mmindustry.notify.transport import Transport

_PATH = "/api/v2/alerts"
_MOST_AT_ONCE = 200
_REPEATS_UNTIL_RESOLVED = 4
_OK = range(200, 300)
_FINAL = range(400, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of an alert: taken, or refused for good, or neither yet."""

    sent: bool
    final: bool
    detail: str

    @property
    def is_refused(self) -> bool:
        """Whether trying again is useless."""
        return self.final and not self.sent


class AlertmanagerNotifier:
    """The way out named `alertmanager`. One thread.

    `active` gives the bodies of all alarms that are raised and not cleared, from the record: what
    it leaves out is not repeated, so a clear told by another notifier is not undone here.
    """

    def __init__(
        self,
        policy: NotifyPolicy,
        transport: Transport,
        clock: Clock,
        active: Callable[[], Iterable[Body]],
    ) -> None:
        self._policy = policy
        self._transport = transport
        self._clock = clock
        self._active = active
        self._alerts: dict[Fingerprint, Alert] = {}
        self._refused: set[Fingerprint] = set()
        self._next_round = clock.monotonic()

    def send(self, rows: Sequence[OutboxRow]) -> list[Outcome]:
        """Return one outcome a row; the latest state of each alarm is told, in one request."""
        now = self._clock.now()
        named: dict[int, Fingerprint] = {}
        for row in rows:
            if not is_old(row.body, now, self._policy):
                named[row.id] = self._learn(alert_of(row.body, self._policy), now)
        fates = self._tell([self._alerts[name] for name in dict.fromkeys(named.values())])
        old = Fate(sent=True, final=True, detail="shown only: its time is long past")
        return [
            Outcome(row.id, fate.sent, fate.final, fate.detail)
            for row in rows
            for fate in [fates[named[row.id]] if row.id in named else old]
        ]

    def tend(self) -> None:
        """Repeat, when a round is due, what is active, and for a while what is resolved."""
        if self._clock.monotonic() < self._next_round:
            return
        self._next_round = self._clock.monotonic() + self._policy.resend_seconds
        now = self._clock.now()
        standing = [alert_of(body, self._policy) for body in self._active() if self._pages(body)]
        resolved = {
            name: alert
            for name, alert in self._alerts.items()
            if alert.cleared and not self._is_done(alert, now)
        }
        self._alerts = resolved | {
            alert.fingerprint: alert.after(self._alerts.get(alert.fingerprint))
            for alert in standing
        }
        self._tell([a for name, a in self._alerts.items() if name not in self._refused])

    def _pages(self, body: Body) -> bool:
        """Return whether an active alarm was young when it was found; what is old is only shown."""
        written = body.get("written_at")
        found = datetime.fromisoformat(str(written)) if written else None
        return found is None or not is_old(body, found, self._policy)

    def _learn(self, alert: Alert, now: datetime) -> Fingerprint:
        """Take one change in. A raise not told yet shall fire for a while, even if it is over."""
        name = alert.fingerprint
        fresh = alert.after(self._alerts.get(name))
        if alert.cleared is None and not fresh.told:
            lasts = timedelta(seconds=self._policy.least_firing_seconds)
            fresh = replace(fresh, fires_until=now + lasts)
        self._alerts[name] = fresh
        return name

    def _is_done(self, alert: Alert, now: datetime) -> bool:
        since = now - self._end(alert, now)
        return since > timedelta(seconds=self._policy.resolved_seconds)

    def _end(self, alert: Alert, now: datetime) -> datetime:
        """Return when an alert ends: far ahead while active, else at its clear, fired long enough.

        Clear times are event times; one ahead of this host's clock counts as now.
        """
        if alert.cleared is None:
            return now + timedelta(seconds=_REPEATS_UNTIL_RESOLVED * self._policy.resend_seconds)
        return max(min(alert.cleared, now), alert.fires_until or alert.raised)

    def _tell(self, alerts: Sequence[Alert]) -> dict[Fingerprint, Fate]:
        """Post to every instance; return what became of each alert."""
        fates: dict[Fingerprint, Fate] = {}
        for start in range(0, len(alerts), _MOST_AT_ONCE):
            part = alerts[start : start + _MOST_AT_ONCE]
            answers = [self._post(url, part) for url in self._policy.alertmanagers]
            if len(part) > 1 and any(one.is_refused for one in answers):
                for alert in part:  # one bad alert spoils the request for all
                    fates |= self._tell([alert])
                continue
            fates |= {alert.fingerprint: _together(answers) for alert in part}
        self._note(fates)
        return fates

    def _note(self, fates: Mapping[Fingerprint, Fate]) -> None:
        for name, fate in fates.items():
            if fate.is_refused:
                self._refused.add(name)
            elif fate.sent:
                self._refused.discard(name)
                self._alerts[name] = replace(self._alerts[name], told=True)

    def _post(self, base: str, alerts: Sequence[Alert]) -> Fate:
        now = self._clock.now()
        documents = [alert.document(self._end(alert, now)) for alert in alerts]
        try:
            reply = self._transport.post(base.rstrip("/") + _PATH, documents)
        except DeliveryFailed as error:
            return Fate(sent=False, final=False, detail=str(error))
        except DeliveryRefused as error:
            return Fate(sent=False, final=True, detail=str(error))
        shown = reply.body[:200].decode("utf-8", "replace")
        detail = f"{base}: {reply.status} {shown}".rstrip()
        sent = reply.status in _OK
        return Fate(sent=sent, final=sent or reply.status in _FINAL, detail=detail)


def _together(answers: Sequence[Fate]) -> Fate:
    """Return sent where one took it, or none is set; refused where all said no for good."""
    if not answers:
        return Fate(sent=True, final=True, detail="shown only: no Alertmanager is set")
    sent = any(one.sent for one in answers)
    detail = "; ".join(one.detail for one in answers)
    return Fate(sent=sent, final=sent or all(one.final for one in answers), detail=detail)
