"""How a bundle is trained, and how an asset's normal is learned."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPolicy:
    """Settings of one training run; the same settings and data give the same weights."""

    seed: int = 7
    """Of weights, order, augmentation and modality dropout."""
    fusion: str = "late"
    """Name of the fusion module: `late` or `concat`."""
    epochs: int = 16
    """Most passes over the training windows, at least 1."""
    patience: int = 8
    """Epochs without a lower validation loss after which training stops, at least 1."""
    batch: int = 32
    """Windows a step, at least 2."""
    learning_rate: float = 3e-3
    """Peak of the one-cycle schedule, above 0."""
    weight_decay: float = 2e-2
    """Of AdamW, at least 0."""
    warm_up: float = 0.15
    """Share of the steps before the peak, 0..1."""
    clip: float = 1.0
    """Largest norm of the gradient, above 0."""
    smoothing: float = 0.05
    """Label smoothing of the fault loss, 0..1."""
    modality_dropout: float = 0.25
    """How often a modality is hidden in training (at least one is kept), 0..1."""
    auxiliary: float = 1.0
    """Weight of the single-modality fault losses, at least 0."""
    hazard: float = 0.5
    """Weight of the survival loss, at least 0."""
    product: float = 0.7
    """Weight of the product loss, at least 0."""
    gauges: float = 2.0
    """Weight of the loss on gauge readings, at least 0."""
    aligning: float = 0.05
    """Weight of the loss that a fusion module has of its own (alignment), at least 0."""
    averaging: float = 0.995
    """Decay of the running mean of weights that is kept as the result, 0..1."""

    def __post_init__(self) -> None:
        """Refuse what no run can follow."""
        if min(self.epochs, self.patience) < 1 or self.batch < 2:
            raise ValueError("epochs and patience must be at least 1, batch at least 2")
        if min(self.learning_rate, self.clip) <= 0:
            raise ValueError("learning_rate and clip must be above 0")
        shares = (self.warm_up, self.smoothing, self.modality_dropout, self.averaging)
        if not all(0 <= share < 1 for share in shares):
            raise ValueError(
                "warm_up, smoothing, modality_dropout and averaging must lie in 0..1 (1 excluded)"
            )
        weights = (self.auxiliary, self.hazard, self.product, self.gauges, self.aligning)
        if min(self.weight_decay, *weights) < 0:
            raise ValueError("weight_decay and the weights of losses must be at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePolicy:
    """What counts as an asset's normal, how much of it is needed, and when it is learned."""

    learn: bool = True
    """Whether the profiler learns the first profile of each registered asset and serving bundle by
    itself, or only `mmindustry profile learn` makes profiles."""
    normal_hours: float = 16.0
    """Archived hours of normal after which it does, above 0. Evidence goes with
    `retention.raw_days`: what a machine runs in that time must reach this."""
    check_seconds: float = 600.0
    """Pause between its looks for assets that have enough, seconds, 0.1..86400."""
    guard_seconds: float = 1800.0
    """How far from a machine's alarm or a confirmed fault nothing counts as normal, seconds,
    0 or more."""
    least_windows: int = 200
    """Fewer normal windows than this tell no normal, 40..20000: seven in ten make the bank, the
    later three calibrate, and the p-value can't fall below one in as many."""
    most_windows: int = 3000
    """Windows that are read, evenly over all the normal there is: `least_windows`..20000."""
    references: int = 2000
    """Most references a modality in the bank, 20..5000."""

    def __post_init__(self) -> None:
        """Refuse what no profile can be made of."""
        if self.normal_hours <= 0:
            raise ValueError(f"normal_hours must be above 0, got {self.normal_hours}")
        if not 0.1 <= self.check_seconds <= 86_400:
            raise ValueError(f"check_seconds must be in 0.1..86400, got {self.check_seconds}")
        if self.guard_seconds < 0:
            raise ValueError(f"guard_seconds must be 0 or more, got {self.guard_seconds}")
        if not 40 <= self.least_windows <= self.most_windows <= 20_000:
            raise ValueError("40 <= least_windows <= most_windows <= 20000 must hold")
        if not 20 <= self.references <= 5_000:
            raise ValueError(f"references must be in 20..5000, got {self.references}")
