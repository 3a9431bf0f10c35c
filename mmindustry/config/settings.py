"""The whole configuration: one section a package, each the policy that package owns."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from mmindustry.codec.policy import CodecPolicy
from mmindustry.config.policy import RunPolicy
from mmindustry.features.policy import FeaturePolicy
from mmindustry.telemetry.policy import TelemetryPolicy
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

    codec: CodecPolicy = CodecPolicy()
    """What is let in."""

    windowing: WindowPolicy = WindowPolicy()
    """How events become windows."""

    features: FeaturePolicy = FeaturePolicy()
    """How windows become numbers."""

    telemetry: TelemetryPolicy = TelemetryPolicy()
    """Logs, health and metrics."""
