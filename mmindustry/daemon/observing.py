"""What a worker's steps look like from outside: counters, lags, heartbeats."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from prometheus_client import Histogram
from typing_extensions import override

from mmindustry.alerting.watch import Phase, watches_in
from mmindustry.clock import Clock
from mmindustry.domain import (
    Change,
    DeadLetter,
    Event,
    Failed,
    Message,
    Step,
    Window,
)
from mmindustry.store.recorder import SqlRecorder
from mmindustry.telemetry.metrics import Metrics

Decode = Callable[[Sequence[Message]], tuple[list[Event], list[DeadLetter]]]


class StepObserver:
    """Turns each committed step into metrics."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._phases: dict[tuple[str, str], Phase] = {}

    def observe(self, step: Step) -> None:
        """Count a step that was committed."""
        metrics = self._metrics
        now = self._clock.now()
        metrics.last_commit_timestamp_seconds.set(now.timestamp())
        for window in step.windows:
            metrics.windows_total.labels(result=_result(window)).inc()
            for item in window.items:
                metrics.event_lag_seconds.observe(max(0.0, (now - item.time).total_seconds()))
        for judged in step.predictions:
            outcome = "failed" if isinstance(judged, Failed) else "predicted"
            metrics.predictions_total.labels(bundle=judged.bundle, outcome=outcome).inc()
        for letter in step.dead_letters:
            modality = letter.modality.value if letter.modality else "unknown"
            metrics.dead_letters_total.labels(modality=modality, reason=letter.reason).inc()
        for (kind, reason), count in step.drops.items():
            known = kind.value if kind else "unknown"
            metrics.events_dropped_total.labels(modality=known, reason=reason).inc(count)
        self._observe_alarms(step)
        self._observe_watches(step)
        self._observe_shards(step)
        self._observe_progress(step)

    def _observe_alarms(self, step: Step) -> None:
        for transition in step.alarms:
            if transition.change is Change.RAISED:
                priority = transition.priority.value
                self._metrics.alarms_annunciated_total.labels(priority=priority).inc()

    def _observe_watches(self, step: Step) -> None:
        """Count assets by the phase of their watch; each step of one tells it again."""
        for state in step.alarm_states:
            for policy, (_, watch) in watches_in(state.memory).items():
                self._phases[state.asset, policy] = watch.phase
        if step.alarm_states:
            counts = Counter(self._phases.values())
            for phase in Phase:
                self._metrics.novelty_assets.labels(phase=phase.value).set(counts[phase])

    def _observe_shards(self, step: Step) -> None:
        for shard in step.shards:
            if shard.lost:
                lost = self._metrics.evidence_lost_total.labels(reason=shard.lost)
                lost.inc(len(shard.rows))
            else:
                self._metrics.shards_total.inc()

    def _observe_progress(self, step: Step) -> None:
        arrivals = {progress.partition: progress.arrival for progress in step.progress}
        for asset in step.assets:
            arrival = arrivals.get(asset.partition)
            if arrival is not None and asset.watermark is not None:
                lag = (arrival - asset.watermark).total_seconds()
                self._metrics.watermark_lag_seconds.observe(max(0.0, lag))


def counted(decode: Decode, metrics: Metrics) -> Decode:
    """Return `decode` with what it reads for the first time counted by modality."""

    def count_and_decode(messages: Sequence[Message]) -> tuple[list[Event], list[DeadLetter]]:
        metrics.queue_depth.labels(stage="receiving").set(len(messages))
        events, refused = decode(messages)
        for event in events:
            if not event.seen:
                metrics.events_received_total.labels(modality=event.modality.value).inc()
        for letter in refused:
            modality = letter.modality.value if letter.modality else "unknown"
            metrics.events_received_total.labels(modality=modality).inc()
        return events, refused

    return count_and_decode


def _result(window: Window) -> str:
    if window.key.revision:
        return "revised"
    if window.blind:
        return "blind"
    return "partial" if window.missing else "complete"


class TimedRecorder(SqlRecorder):
    """The record, its writes timed."""

    def __init__(self, *parts: Any, timer: Histogram, clock: Clock, **more: Any) -> None:
        super().__init__(*parts, clock=clock, **more)
        self._timer = timer
        self._watch = clock

    @override
    def save(self, step: Step) -> None:
        """Write the whole step in one transaction, or nothing.

        Raises:
            Fenced: Another worker has claimed one of its partitions.
        """
        begun = self._watch.monotonic()
        super().save(step)
        self._timer.labels(backend="database").observe(self._watch.monotonic() - begun)
