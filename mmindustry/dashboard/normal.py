"""How far the watch for the unknown has come on an asset, and what keeps it, put into words."""

from mmindustry.alerting.watch import BUDGET, HOURS_NEEDED, Phase, lacks_hours, phase_of
from mmindustry.dashboard.show import number
from mmindustry.dashboard.words import Words
from mmindustry.store.queries.normal import NormalRow

_HOUR_SECONDS = 3600.0


def tell_watch(row: NormalRow, words: Words) -> tuple[str, str]:
    """Return (phase, what it waits for or since when it holds) for a person."""
    watch = row.watch
    phase = phase_of(row.limits, watch)
    values = {
        "budget": number(row.limits.get(BUDGET, 0.0), 3),
        "hours": number(row.normal_hours, 3),
        "needed": number(row.limits.get(HOURS_NEEDED, 0.0), 3),
        "followed": number(0.0 if watch is None else watch.seconds / _HOUR_SECONDS, 3),
        "alarms": 0 if watch is None else watch.alarms,
    }
    return words(f"watch.{phase}"), words(f"watch.{_state(phase, row)}_note", **values)


def _state(phase: Phase, row: NormalRow) -> str:
    """Return which sentence tells this state."""
    if phase == Phase.ARMED:
        return "armed" if BUDGET in row.limits else "armed_before"
    if phase == Phase.SHADOW:
        return "shadow"
    return "few" if lacks_hours(row.limits, row.normal_hours) else "unsteady"
