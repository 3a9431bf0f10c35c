"""Gaps -> alarms: a sensor gone quiet, a stretch of the stream lost."""

from mmindustry.alerting.memory import AssetMemory
from mmindustry.domain import AlarmKey, AlarmTransition, Change, Gap, GapKind, Priority


def gap_transitions(gap: Gap, memory: AssetMemory | None) -> list[AlarmTransition]:
    """Return what a gap that began or ended changes.

    A quiet sensor of a registered asset raises `quiet`, and its gap's end clears it. A loss of
    offsets raises `data_gap`; being over when it is found, it clears at once, and stays to be
    acknowledged.

    Args:
        gap: Just begun (`ended` None) or just ended.
        memory: Of its asset, changed in place; None where the gap is of a whole partition.
    """
    if gap.kind is GapKind.DATA or memory is None:
        raised = _transition(gap, Change.RAISED, Priority.MEDIUM)
        cleared = [_transition(gap, Change.CLEARED, Priority.MEDIUM)] if gap.ended else []
        return [raised, *cleared]
    known = memory.gaps.get(gap.source) == gap.started.isoformat()
    if gap.ended is None and memory.registered and not known:
        memory.gaps[gap.source] = gap.started.isoformat()
        return [_transition(gap, Change.RAISED, Priority.LOW)]
    if gap.ended is not None and known:
        del memory.gaps[gap.source]
        return [_transition(gap, Change.CLEARED, Priority.LOW)]
    return []


def _transition(gap: Gap, change: Change, priority: Priority) -> AlarmTransition:
    place = gap.source if gap.asset else f"{gap.source}/{gap.partition}"
    told: dict[str, object] = {"source": gap.source, "started": gap.started.isoformat()}
    if gap.first_offset is not None and gap.last_offset is not None:
        told |= {"first_offset": gap.first_offset, "last_offset": gap.last_offset}
    if gap.ended is not None:
        told["ended"] = gap.ended.isoformat()
    return AlarmTransition(
        key=AlarmKey(gap.asset, gap.kind.value, f"{place}@{gap.started.isoformat()}"),
        change=change,
        at=gap.ended if change is Change.CLEARED and gap.ended else gap.started,
        raised_at=gap.started,
        priority=priority,
        score=1.0,
        source=gap.source,
        evidence=told,
    )
