"""How a bundle is trained."""

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
