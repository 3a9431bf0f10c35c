"""What operators answer: one row an answer, refused where another was faster, labels beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    func,
    insert,
    literal,
    select,
)

from mmindustry.alerting.lifecycle import Act
from mmindustry.domain import Label
from mmindustry.errors import InputError, StoreError
from mmindustry.store.columns import UtcTime
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import alarm_actions, alarms, labels

_MAX_COMMENT = 2000


VERDICTS: Mapping[Act, str] = MappingProxyType({Act.CONFIRM: "confirmed", Act.REJECT: "rejected"})
"""Answers that are labels too -> the label's verdict."""


class ChangedMeanwhile(StoreError):  # noqa: N818 - what is so, not a mistake
    """Another answer came first; `winner` gave it. Look again, then decide."""

    code = "changed_meanwhile"

    def __init__(self, winner: str, action: str) -> None:
        super().__init__(f"{winner} has answered with {action} meanwhile; look again, then decide")
        self.winner = winner


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An operator's answer to an alarm.

    `version`: id of the last answer the operator saw, 0 = none. `until`: end of a shelving.
    """

    alarm_id: str
    act: Act
    author: str
    at: datetime
    version: int
    until: datetime | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        """Refuse what says nothing.

        Raises:
            InputError: A shelving without an end ahead, an empty comment, or one too long.
        """
        if self.act is Act.SHELVE and (self.until is None or self.until <= self.at):
            raise InputError("a shelving needs an end that lies ahead")
        if self.act is Act.COMMENT and not self.comment.strip():
            raise InputError("the comment is empty; write one")
        if len(self.comment) > _MAX_COMMENT:
            raise InputError(f"the comment has over {_MAX_COMMENT} characters; shorten it")


def answer_alarm(connection: Connection, scope: Scope, answer: Answer) -> int | None:
    """Write an answer, with its label where it is a verdict, and return its id.

    The same answer of the same author sent twice is written once. None = no such alarm in the
    scope. To be called inside a transaction that the caller commits.

    Raises:
        ChangedMeanwhile: Another answer stands behind the `version` the operator saw.
    """
    query = select(alarms).where(alarms.c.id == answer.alarm_id, scope.covers(alarms.c.asset))
    alarm = connection.execute(query.with_for_update()).first()  # PostgreSQL: one at a time
    if alarm is None:
        return None
    written = connection.execute(
        insert(alarm_actions)
        .from_select(
            ["alarm_id", "action", "at", "author", "until", "comment"], _unless_changed(answer)
        )
        .returning(alarm_actions.c.id)
    ).first()
    last = _last(connection, answer.alarm_id)
    if written is None:
        if _same(last, answer):
            return int(last.id)
        raise ChangedMeanwhile(last.author, last.action)
    if answer.act in VERDICTS:
        _label(connection, alarm, answer)
    return int(last.id)


def _unless_changed(answer: Answer) -> Select[str, str, datetime, str, datetime, str]:
    newest = (
        select(func.coalesce(func.max(alarm_actions.c.id), 0))
        .where(alarm_actions.c.alarm_id == answer.alarm_id)
        .scalar_subquery()
    )
    return select(
        literal(answer.alarm_id),
        literal(answer.act.value),
        bindparam("at", answer.at, UtcTime),
        literal(answer.author),
        bindparam("until", answer.until, UtcTime),
        literal(answer.comment),
    ).where(newest == answer.version)


def _last(connection: Connection, alarm_id: str) -> Row[tuple[object, ...]]:
    query = (
        select(alarm_actions)
        .where(alarm_actions.c.alarm_id == alarm_id)
        .order_by(alarm_actions.c.id.desc())
        .limit(1)
    )
    found = connection.execute(query).first()
    if found is None:
        raise InputError("the version names an answer that this alarm does not have; look again")
    return found


def _same(last: Row[tuple[object, ...]], answer: Answer) -> bool:
    kept = (last.action, last.author, last.comment)
    return kept == (answer.act.value, answer.author, answer.comment)


def _label(connection: Connection, alarm: Row[tuple[object, ...]], answer: Answer) -> None:
    before = connection.execute(
        select(func.max(labels.c.id)).where(labels.c.alarm_id == answer.alarm_id)
    ).scalar()
    label = Label(
        asset=alarm.asset,
        start=alarm.window_start or alarm.raised_at,
        end=max(alarm.raised_at, alarm.cleared_at or alarm.raised_at),
        fault=alarm.fault,
        verdict=VERDICTS[answer.act],
        author=answer.author,
        written_at=answer.at,
        alarm_id=answer.alarm_id,
        comment=answer.comment,
    )
    write_label(connection, label, supersedes=before)


def _newest_label(connection: Connection, label: Label) -> Row[tuple[object, ...]] | None:
    query = select(labels).where(
        labels.c.asset == label.asset,
        labels.c.start == label.start,
        labels.c.end == label.end,
        labels.c.alarm_id.is_(None),
    )
    return connection.execute(query.order_by(labels.c.id.desc()).limit(1)).first()


def _says_the_same(before: Row[tuple[object, ...]], label: Label) -> bool:
    kept = (before.fault, before.verdict, before.author, before.comment)
    return kept == (label.fault, label.verdict, label.author, label.comment)


def write_label(connection: Connection, label: Label, *, supersedes: int | None = None) -> int:
    """Write a label and return its id; `supersedes` = the one it corrects (nothing is erased).

    A window's label corrects the newest of its span; where that says the same, of the same
    author, it is written once.
    """
    if label.alarm_id is None:
        before = _newest_label(connection, label)
        if before is not None and _says_the_same(before, label):
            return int(before.id)
        supersedes = before.id if before is not None else None
    written = connection.execute(
        insert(labels)
        .values(
            asset=label.asset,
            start=label.start,
            end=label.end,
            fault=label.fault,
            verdict=label.verdict,
            author=label.author,
            written_at=label.written_at,
            alarm_id=label.alarm_id,
            comment=label.comment,
            supersedes=supersedes,
        )
        .returning(labels.c.id)
    )
    return int(written.scalar_one())
