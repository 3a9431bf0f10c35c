"""Alarm changes -> webhooks: one signed POST a target with all that waited, a digest in a flood."""

import hashlib
import hmac
import json
from collections.abc import Sequence

from mmindustry.clock import Clock
from mmindustry.domain import OutboxRow, Outcome
from mmindustry.errors import DeliveryFailed, DeliveryRefused
from mmindustry.notify.age import is_old
from mmindustry.notify.alert import alarm_link
from mmindustry.notify.policy import NotifyPolicy, WebhookTarget
from mmindustry.notify.transport import Transport

_OK = range(200, 300)
_AGAIN = frozenset({408, 425, 429})
_SERVER = range(500, 600)


class WebhookNotifier:
    """The way out named `webhook`. A row has left when every target took it.

    Body: `{"version": 1, "alarms": [...]}`, each with its outbox `id`, the same at a second try.
    """

    def __init__(self, policy: NotifyPolicy, transport: Transport, clock: Clock) -> None:
        self._policy = policy
        self._transport = transport
        self._clock = clock
        self._taken: dict[int, set[str]] = {}

    def send(self, rows: Sequence[OutboxRow]) -> list[Outcome]:
        """Return one outcome a row; a target that took a row before is not told it again."""
        now = self._clock.now()
        young = [row for row in rows if not is_old(row.body, now, self._policy)]
        answers = [self._tell(target, young) for target in self._policy.webhooks] if young else []
        outcomes = {row.id: _outcome(row, answers) for row in young}
        for row in young:
            if outcomes[row.id].final:
                self._taken.pop(row.id, None)
        old = "shown only: its time is long past"
        return [
            outcomes.get(row.id) or Outcome(row.id, sent=True, final=True, detail=old)
            for row in rows
        ]

    def _tell(self, target: WebhookTarget, rows: Sequence[OutboxRow]) -> tuple[bool, bool, str]:
        fresh = [row for row in rows if target.name not in self._taken.get(row.id, ())]
        if not fresh:
            return True, True, f"{target.name}: told before"
        sent, final, detail = self._post(target, self._body(fresh))
        if sent:
            for row in fresh:
                self._taken.setdefault(row.id, set()).add(target.name)
        return sent, final, f"{target.name}: {detail}"

    def _body(self, rows: Sequence[OutboxRow]) -> bytes:
        alarms = [
            {**row.body, "id": row.id, "url": alarm_link(row.body, self._policy)} for row in rows
        ]
        return json.dumps({"version": 1, "alarms": alarms}, allow_nan=False).encode()

    def _post(self, target: WebhookTarget, body: bytes) -> tuple[bool, bool, str]:
        """Return (sent, final, detail); a redirect is never followed and is final."""
        headers = {}
        if target.secret:
            signature = hmac.new(target.secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Mmindustry-Signature"] = f"sha256={signature}"
        try:
            reply = self._transport.post_bytes(target.url, body, headers)
        except DeliveryFailed as error:
            return False, False, str(error)
        except DeliveryRefused as error:
            return False, True, str(error)
        again = reply.status in _SERVER or reply.status in _AGAIN
        return reply.status in _OK, not again, str(reply.status)


def _outcome(row: OutboxRow, answers: Sequence[tuple[bool, bool, str]]) -> Outcome:
    detail = "; ".join(detail for _, _, detail in answers) or "shown only: no webhook is set"
    sent = all(taken for taken, _, _ in answers)
    return Outcome(row.id, sent=sent, final=all(final for _, final, _ in answers), detail=detail)
