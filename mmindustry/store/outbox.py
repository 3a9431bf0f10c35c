"""The Outbox port: rows that want to leave, each claimed by one notifier and marked once.

On each channel the rows of one alarm leave in their order, one after the other: a clear is not
told before its raise has left or was refused for good.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, or_, select, update
from sqlalchemy.sql.expression import ColumnElement

from mmindustry.alerting.lifecycle import Act, Action, put_away
from mmindustry.clock import Clock
from mmindustry.domain import Change, OutboxRow, Outcome
from mmindustry.store.database import Database
from mmindustry.store.policy import OutboxPolicy
from mmindustry.store.retry import Patience
from mmindustry.store.rows import clean, instant
from mmindustry.store.tables import alarm_actions, alarms, outbox

_DETAIL_LENGTH = 500


def _waiting(table: Any) -> ColumnElement[bool]:
    return and_(table.c.sent_at.is_(None), table.c.refused_at.is_(None))


_WAITING = _waiting(outbox)
_EARLIER = outbox.alias("earlier")
_IS_NEXT = or_(
    outbox.c.alarm.is_(None),
    ~exists().where(
        _EARLIER.c.channel == outbox.c.channel,
        _EARLIER.c.alarm == outbox.c.alarm,
        _EARLIER.c.id < outbox.c.id,
        _waiting(_EARLIER),
    ),
)
"""No earlier change of the same alarm still waits on the same channel."""


class SqlOutbox:
    """A notifier's hands on the outbox. On SQLite the caller holds `Database.lock("notifier")`.

    A claim is a lease by the notifier's wall clock: whoever dies with rows in hand leaves them to
    the next one after `lease_seconds`.
    """

    def __init__(
        self, database: Database, policy: OutboxPolicy, *, patience: Patience, clock: Clock
    ) -> None:
        self._database = database
        self._policy = policy
        self._persist = patience.persist
        self._clock = clock

    def claim(self, limit: int) -> list[OutboxRow]:
        """Return up to `limit` rows that are due, oldest first; no row goes to two claimants.

        Of one alarm and channel, the earliest only: the next comes once that one has left.
        """
        return self._persist(lambda: self._claim(limit))

    def _claim(self, limit: int) -> list[OutboxRow]:
        now = self._clock.now()
        free = or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now)
        due = (
            select(outbox.c.id)
            .where(_WAITING, _IS_NEXT, outbox.c.due_at <= now, free)
            .order_by(outbox.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=outbox)
        )
        lease = now + timedelta(seconds=self._policy.lease_seconds)
        with self._database.write() as connection:
            ids = connection.scalars(due).all()
            rows = connection.execute(
                update(outbox)
                .where(outbox.c.id.in_(ids))
                .values(claimed_until=lease, attempts=outbox.c.attempts + 1)
                .returning(outbox)
            ).all()
        return [
            OutboxRow(
                id=row.id,
                channel=row.channel,
                body=row.body,
                attempts=row.attempts,
                created_at=row.created_at,
            )
            for row in sorted(rows, key=lambda row: row.id)
        ]

    def mark(self, outcomes: Sequence[Outcome]) -> None:
        """Write what became of rows: sent, refused for good, or to be tried again later."""
        if outcomes:
            self._persist(lambda: self._mark(outcomes))

    def _mark(self, outcomes: Sequence[Outcome]) -> None:
        now = self._clock.now()
        with self._database.write() as connection:
            attempts = _attempts(connection, [outcome.id for outcome in outcomes])
            rows = [self._fate(outcome, attempts.get(outcome.id, 1), now) for outcome in outcomes]
            connection.execute(_MARK, rows)

    def _fate(self, outcome: Outcome, attempts: int, now: datetime) -> dict[str, Any]:
        refused = outcome.final and not outcome.sent
        pause = self._policy.backoff_first_seconds * 2.0 ** min(attempts - 1, 30)
        pause = min(pause, self._policy.backoff_most_seconds)
        return {
            "b_id": outcome.id,
            "b_sent_at": now if outcome.sent else None,
            "b_refused_at": now if refused else None,
            "b_due_at": now + timedelta(seconds=pause),
            "b_detail": clean(outcome.detail, _DETAIL_LENGTH),
        }

    def waiting(self) -> int:
        """Return how many rows have not left."""

        def count() -> int:
            with self._database.read() as connection:
                return len(connection.scalars(select(outbox.c.id).where(_WAITING)).all())

        return self._persist(count)

    def active(self) -> list[Mapping[str, Any]]:
        """Return the bodies of all alarms that stand and ask for somebody, as `claim` gives them.

        For what must be told again and again: Alertmanager forgets what is not repeated. What an
        operator has shelved, suppressed or taken out of service is left out until he takes it
        back or its time is over.
        """
        return self._persist(self._active)

    def _active(self) -> list[Mapping[str, Any]]:
        query = select(alarms).where(alarms.c.cleared_at.is_(None)).order_by(alarms.c.raised_at)
        now = self._clock.now()
        with self._database.read() as connection:
            away = _away(connection, now)
            rows = connection.execute(query).mappings()
            return [_body(row) for row in rows if row["id"] not in away]


def _away(connection: Connection, now: datetime) -> set[str]:
    """Return the ids of the standing alarms that operators have put away."""
    table = alarm_actions.c
    standing = select(alarms.c.id).where(alarms.c.cleared_at.is_(None))
    query = (
        select(table.alarm_id, table.action, table.at, table.author, table.until)
        .where(table.alarm_id.in_(standing))
        .order_by(table.id)
    )
    answers: dict[str, list[Action]] = {}
    for row in connection.execute(query):
        action = Action(act=Act(row.action), at=row.at, author=row.author, until=row.until)
        answers.setdefault(row.alarm_id, []).append(action)
    return {alarm for alarm, given in answers.items() if put_away(given, now) is not None}


def _attempts(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    query = select(outbox.c.id, outbox.c.attempts).where(outbox.c.id.in_(ids))
    return {row.id: row.attempts for row in connection.execute(query)}


def _body(row: Mapping[Any, Any]) -> Mapping[str, Any]:
    """Return the body of an active alarm: that of its raise."""
    same = ("asset", "fault", "window", "priority", "score", "source", "bundle", "late")
    return {
        "alarm": row["id"],
        **{name: row[name] for name in same},
        "change": Change.RAISED.value,
        "at": instant(row["raised_at"]),
        "raised_at": instant(row["raised_at"]),
        "written_at": instant(row["written_at"]),
        "window_id": None,
        "evidence": row["evidence"] or {},
    }


_MARK = (
    update(outbox)
    .where(outbox.c.id == bindparam("b_id"), _WAITING)
    .values(
        sent_at=bindparam("b_sent_at"),
        refused_at=bindparam("b_refused_at"),
        due_at=bindparam("b_due_at"),
        claimed_until=None,
        detail=bindparam("b_detail"),
    )
)
