"""How far the watch for the unknown has come on one asset: learning, shadow, armed.

With a profile whose limits keep a budget of false alarms the watch runs in shadow first: what it
would have raised is counted and nobody is told. It is armed once it has been followed for some
normal hours without more of these than the budget allows; otherwise it stays in shadow and counts
anew. A profile that can't keep its budget leaves the watch learning, and says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import exp

BUDGET = "budget"
"""Limit of a profile: false alarms a machine-week that its other limits keep."""
DRIFT = "drift"
"""Limit of a profile: what each step of the CUSUM takes off -ln p."""
STEP_SECONDS = "step_seconds"
"""Limit of a profile: pause between steps of the CUSUM."""
HOURS_NEEDED = "hours_needed"
"""Limit of a profile: normal hours from which its budget could be kept; absent where it is."""

_LEVEL = "cusum_"
_TRAIL = 20
_SURELY = 0.05
_HOUR_SECONDS = 3600.0
_WEEK_SECONDS = 604_800.0


class Phase(StrEnum):
    """Where the watch stands."""

    LEARNING = "learning"
    SHADOW = "shadow"
    ARMED = "armed"


def level_name(modality: str) -> str:
    """Return the name of the limit that holds a modality's CUSUM level."""
    return f"{_LEVEL}{modality}"


def levels_of(limits: Mapping[str, float]) -> dict[str, float]:
    """Return modality -> CUSUM level of a profile's limits, those above 0."""
    named = (name for name in sorted(limits) if name.startswith(_LEVEL))
    return {name.removeprefix(_LEVEL): limits[name] for name in named if limits[name] > 0}


def first_phase(limits: Mapping[str, float]) -> Phase:
    """Return where the watch begins with a profile of these limits.

    One made before there was a budget is armed, as it was.
    """
    if BUDGET not in limits:
        return Phase.ARMED
    return Phase.SHADOW if levels_of(limits) else Phase.LEARNING


def phase_of(limits: Mapping[str, float], watch: "Watch | None") -> Phase:
    """Return where the watch by a profile stands; None: no window met the profile yet."""
    return first_phase(limits) if watch is None else watch.phase


def lacks_hours(limits: Mapping[str, float], normal_hours: float) -> bool:
    """Return whether more normal hours would let the budget be kept: else it is too unsteady."""
    return limits.get(HOURS_NEEDED, 0.0) > normal_hours


def told_why(phase: str, limits: Mapping[str, float], normal_hours: float) -> str:
    """Return why the watch is no further, for a person; empty where it is armed."""
    if phase == Phase.ARMED:
        return ""
    if phase == Phase.SHADOW:
        return "would-be alarms are counted against the budget before any is raised"
    budget, needed = limits.get(BUDGET, 0.0), limits.get(HOURS_NEEDED, 0.0)
    if lacks_hours(limits, normal_hours):
        return (
            f"a budget of {budget:g} false alarms a machine-week can't be kept: "
            f"{normal_hours:.1f} normal hours are too few, about {needed:.0f} are needed"
        )
    return (
        f"a budget of {budget:g} false alarms a machine-week can't be kept: the asset's normal "
        "is too unsteady in every modality for a limit that a fault would still reach"
    )


@dataclass(slots=True)
class Watch:
    """What is remembered: the phase, its seconds of normal and would-be alarms, whether one stands.

    `slot`: number of the step that was taken last. `trail`: (phase, when it began as ISO 8601), the
    newest twenty.
    """

    phase: Phase = Phase.LEARNING
    seconds: float = 0.0
    alarms: int = 0
    over: bool = False
    slot: int | None = None
    trail: list[tuple[str, str]] = field(default_factory=list)

    def enter(self, phase: Phase, at: str) -> None:
        """Begin a phase, its counts at 0."""
        self.phase, self.seconds, self.alarms, self.over = phase, 0.0, 0, False
        self.trail = [*self.trail, (phase.value, at)][-_TRAIL:]

    def steps(self, second: float, step_seconds: float) -> bool:
        """Return whether the window that ends at this second is the first of its step."""
        slot = int(second // step_seconds)
        if slot == self.slot:
            return False
        self.slot = slot
        return True

    def followed(
        self, share: float, seconds: float, *, budget: float, enough: float, at: str
    ) -> None:
        """Count one step of shadow, and arm or begin anew where enough hours were seen.

        Args:
            share: The highest CUSUM as a share of its level.
            seconds: Of normal that the step stands for.
            budget: False alarms a machine-week.
            enough: Normal hours of shadow.
            at: When, ISO 8601.
        """
        self.seconds += seconds
        if not self.over and share >= 1:
            self.over, self.alarms = True, self.alarms + 1
        elif share < 0.5:  # noqa: PLR2004 - as an alarm clears
            self.over = False
        if self.seconds < enough * _HOUR_SECONDS or self.over:
            return
        if surely_more(self.alarms, budget * self.seconds / _WEEK_SECONDS):
            self.enter(Phase.SHADOW, at)
        else:
            self.enter(Phase.ARMED, at)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON."""
        return {
            "phase": self.phase.value,
            "seconds": self.seconds,
            "alarms": self.alarms,
            "over": self.over,
            "slot": self.slot,
            "trail": [list(step) for step in self.trail],
        }

    @classmethod
    def from_json(cls, memory: Mapping[str, object]) -> "Watch":
        """Return what `to_json` wrote."""
        slot, trail = memory.get("slot"), memory.get("trail")
        return cls(
            phase=Phase(str(memory["phase"])),
            seconds=float(str(memory["seconds"])),
            alarms=int(str(memory["alarms"])),
            over=bool(memory["over"]),
            slot=None if slot is None else int(str(slot)),
            trail=[(str(p), str(t)) for p, t in trail] if isinstance(trail, list) else [],
        )


def watches_in(memory: Mapping[str, object]) -> dict[str, tuple[str, Watch]]:
    """Return windowing policy -> (profile, watch) of what the rules remember of an asset."""
    policies = memory.get("policies")
    parts = policies.items() if isinstance(policies, dict) else ()
    return {
        name: (str(part["profile"]), Watch.from_json(part["watch"]))
        for name, part in parts
        if part.get("watch")
    }


def surely_more(count: int, mean: float) -> bool:
    """Return whether so many come by chance in fewer than 5 of 100 cases (Poisson).

    >>> surely_more(1, 0.1), surely_more(2, 0.1)
    (False, True)
    """
    term, below = exp(-mean), 0.0
    for number in range(count):
        below += term
        term *= mean / (number + 1)
    return 1.0 - below < _SURELY
