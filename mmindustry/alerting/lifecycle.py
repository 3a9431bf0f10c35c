"""What an operator is shown of an alarm: a pure function of the worker's trail and the answers.

States after ISA-18.2 / IEC 62682. Nothing here is stored: both trails only grow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mmindustry.domain import AlarmTransition, Change


class State(StrEnum):
    """How an alarm is shown."""

    UNACKED = "unacked"
    ACKED = "acked"
    RETURNED_UNACKED = "returned_unacked"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"
    NORMAL = "normal"


class Act(StrEnum):
    """What an operator can do. `confirm` and `reject` label the alarm and acknowledge it."""

    ACKNOWLEDGE = "acknowledge"
    CONFIRM = "confirm"
    REJECT = "reject"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    COMMENT = "comment"


_ANSWERS = frozenset({Act.ACKNOWLEDGE, Act.CONFIRM, Act.REJECT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One answer of a person. `until` ends a shelving and is needed there."""

    act: Act
    at: datetime
    author: str
    until: datetime | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        """Refuse a shelving without an end: nothing is put away for good."""
        if self.act is Act.SHELVE and (self.until is None or self.until <= self.at):
            raise ValueError("a shelving needs an end after its beginning")


@dataclass(frozen=True, slots=True)
class Shown:
    """An alarm as it stands: `active` is the worker's word, `state` what is shown."""

    state: State
    active: bool
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    shelved_until: datetime | None = None
    comments: tuple[tuple[str, str], ...] = ()

    @property
    def annunciates(self) -> bool:
        """Whether it asks for somebody: sound, colour, notification."""
        return self.state in {State.UNACKED, State.RETURNED_UNACKED}


def shown(
    transitions: Iterable[AlarmTransition], actions: Iterable[Action], now: datetime
) -> Shown:
    """Return how one alarm is shown at `now`.

    Args:
        transitions: All of one alarm key, in any order.
        actions: All answers to it, in any order.
        now: Wall time; it ends shelvings.
    """
    active = is_active(transitions)
    done = sorted((a for a in actions if a.at <= now), key=lambda a: a.at)
    answer = next((a for a in done if a.act in _ANSWERS), None)
    away = _put_away(done, now)
    return Shown(
        state=away or _state(active=active, answered=answer is not None),
        active=active,
        acknowledged_by=answer.author if answer else None,
        acknowledged_at=answer.at if answer else None,
        shelved_until=_shelved(done, now),
        comments=tuple((a.author, a.comment) for a in done if a.comment),
    )


def is_active(transitions: Iterable[AlarmTransition]) -> bool:
    """Return whether an alarm is raised and not cleared."""
    changes = {transition.change for transition in transitions}
    return Change.RAISED in changes and Change.CLEARED not in changes


def put_away(actions: Iterable[Action], now: datetime) -> State | None:
    """Return how operators have put an alarm away, so that it asks for nobody; None: they have not.

    Args:
        actions: All answers to it, in any order.
        now: Wall time; it ends shelvings.
    """
    return _put_away(sorted((a for a in actions if a.at <= now), key=lambda a: a.at), now)


def _put_away(done: Sequence[Action], now: datetime) -> State | None:
    ways = {
        State.OUT_OF_SERVICE: _last(done, Act.OUT_OF_SERVICE, Act.IN_SERVICE),
        State.SUPPRESSED: _last(done, Act.SUPPRESS, Act.UNSUPPRESS),
        State.SHELVED: _shelved(done, now) is not None,
    }
    return next((state for state, holds in ways.items() if holds), None)


def _state(*, active: bool, answered: bool) -> State:
    if active:
        return State.ACKED if answered else State.UNACKED
    return State.NORMAL if answered else State.RETURNED_UNACKED


def _last(done: Sequence[Action], on: Act, off: Act) -> bool:
    """Return whether the newest of the two acts is `on`."""
    acts = [action.act for action in done if action.act in {on, off}]
    return bool(acts) and acts[-1] is on


def _shelved(done: Sequence[Action], now: datetime) -> datetime | None:
    acts = [action for action in done if action.act in {Act.SHELVE, Act.UNSHELVE}]
    if not acts or acts[-1].act is Act.UNSHELVE:
        return None
    until = acts[-1].until
    return until if until is not None and until > now else None
