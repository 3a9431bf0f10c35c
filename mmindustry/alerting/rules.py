"""The alarm rules: a fold over predictions in order of window end, its state kept in the record."""

from collections.abc import Callable, Iterable, Sequence

from mmindustry.alerting.gaps import gap_transitions
from mmindustry.alerting.memory import AssetMemory, PolicyMemory
from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.alerting.scores import (
    NOVELTY,
    SENSOR_QUALITY,
    Score,
    Thresholds,
    evidence,
    fault_scores,
    novelty_scores,
    product_scores,
    sensor_scores,
)
from mmindustry.alerting.track import Track, advance
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
    Sensor,
)

Folded = tuple[list[AlarmTransition], list[AlarmState]]


def _no_thresholds(bundle: str) -> Thresholds:
    del bundle
    return {}


class Rules:
    """Folds predictions and gaps into alarms, asset by asset.

    The result depends on the order of an asset's windows alone: not on batches, crashes or other
    assets. A `Failed` is no vote. An unregistered asset never alarms. A machine known to stand
    still is suppressed by design: nothing is raised or cleared from its windows.
    """

    def __init__(
        self,
        policy: AlertingPolicy,
        thresholds: Callable[[str], Thresholds] = _no_thresholds,
    ) -> None:
        self._policy = policy
        self._thresholds = thresholds
        self._assets: dict[str, AssetMemory] = {}

    def restore(self, claim: Claim) -> None:
        """Begin from the claim's alarm states and its registered assets."""
        for state in claim.alarms:
            self._assets[state.asset] = AssetMemory.from_state(state)
        for asset in claim.registered:
            self._memory(asset).registered = True
        self.register(claim.sensors)

    def register(self, sensors: Iterable[Sensor]) -> None:
        """Know the assets of these sensors as registered: what falls silent there is told of."""
        for sensor in sensors:
            self._memory(sensor.asset).registered = True

    def forget(self) -> None:
        """Drop all memory."""
        self._assets.clear()

    def fold(self, predictions: Sequence[Prediction | Failed], gaps: Sequence[Gap]) -> Folded:
        """Return the transitions these cause, in order of window end, and the changed states."""
        ordered = sorted(
            (item for item in predictions if isinstance(item, Prediction)),
            key=lambda item: (item.end, item.window),
        )
        touched = {item.window.asset for item in ordered} | {gap.asset for gap in gaps if gap.asset}
        before = {asset: self._state(asset) for asset in touched}
        transitions = [change for item in ordered for change in self._judge(item)]
        for gap in gaps:
            transitions += gap_transitions(gap, self._memory(gap.asset) if gap.asset else None)
        after = [self._state(asset) for asset in sorted(touched)]
        return transitions, [state for state in after if state != before[state.asset]]

    def judge_revision(self, predictions: Sequence[Prediction | Failed]) -> Folded:
        """Return the late alarms a revision raises, and the changed state.

        Args:
            predictions: Of the newest revisions of the n windows that end with the revised one,
                in order; the last is the revision's own.

        A revision never clears an alarm, and raises none that is active. A late alarm is cleared,
        marked late too, by live windows that are calm for the off-delay; the live tracks, and so
        all alarms not marked late, are as if it had never been.
        """
        judged = [item for item in predictions if isinstance(item, Prediction)]
        last = predictions[-1] if predictions else None
        if not isinstance(last, Prediction) or not last.registered or last.running is False:
            return [], []
        asset = last.window.asset
        before, memory = self._state(asset), self._memory(asset).of(last.window.policy)
        recent = [item for item in judged if item.running is not False][-self._policy.n :]
        transitions = [
            _transition(last, score, Change.RAISED, late=True)
            for score in self._machine_scores(last)
            if not self._is_active(memory, score) and self._would_raise(recent, score)
        ]
        for raised in transitions:
            memory.late[raised.key.fault] = _standing(raised)
        after = self._state(asset)
        return transitions, [after] if after != before else []

    def _memory(self, asset: str) -> AssetMemory:
        return self._assets.setdefault(asset, AssetMemory())

    def _state(self, asset: str) -> AlarmState:
        return self._assets.get(asset, AssetMemory()).to_state(asset)

    def _judge(self, prediction: Prediction) -> list[AlarmTransition]:
        memory = self._memory(prediction.window.asset)
        memory.registered = prediction.registered
        if not prediction.registered or prediction.running is False:
            return []
        part = memory.of(prediction.window.policy)
        machine = list(self._machine_scores(prediction))
        changes = _advance(prediction, machine, part)
        changes += _advance(prediction, sensor_scores(prediction, self._policy, part), part)
        explained = any(score.track in _active(part) for score in machine)
        if explained and NOVELTY not in part.tracks:
            part.levels.clear()  # an alarm with a name says it already
        else:
            changes += _advance(prediction, novelty_scores(prediction, self._policy, part), part)
        return changes + _clear_late(prediction, machine, part)

    def _machine_scores(self, prediction: Prediction) -> Iterable[Score]:
        yield from fault_scores(prediction, self._policy, self._thresholds(prediction.bundle))
        yield from product_scores(prediction, self._policy)

    def _would_raise(self, recent: Sequence[Prediction], score: Score) -> bool:
        """Return whether k of the recent windows vote, the last of them among these."""
        if score.value < score.limits.on:
            return False
        votes = sum(
            other.value >= other.limits.on
            for item in recent
            for other in self._machine_scores(item)
            if other.fault == score.fault
        )
        return votes >= score.limits.k

    @staticmethod
    def _is_active(memory: PolicyMemory, score: Score) -> bool:
        return score.track in _active(memory) or score.fault in memory.late


