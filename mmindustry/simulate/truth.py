"""What is true and never sent: episodes of faults, and the answer to each labelled window."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mmindustry.simulate.faults import CATALOGUE, HEALTHY, Decay
from mmindustry.simulate.product import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One fault of one asset from onset to failure. `ended`: an overhaul came before the failure,
    so the remaining life is censored there; None = it ran to failure."""

    asset: str
    fault: str
    onset: datetime
    failure: datetime
    decay: Decay
    ended: datetime | None = None

    @property
    def last(self) -> datetime:
        """When it was over: the overhaul or the failure."""
        return self.ended or self.failure

    def severity(self, at: datetime) -> float:
        """Return the severity at a moment: 0 before onset and after its end, 1 at failure."""
        if at < self.onset or at > self.last:
            return 0.0
        return self.decay.severity_at((at - self.onset) / (self.failure - self.onset))

    def reaches(self, severity: float) -> datetime:
        """Return when `severity` is first reached."""
        return self.onset + (self.failure - self.onset) * self.decay.share_at(severity)

    def document(self) -> dict[str, object]:
        """Return the episode as plain JSON; the curve as ten points over its life."""
        mode = CATALOGUE.get(self.fault)
        return {
            "asset": self.asset,
            "fault": self.fault,
            "code": mode.code if mode else "",
            "onset": self.onset.isoformat(),
            "failure": self.failure.isoformat(),
            "ended": self.ended.isoformat() if self.ended else None,
            "severity": [round(self.decay.severity_at(i / 10), 4) for i in range(11)],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The answer to one window.

    `time_to_failure_seconds` runs from the window's end; `censored`: the failure comes no sooner
    than that. `product`: class of what the newest frame shows on the lane, None where the camera
    is blind; `defect_mask`: where the part's defect is, shape of the frame. `gauges`: what the
    needles show. `twins`: look-alikes present; `sensor_faults`: (code, source). Split by `asset`
    or `episode`.
    """

    fault: str
    severity: float
    time_to_failure_seconds: float
    censored: bool
    product: str | None
    defect_mask: Mask | None
    gauges: Mapping[str, float]
    asset: str
    episode: str
    twins: tuple[str, ...] = ()
    sensor_faults: tuple[tuple[str, str], ...] = ()
    rehearsed: bool = False

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong with the machine."""
        return self.fault == HEALTHY
