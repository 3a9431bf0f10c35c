"""Every metric, declared once, on a registry that is given.

Names: `mmindustry_<noun>_<unit>[_total]`, base units, labels from bounded sets. An asset, a sensor
or a file is never a label: figures an asset come from the API.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MODALITIES = ("image", "audio", "text", "state", "unknown")
WINDOW_RESULTS = ("complete", "partial", "revised", "blind")
GAP_KINDS = ("quiet", "data_gap")
NOVELTY_PHASES = ("learning", "shadow", "armed")
PRIORITIES = ("high", "medium", "low")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
STEP_OUTCOMES = ("done", "idle", "fenced", "failed")
PREDICTION_OUTCOMES = ("predicted", "failed")
EXPLANATION_OUTCOMES = ("explained", "skipped")
PROFILE_OUTCOMES = ("learned", "refused", "busy", "failed")
_LAGS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 300, 3600, 86400)
_WORK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the reference page prints of a metric."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


class Metrics:
    """All metrics of mmindustry on one registry; a process makes one and hands it on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.declarations: list[Declaration] = []
        self._declare_input()
        self._declare_windows()
        self._declare_judgement()
        self._declare_record()
        self._declare_alarms()
        self._declare_process()
        self._export_zeros()

    def _declare_input(self) -> None:
        self.events_received_total = self._counter(
            "events_received_total", "Messages read for the first time.", "modality"
        )
        self.events_dropped_total = self._counter(
            "events_dropped_total",
            "Events dropped by a named policy, all of them counted in the ledger.",
            "modality",
            "reason",
        )
        self.dead_letters_total = self._counter(
            "dead_letters_total",
            "Messages that can't be used, by reason; they stand in the dead-letter topics.",
            "modality",
            "reason",
        )
        self.event_lag_seconds = self._histogram(
            "event_lag_seconds", "From an event's time until its step was saved.", _LAGS
        )
        self.consumer_lag_messages = self._gauge(
            "consumer_lag_messages", "Messages appended but not yet read.", "topic", "partition"
        )
        self.clock_skew_seconds = self._gauge(
            "clock_skew_seconds", "This host's clock less that of a peer.", "peer"
        )

    def _declare_windows(self) -> None:
        self.watermark_lag_seconds = self._histogram(
            "watermark_lag_seconds",
            "Arrival clock less watermark, over the assets of a step.",
            _LAGS,
        )
        self.windows_total = self._counter(
            "windows_total", "Windows committed, by what they hold.", "result"
        )
        self.gaps_active = self._gauge("gaps_active", "Gaps that have not ended.", "kind")
        self.open_windows = self._gauge("open_windows", "Windows in memory, not yet closed.")
        self.held_bytes = self._gauge("held_bytes", "Bytes of open windows and unsealed rows.")
        self.held_limit_bytes = self._gauge("held_limit_bytes", "The byte budget of the above.")
        self.queue_depth = self._gauge("queue_depth", "Items waiting in a stage.", "stage")
        self.queue_limit = self._gauge("queue_limit", "Most items a stage lets wait.", "stage")

    def _declare_judgement(self) -> None:
        self.inference_duration_seconds = self._histogram(
            "inference_duration_seconds", "Time for one batch in the network.", _WORK, "bundle"
        )
        self.predictions_total = self._counter(
            "predictions_total", "Windows judged, by outcome.", "bundle", "outcome"
        )
        self.explanations_total = self._counter(
            "explanations_total",
            "Flagged windows explained, and skipped for want of time.",
            "outcome",
        )
        self.model_info = self._gauge("model_info", "Always 1; the bundles loaded.", "name")
        self.profiles_learned_total = self._counter(
            "profiles_learned_total",
            "Profiles the profiler set out to learn; refused: too little normal, or none steady.",
            "outcome",
        )
        self.novelty_assets = self._gauge(
            "novelty_assets",
            "Assets whose watch for novelty is learning, in shadow or armed.",
            "phase",
        )
        for phase in NOVELTY_PHASES:
            self.novelty_assets.labels(phase=phase)
        self.step_duration_seconds = self._histogram(
            "step_duration_seconds", "Time for one step of the line, from poll to commit.", _WORK
        )
        self.steps_total = self._counter("steps_total", "Steps of the line, by outcome.", "outcome")

    def _declare_record(self) -> None:
        self.sink_write_duration_seconds = self._histogram(
            "sink_write_duration_seconds", "Time for one write to a sink.", _WORK, "backend"
        )
        self.sink_errors_total = self._counter(
            "sink_errors_total",
            "Failed writes to a sink; each is tried again.",
            "backend",
            "error_type",
        )
        self.commit_failures_total = self._counter(
            "commit_failures_total", "Offset commits that failed; only a hint is lost."
        )
        self.last_commit_timestamp_seconds = self._gauge(
            "last_commit_timestamp_seconds", "When the record last took a step (Unix time)."
        )
        self.spool_bytes = self._gauge("spool_bytes", "Bytes a gateway holds for an absent stream.")
        self.spool_limit_bytes = self._gauge("spool_limit_bytes", "Most bytes a gateway holds.")
        self.evidence_lost_total = self._counter(
            "evidence_lost_total", "Rows whose raw evidence was given up, by reason.", "reason"
        )
        self.shards_total = self._counter("shards_total", "Evidence shards made durable.")

    def _declare_alarms(self) -> None:
        self.alarms_active = self._gauge(
            "alarms_active", "Alarms raised and not cleared.", "priority"
        )
        self.alarms_annunciated_total = self._counter(
            "alarms_annunciated_total", "Alarms raised.", "priority"
        )
        self.alarm_flood = self._gauge(
            "alarm_flood", "1 while more than 10 alarms came within 10 minutes (ISA-18.2), else 0."
        )
        self.notifications_total = self._counter(
            "notifications_total", "Outbox rows sent, put off or refused.", "channel", "outcome"
        )
        self.outbox_waiting = self._gauge("outbox_waiting", "Outbox rows due and not sent.")

    def _declare_process(self) -> None:
        self.build_info = self._gauge(
            "build_info", "Always 1; what runs here.", "version", "python"
        )
        self.heartbeat_seen_timestamp_seconds = self._gauge(
            "heartbeat_seen_timestamp_seconds",
            "When a stage last finished a round, an empty one included (Unix time).",
            "stage",
        )
        self.dependency_up = self._gauge(
            "dependency_up",
            "1 where the last use of a needed service worked, else 0.",
            "dependency",
        )
        self.log_messages_total = self._counter("log_messages_total", "Log lines written.", "level")
        self.http_requests_total = self._counter(
            "http_requests_total", "Web requests by route template.", "route", "method", "status"
        )
        self.http_request_duration_seconds = self._histogram(
            "http_request_duration_seconds", "Time to answer a web request.", _WORK, "route"
        )

    def _export_zeros(self) -> None:
        """Export 0 for the label sets known from the start, so that `rate()` sees the first one."""
        for modality in MODALITIES:
            self.events_received_total.labels(modality=modality)
        for result in WINDOW_RESULTS:
            self.windows_total.labels(result=result)
        for kind in GAP_KINDS:
            self.gaps_active.labels(kind=kind)
        for priority in PRIORITIES:
            self.alarms_active.labels(priority=priority)
            self.alarms_annunciated_total.labels(priority=priority)
        for level in LOG_LEVELS:
            self.log_messages_total.labels(level=level)
        for counter, outcomes in (
            (self.steps_total, STEP_OUTCOMES),
            (self.explanations_total, EXPLANATION_OUTCOMES),
            (self.profiles_learned_total, PROFILE_OUTCOMES),
        ):
            for outcome in outcomes:
                counter.labels(outcome=outcome)

    def _declared(self, name: str, kind: str, text: str, labels: tuple[str, ...]) -> str:
        full = f"mmindustry_{name}"
        self.declarations.append(Declaration(full, kind, text, labels))
        return full

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        full = self._declared(name, "counter", text, labels)
        return Counter(full, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        full = self._declared(name, "gauge", text, labels)
        return Gauge(full, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        full = self._declared(name, "histogram", text, labels)
        return Histogram(full, text, labels, registry=self.registry, buckets=buckets)