def _active(memory: PolicyMemory) -> set[str]:
    return {name for name, track in memory.tracks.items() if track.window is not None}


def _advance(
    prediction: Prediction,
    scores: Iterable[Score],
    memory: PolicyMemory,
) -> list[AlarmTransition]:
    """Move each score's track on by one window."""
    changes: list[AlarmTransition] = []
    for score in scores:
        track = memory.tracks.get(score.track, Track())
        moved, change = advance(track, score.value, score.limits, is_sound=score.is_sound)
        if change is Change.RAISED:
            raised = _transition(prediction, score, change)
            moved = _standing(raised)
            changes.append(raised)
        elif change is Change.CLEARED:
            changes.append(_transition(prediction, score, change, raised=track))
        memory.tracks[score.track] = moved
        if moved.is_blank:
            del memory.tracks[score.track]
    return changes


def _standing(raised: AlarmTransition) -> Track:
    """Return the track of an alarm just raised."""
    return Track(
        window=raised.key.window,
        raised_at=raised.raised_at,
        priority=raised.priority.value,
        source=raised.source,
    )


def _clear_late(
    prediction: Prediction, scores: Iterable[Score], memory: PolicyMemory
) -> list[AlarmTransition]:
    """Let live windows calm the late alarms that revisions raised."""
    changes: list[AlarmTransition] = []
    for score in scores:
        track = memory.late.get(score.fault)
        if track is None:
            continue
        moved, change = advance(track, score.value, score.limits, is_sound=score.is_sound)
        if change is Change.CLEARED:
            del memory.late[score.fault]
            changes.append(_transition(prediction, score, change, raised=track, late=True))
        else:
            memory.late[score.fault] = moved
    return changes


def _transition(
    prediction: Prediction,
    score: Score,
    change: Change,
    *,
    raised: Track | None = None,
    late: bool = False,
) -> AlarmTransition:
    """Return the transition; a clear repeats its raise: key, time, priority and source."""
    window, raised_at, priority = prediction.window.id, prediction.end, score.priority
    source = score.source if score.fault in {SENSOR_QUALITY, NOVELTY} else ""
    if score.fault == SENSOR_QUALITY:
        window = f"{window}@{score.source}"
    if raised is not None and raised.window is not None and raised.raised_at is not None:
        window, raised_at = raised.window, raised.raised_at
        priority, source = Priority(raised.priority), raised.source
    return AlarmTransition(
        key=AlarmKey(prediction.window.asset, score.fault, window),
        change=change,
        at=prediction.end,
        raised_at=raised_at,
        priority=priority,
        score=score.value,
        source=source,
        window=prediction.window,
        bundle=prediction.bundle,
        late=late,
        evidence=evidence(prediction, score),
    )
