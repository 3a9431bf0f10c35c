"""The whole configuration: one section a package, each the policy that package owns."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.codec.policy import CodecPolicy
from mmindustry.config.policy import RunPolicy
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.features.policy import FeaturePolicy
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.gateway.policy import FeedPolicy, GatewayPolicy
from mmindustry.notify.policy import NotifyPolicy
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.store.policy import (
    ArchivePolicy,
    OutboxPolicy,
    RecordPolicy,
    RetentionPolicy,
    StorePolicy,
)
from mmindustry.stream.policy import StreamPolicy
from mmindustry.telemetry.policy import TelemetryPolicy
from mmindustry.training.policy import ProfilePolicy
from mmindustry.windowing.policy import WindowPolicy


class Settings(BaseModel):
    """Everything that can be set. Read once, by a command; handed out by the daemon."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        title="mmindustry settings",
    )

    config_version: Literal[1] = 1
    """Version of this file's layout; 1 is the only one there is."""

    run: RunPolicy = RunPolicy()
    """The processes themselves."""

    stream: StreamPolicy = StreamPolicy()
    """Where messages come from and go to."""

    codec: CodecPolicy = CodecPolicy()
    """What is let in."""

    windowing: WindowPolicy = WindowPolicy()
    """How events become windows."""

    features: FeaturePolicy = FeaturePolicy()
    """How windows become numbers."""

    fusion: FusionPolicy = FusionPolicy()
    """Which bundle judges, and on what device."""

    alerting: AlertingPolicy = AlertingPolicy()
    """When a prediction becomes an alarm."""

    profiles: ProfilePolicy = ProfilePolicy()
    """How each asset's own normal is learned."""

    store: StorePolicy = StorePolicy()
    """The database."""

    record: RecordPolicy = RecordPolicy()
    """What is written of a window, and what leaves."""

    archive: ArchivePolicy = ArchivePolicy()
    """Where raw evidence is kept."""

    retention: RetentionPolicy = RetentionPolicy()
    """How long facts are kept."""

    outbox: OutboxPolicy = OutboxPolicy()
    """How what leaves is tried again."""

    notify: NotifyPolicy = NotifyPolicy()
    """Where alarms are sent."""

    dashboard: DashboardPolicy = DashboardPolicy()
    """The pages for people."""

    gateway: GatewayPolicy = GatewayPolicy()
    """The HTTP door for events."""

    feed: FeedPolicy = FeedPolicy()
    """How recorded files are played."""

    simulate: SimulatePolicy = SimulatePolicy()
    """The simulated plant."""

    telemetry: TelemetryPolicy = TelemetryPolicy()
    """Logs, health and metrics."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Refuse sections that contradict each other.

        Raises:
            ValueError: Naming the first key that does.
        """
        topics = self.stream.topics
        pairs = (
            ("codec.frames_topic", self.codec.frames_topic, "stream.topics.frames", topics.frames),
            ("codec.audio_topic", self.codec.audio_topic, "stream.topics.audio", topics.audio),
            ("codec.logs_topic", self.codec.logs_topic, "stream.topics.logs", topics.logs),
            ("codec.states_topic", self.codec.states_topic, "stream.topics.states", topics.states),
            (
                "record.horizon_seconds",
                self.record.horizon_seconds,
                "windowing.horizon_seconds",
                self.windowing.horizon_seconds,
            ),
        )
        for key, value, other, twin in pairs:
            if value != twin:
                raise ValueError(f"{key} must equal {other}: {value!r} is not {twin!r}")
        return self
