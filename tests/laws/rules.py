"""The smallest alarm rules that still have a memory."""

from collections.abc import Sequence

from mmindustry.domain import (
    AlarmKey,
    AlarmState,
    AlarmTransition,
    Change,
    Claim,
    Failed,
    Gap,
    Prediction,
    Priority,
)


class KOfN:
    """Two of the last three windows over one half raise, two below clear: enough for a law."""

    def __init__(self) -> None:
        self._memory: dict[str, dict[str, object]] = {}

    def restore(self, claim: Claim) -> None:
        for state in claim.alarms:
            self._memory[state.asset] = dict(state.memory)

    def forget(self) -> None:
        self._memory.clear()

    def fold(
        self, predictions: Sequence[Prediction | Failed], gaps: Sequence[Gap]
    ) -> tuple[list[AlarmTransition], list[AlarmState]]:
        del gaps
        transitions: list[AlarmTransition] = []
        touched: set[str] = set()
        for one in sorted(
            (p for p in predictions if isinstance(p, Prediction)), key=lambda p: p.end
        ):
            asset = one.window.asset
            touched.add(asset)
            memory = self._memory.setdefault(asset, {"votes": "", "raised": ""})
            votes = (str(memory["votes"]) + ("1" if one.faults["bearing"] > 0.5 else "0"))[-3:]
            memory["votes"] = votes
            if not memory["raised"] and votes.count("1") >= 2:
                memory["raised"] = one.window.id
                transitions.append(self._transition(one, str(memory["raised"]), Change.RAISED))
            elif memory["raised"] and votes.endswith("00"):
                transitions.append(self._transition(one, str(memory["raised"]), Change.CLEARED))
                memory["raised"] = ""
        return transitions, [AlarmState(a, dict(self._memory[a])) for a in sorted(touched)]

    @staticmethod
    def _transition(one: Prediction, window: str, change: Change) -> AlarmTransition:
        return AlarmTransition(
            key=AlarmKey(one.window.asset, "bearing", window),
            change=change,
            at=one.end,
            raised_at=one.end,
            priority=Priority.HIGH,
            score=one.faults["bearing"],
        )
