"""When an alarm is raised and when it clears."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_MOST = 100
_YEAR_HOURS = 8760


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingPolicy:
    """On-delay, hysteresis and off-delay of alarms (ISA-18.2), counted in windows."""

    k: int = 3
    """Windows at or above the threshold that raise an alarm, out of the last `n`; 1..n."""
    n: int = 5
    """Windows looked back on for the on-delay; 1..100."""
    on_probability: float = 0.6
    """A fault class votes from this probability on, where the bundle names no threshold; 0..1."""
    off_probability: float = 0.45
    """Below this a window speaks for clearing, where the bundle names none; 0..on_probability."""
    off_windows: int = 3
    """Windows in a row below the off threshold that clear an alarm (off-delay); 1..100."""
    on_by_fault: Mapping[str, float] = field(default_factory=dict)
    """Fault class -> on threshold of this plant; it overrides the bundle's. The off threshold
    follows in proportion. 0..1."""
    healthy: str = "healthy"
    """The class that is no fault."""
    good: str = "good"
    """The product class that is no defect."""
    product_on: float = 0.6
    """P(not good) from which a window votes for `product_defect`; 0..1."""
    product_off: float = 0.45
    """P(not good) below which a window speaks for clearing it; 0..product_on."""
    low_quality: float = 0.5
    """A modality below this quality makes its window weak: it may vote for an alarm, but is never
    evidence of health; 0..1."""
    high_risk: float = 0.5
    """P(failure within 24 h) from which a fault alarm has high priority; 0..1."""
    novelty_drift: float = 2.0
    """Taken off -ln p in each step of the novelty CUSUM where the profile was made before it held
    limits of its own; above 1, the mean under normal."""
    novelty_limit: float = 20.0
    """CUSUM level that raises `novelty` with such a profile; it clears below half of it. Above 0,
    in nats."""
    shadow_hours: float = 24.0
    """Normal hours in which a profile's limits are followed without raising anything. `novelty` is
    armed where they would have raised no more than their budget allows, else it is counted anew.
    0..8760."""

    def __post_init__(self) -> None:
        """Refuse rules that can't be followed."""
        if not 1 <= self.k <= self.n <= _MOST:
            raise ValueError(f"1 <= k <= n <= {_MOST} must hold, got k {self.k}, n {self.n}")
        if not 1 <= self.off_windows <= _MOST:
            raise ValueError(f"off_windows must be in 1..{_MOST}, got {self.off_windows}")
        if self.novelty_drift <= 1 or self.novelty_limit <= 0:
            raise ValueError("novelty_drift must be above 1 and novelty_limit above 0")
        if not 0 <= self.shadow_hours <= _YEAR_HOURS:
            raise ValueError(f"shadow_hours must be in 0..8760, got {self.shadow_hours}")
        self._check_probabilities()

    def _check_probabilities(self) -> None:
        for low, high in (("off_probability", "on_probability"), ("product_off", "product_on")):
            if not 0 < getattr(self, low) <= getattr(self, high) <= 1:
                raise ValueError(f"0 < {low} <= {high} <= 1 must hold")
        for name in ("low_quality", "high_risk"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in 0..1, got {getattr(self, name)}")
        for fault, value in self.on_by_fault.items():
            if not 0 < value <= 1:
                raise ValueError(f"on_by_fault.{fault} must be above 0 and up to 1, got {value}")
