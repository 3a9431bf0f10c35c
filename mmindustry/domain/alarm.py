"""What is told to people: alarms as a trail of transitions, and what they answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from mmindustry.domain.window import WindowKey


class Priority(StrEnum):
    """ISA-18.2 priority; decides colour, shape and route."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Change(StrEnum):
    """What the worker appends to an alarm's trail. Operators' answers have columns of their own."""

    RAISED = "raised"
    CLEARED = "cleared"


class AlarmKey(NamedTuple):
    """(asset, fault, window that raised it). Sensor faults and gaps are faults too."""

    asset: str
    fault: str
    window: str

    @property
    def id(self) -> str:
        """The three joined by `|`: stable, readable, safe in a query string once quoted."""
        return "|".join(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmTransition:
    """One step in an alarm's life, with the evidence it rests on.

    `fault` is a fault class, `sensor_quality`, `quiet`, `data_gap` or `product_defect`; `at` is
    event time (the end of the window, or the gap's start); `raised_at` repeats the time of the
    raise on a clear. `evidence`: plain JSON, shown to the operator. `late`: found by a revision.
    """

    key: AlarmKey
    change: Change
    at: datetime
    raised_at: datetime
    priority: Priority
    score: float
    source: str = ""
    window: WindowKey | None = None
    bundle: str = ""
    late: bool = False
    evidence: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class AlarmState:
    """The memory of the alarm rules for one asset: plain JSON, written in the record's step (3)."""

    asset: str
    memory: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a person says a window or an alarm truly was; the food of the next bundle."""

    asset: str
    start: datetime
    end: datetime
    fault: str
    verdict: str
    author: str
    written_at: datetime
    alarm_id: str | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A row that wants to leave: `channel` names the way out, `body` is plain JSON."""

    id: int
    channel: str
    body: Mapping[str, object]
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an outbox row: sent, to be tried again, or refused for good (4xx)."""

    id: int
    sent: bool
    final: bool
    detail: str = ""
