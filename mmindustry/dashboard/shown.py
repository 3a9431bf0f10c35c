"""What a page, a `.json` and a `.csv` say of an alarm and of an asset: one flat row each."""

from dataclasses import dataclass
from datetime import datetime

from mmindustry.alerting.lifecycle import Act, Action, State, shown
from mmindustry.alerting.scores import NOVELTY
from mmindustry.domain import AlarmKey, AlarmTransition, Change, GapKind, Priority
from mmindustry.store.operators import VERDICTS
from mmindustry.store.queries.alarms import ActionRow, AlarmRow
from mmindustry.store.queries.overview import AssetGlance
from mmindustry.store.queries.sensors import SENSOR_FAULTS

_WITHOUT_PROBABILITY = frozenset({*SENSOR_FAULTS, GapKind.DATA.value, NOVELTY})
_PUT_AWAY = frozenset({State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE})


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmView:
    """An alarm as it is shown.

    `state` is one of `alerting.lifecycle.State`; `version` must be named in an answer.
    """

    id: str
    state: str
    priority: str
    asset: str
    fault: str
    source: str
    raised_at: datetime
    cleared_at: datetime | None
    score: float
    late: bool
    bundle: str
    window_id: str | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    shelved_until: datetime | None
    verdict: str | None
    version: int

    @property
    def probability(self) -> float | None:
        """The score where it is a probability; None where nobody estimated one."""
        return None if self.fault in _WITHOUT_PROBABILITY else self.score

    @property
    def blinks(self) -> bool:
        """Whether it asks for a hand: active and not acknowledged."""
        return self.state == State.UNACKED


@dataclass(frozen=True, slots=True, kw_only=True)
class GlanceView:
    """An asset as the overview shows it; times of the newest window are event times."""

    asset: str
    name: str
    registered: bool
    running: bool | None
    speed_rpm: float | None
    priority: str | None
    alarms: int
    alarm_id: str | None
    alarm_fault: str | None
    alarm_source: str | None
    unacknowledged: bool
    fault: str | None
    fault_probability: float | None
    health: float | None
    risk_24h: float | None
    novelty_p: float | None
    failed: str | None
    blind: bool
    quiet_sources: int
    window_id: str | None
    seen_until: datetime | None
    seen: bool


def show_alarm(row: AlarmRow, now: datetime) -> AlarmView:
    """Return an alarm as it is shown at `now` (wall time, decides shelving only)."""
    stand = shown(_trail(row), [_action(action) for action in row.actions], now)
    verdict = next((a for a in reversed(row.actions) if a.action in VERDICTS), None)
    return AlarmView(
        id=row.id,
        state=stand.state.value,
        priority=row.priority,
        asset=row.asset,
        fault=row.fault,
        source=row.source,
        raised_at=row.raised_at,
        cleared_at=row.cleared_at,
        score=row.score,
        late=row.late,
        bundle=row.bundle,
        window_id=row.window_id,
        acknowledged_by=stand.acknowledged_by,
        acknowledged_at=stand.acknowledged_at,
        shelved_until=stand.shelved_until,
        verdict=VERDICTS[Act(verdict.action)] if verdict else None,
        version=row.version,
    )


def _trail(row: AlarmRow) -> list[AlarmTransition]:
    changes = [(Change.RAISED, row.raised_at)]
    if row.cleared_at is not None:
        changes.append((Change.CLEARED, row.cleared_at))
    return [
        AlarmTransition(
            key=AlarmKey(row.asset, row.fault, row.id),
            change=change,
            at=at,
            raised_at=row.raised_at,
            priority=Priority(row.priority),
            score=row.score,
        )
        for change, at in changes
    ]


def _action(row: ActionRow) -> Action:
    return Action(
        act=Act(row.action), at=row.at, author=row.author, until=row.until, comment=row.comment
    )


def show_glance(glance: AssetGlance, now: datetime, *, seen_seconds: float) -> GlanceView:
    """Return an asset as the overview shows it at `now`; an alarm put away colours nothing."""
    views = [show_alarm(row, now) for row in glance.alarms]
    loud = [view for view in views if view.state not in _PUT_AWAY]
    first = loud[0] if loud else None
    window, operating, asset = glance.window, glance.operating, glance.asset
    silent = (now - asset.updated_at).total_seconds() if asset.updated_at else None
    return GlanceView(
        asset=asset.asset,
        name=asset.name or asset.asset.rsplit("/", 1)[-1],
        registered=asset.registered,
        running=operating.running if operating else None,
        speed_rpm=operating.speed_rpm if operating else None,
        priority=first.priority if first else None,
        alarms=len(loud),
        alarm_id=first.id if first else None,
        alarm_fault=first.fault if first else None,
        alarm_source=(first.source or None) if first else None,
        unacknowledged=any(view.blinks for view in loud),
        fault=window.fault if window else None,
        fault_probability=window.fault_probability if window else None,
        health=window.health if window else None,
        risk_24h=window.risk_24h if window else None,
        novelty_p=window.novelty_p if window else None,
        failed=window.failed if window else None,
        blind=window.blind if window else False,
        quiet_sources=glance.quiet_sources,
        window_id=window.id if window else None,
        seen_until=asset.frontier,
        seen=silent is not None and silent <= seen_seconds,
    )
