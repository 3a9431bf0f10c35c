"""What a page, a `.json` and a `.csv` say of an alarm and of an asset: one flat row each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mmindustry.store.operators import VERDICTS, Action
from mmindustry.store.queries.alarms import ActionRow, AlarmRow
from mmindustry.store.queries.overview import AssetGlance


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmView:
    """An alarm as it is shown.

    `state` (ISA-18.2): unacknowledged, acknowledged, returned (cleared, not acknowledged),
    shelved, normal (cleared and acknowledged). `version` must be named in an answer.
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
    def blinks(self) -> bool:
        """Whether it asks for a hand: active and not acknowledged."""
        return self.state == "unacknowledged"


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
    acknowledged = _last(row.actions, Action.ACKNOWLEDGE, *VERDICTS)
    shelved = _last(row.actions, Action.SHELVE, Action.UNSHELVE)
    until = shelved.until if shelved and shelved.action == Action.SHELVE else None
    verdict = _last(row.actions, *VERDICTS)
    active_shelf = until if until and until > now else None
    return AlarmView(
        id=row.id,
        state=_state(row, acknowledged=acknowledged is not None, shelved=bool(active_shelf)),
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
        acknowledged_by=acknowledged.author if acknowledged else None,
        acknowledged_at=acknowledged.at if acknowledged else None,
        shelved_until=active_shelf,
        verdict=VERDICTS[Action(verdict.action)] if verdict else None,
        version=row.version,
    )


def _state(row: AlarmRow, *, acknowledged: bool, shelved: bool) -> str:
    if shelved and row.cleared_at is None:
        return "shelved"
    if row.cleared_at is None:
        return "acknowledged" if acknowledged else "unacknowledged"
    return "normal" if acknowledged else "returned"


def _last(actions: Sequence[ActionRow], *kinds: Action) -> ActionRow | None:
    return next((a for a in reversed(actions) if a.action in kinds), None)


def show_glance(glance: AssetGlance, now: datetime, *, seen_seconds: float) -> GlanceView:
    """Return an asset as the overview shows it at `now`; a shelved alarm colours nothing."""
    views = [show_alarm(row, now) for row in glance.alarms]
    loud = [view for view in views if view.state != "shelved"]
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
