"""How a bundle is trained, and how an asset's normal is learned."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_DEVICE = re.compile(r"auto|cpu|cuda:\d+")
_PLACE = re.compile(r"cpu|cuda:\d+")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("adamw", "adam", "sgd"),
    "schedule": ("one_cycle", "cosine", "step"),
    "balance": ("prior", "weights", "sampler"),
    "weighting": ("fixed", "uncertainty"),
    "keep_by": ("all", "fault"),
    "precision": ("auto", "single", "bf16", "fp16"),
}
_ENCODERS = ("image", "audio", "text")
_ADDITIVE = "late"
"""The fusion whose answer is the sum of what the modalities say, without weights of its own."""

PLANT_WINDOWS = 8_000
"""Labelled windows of the simulated plant that a bundle is made from, unless told otherwise."""
PLANT_MACHINES = 160
"""Machines they come from."""
TRAINED_SHARE = 0.68
"""Of the windows, what machines that are neither judged nor calibrated by leave to learn from."""
PLANT_SEED = 7
"""Of machines, windows, split and training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentPolicy:
    """How windows are changed in training without changing what is true of them; 0 = not so."""

    shift_pixels: int = 2
    """Most pixels that pictures move up, down or sideways, 0..16."""
    crop: float = 0.0
    """Largest share of a frame's side that is cut away before it is enlarged again, 0..0.5."""
    light: float = 0.15
    """Largest change of contrast, either way; brightness moves by two fifths of it, 0..1."""
    picture_noise: float = 0.0
    """Standard deviation of noise on pixels (0..1), 0..0.5."""
    gain: float = 0.15
    """Largest change of a microphone's gain either way, in units of the scaled log-mel, 0..2."""
    tilt: float = 0.12
    """Largest tilt of its equaliser from the middle to either end, in the same units, 0..2."""
    sound_noise: float = 0.0
    """Standard deviation of noise on the scaled log-mel, 0..1."""
    masked_bands: int = 8
    """Most neighbouring mel bands that are masked (SpecAugment), 0..32."""
    masked_moments: int = 10
    """Most neighbouring mel frames that are masked, 0..32."""
    background: float = 0.0
    """How often a window gets a healthy one's sound under its own, from -6 to +6 dB, 0..1."""
    token_dropout: float = 0.1
    """How often a word or n-gram is forgotten, as other spellings do, 0..1."""
    foreign: float = 0.3
    """How often words of an entry, on a third of these all of them, give way to ones that nobody
    has learned anything from, 0..1."""
    item_dropout: float = 0.1
    """How often a frame, segment or entry is lost, never the last that is there, 0..1."""
    operating_dropout: float = 0.1
    """How often the operating point is not told, 0..1."""
    outages: float = 0.0
    """How often a window misses what a real outage among the training windows missed, 0..1."""

    def __post_init__(self) -> None:
        """Refuse what would leave nothing to learn from."""
        often = ("background", "token_dropout", "foreign", "item_dropout", "operating_dropout")
        shares = (*often, "outages")
        limits = {"shift_pixels": 16, "crop": 0.5, "light": 1, "picture_noise": 0.5, "gain": 2}
        limits |= {"tilt": 2, "sound_noise": 1, "masked_bands": 32, "masked_moments": 32}
        limits |= dict.fromkeys(shares, 1)
        for name, largest in limits.items():
            if not 0 <= getattr(self, name) <= largest:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in 0..{largest:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPolicy:
    """Settings of one training run; the same settings and data give the same weights."""

    seed: int = 7
    """Of weights, order, augmentation and modality dropout."""
    fusion: str = "late"
    """Name of the fusion module, of those that `mmindustry models fusions` lists."""
    epochs: int = 16
    """Most passes over the training windows, at least 1."""
    patience: int = 8
    """Epochs without a lower validation loss after which training stops, at least 1. Where not
    `joint` any modality's loss counts."""
    batch: int = 32
    """Windows a step of each process, at least 2."""
    micro_batch: int = 0
    """Windows through the network at a time, gradients summed over a batch; 0 = the whole batch.
    Halved by itself where a device has too little memory."""
    optimizer: str = "adamw"
    """`adamw`, `adam` (decay as part of the gradient) or `sgd` (Nesterov momentum 0.9)."""
    learning_rate: float = 3e-3
    """Peak of the schedule, above 0."""
    schedule: str = "one_cycle"
    """`one_cycle`, `cosine` or `step`, each after warming up."""
    warm_up: float = 0.15
    """Share of the steps before the peak, 0..1."""
    step_epochs: int = 10
    """Epochs between two drops of schedule `step`, at least 1."""
    step_factor: float = 0.3
    """What the rate is multiplied by at a drop, 0..1."""
    weight_decay: float = 2e-2
    """Of weights of two or more dimensions, at least 0."""
    clip: float = 1.0
    """Largest norm of the gradient, above 0."""
    dropout: float | None = None
    """Dropout in the heads, 0..1; none = as the network's spec says."""
    norm_epochs: int | None = None
    """Epochs after which batch norms keep their statistics; 0 = at once, none = never."""
    smoothing: float = 0.0
    """Label smoothing of the fault loss, 0..1. It holds sure answers down, which a temperature can
    only undo for all of them together: the middling ones then claim too much."""
    balance: str = "prior"
    """What is done about rare classes: `prior` (logit adjustment), `weights` (in the loss) or
    `sampler` (drawn as often as the others)."""
    modality_dropout: float = 0.25
    """How often a modality is hidden in training (at least one is kept), 0..1."""
    augment: AugmentPolicy = field(default_factory=AugmentPolicy)
    """How windows are changed in training."""
    weighting: str = "fixed"
    """`fixed` weights of the losses, or learned with the network by their `uncertainty`."""
    weighting_rate: float = 1e-2
    """Learning rate of the learned weights, above 0."""
    joint: bool = True
    """Whether the loss of the fused answer teaches the encoders. Where not, which only `late`
    allows, each modality learns from its own fault loss, counted in full, and its weights are kept
    from its own best epochs: what a strong one already tells leaves a weak one no less to learn
    from. What each then counts beside the others is fitted on held-out windows."""
    auxiliary: float = 1.0
    """Weight of the single-modality fault losses, their mean where `joint`, else their sum; at
    least 0."""
    hazard: float = 0.5
    """Weight of the survival loss, at least 0."""
    product: float = 0.7
    """Weight of the product loss, at least 0."""
    product_focus: float = 0.0
    """How much the product loss looks away from what it is sure of (gamma of the focal loss), at
    least 0; 0 = plain cross entropy."""
    gauges: float = 2.0
    """Weight of the loss on gauge readings, at least 0."""
    speed: float = 0.5
    """Weight of the loss on the speed that a steered network reads from the tachometer, at least
    0."""
    aligning: float = 0.05
    """Weight of the loss that a fusion module has of its own (alignment), at least 0."""
    alike_seconds: float = 1800.0
    """Windows of one machine that begin within this are not contrasted, at least 0."""
    averaging: float = 0.995
    """Decay of the running mean of weights that is kept as the result, 0..1; less in the first
    steps, so that a short run forgets where it began."""
    keep_by: str = "all"
    """Whose loss on held-out windows says which epochs are kept and when to stop: `all` = faults,
    and products by the weight `product`, or `fault` alone. Products go on learning where faults
    have come to a stand: by faults alone any late epoch is as good as another."""
    soup: int = 3
    """Best epochs whose weights may be averaged into the result, at least 1; each stays only if
    the validation loss says so. Where not `joint`, of each modality by itself."""
    device: str = "auto"
    """`auto` (a CUDA device where there is one, else CPU), `cpu` or `cuda:N`."""
    precision: str = "auto"
    """`single`, `bf16`, `fp16`, or `auto` = single on CPU, bf16 on CUDA where it can, else fp16."""
    placement: Mapping[str, str] = field(default_factory=dict)
    """Encoder (`image`, `audio`, `text`) -> device it stands on, where one device has no room
    for all."""

    def __post_init__(self) -> None:
        """Refuse what no run can follow."""
        if min(self.epochs, self.patience, self.step_epochs, self.soup) < 1 or self.batch < 2:
            raise ValueError(
                "epochs, patience, step_epochs and soup must be at least 1, batch at least 2"
            )
        if min(self.learning_rate, self.weighting_rate, self.clip, self.step_factor) <= 0:
            raise ValueError("learning_rate, weighting_rate, clip and step_factor must be above 0")
        self._check_shares()
        self._check_teaching()
        weights = (
            *(self.auxiliary, self.hazard, self.product),
            *(self.gauges, self.speed, self.aligning),
        )
        least_zero = (self.weight_decay, self.product_focus, self.alike_seconds, *weights)
        if min(least_zero) < 0 or min(self.micro_batch, self.norm_epochs or 0) < 0:
            raise ValueError(
                "weight_decay, product_focus, alike_seconds, micro_batch, norm_epochs and the "
                "weights of losses must be at least 0"
            )
        self._check_choices()

    def _check_teaching(self) -> None:
        if self.joint:
            return
        if self.fusion != _ADDITIVE:
            raise ValueError(
                f"joint is false: {self.fusion} has weights that only the loss of the fused "
                f"answer teaches; {_ADDITIVE} has none"
            )
        if not self.auxiliary:
            raise ValueError(
                "auxiliary is 0 and joint is false: no loss would teach faults; set joint=true, or "
                "auxiliary above 0"
            )

    def _check_shares(self) -> None:
        names = ("warm_up", "smoothing", "modality_dropout", "averaging")
        shares = (*(getattr(self, name) for name in names), self.dropout or 0.0)
        if not all(0 <= share < 1 for share in shares):
            raise ValueError(f"{', '.join(names)} and dropout must lie in 0..1 (1 excluded)")

    def _check_choices(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; it must be {' or '.join(choices)}"
                )
        if not _DEVICE.fullmatch(self.device):
            raise ValueError(f"device is {self.device!r}; it must be auto, cpu or cuda:N")
        for encoder, device in self.placement.items():
            if encoder not in _ENCODERS or not _PLACE.fullmatch(device):
                raise ValueError(
                    f"placement {encoder}={device}: it must be image, audio or text = cpu or cuda:N"
                )


def epochs_for(windows: int) -> int:
    """Return how many passes suit so many training windows: 24, and fewer from 5,500 on, where
    the number of steps grows with the root of the windows.

    >>> epochs_for(500), epochs_for(5450), epochs_for(22_000)
    (24, 24, 12)
    """
    return int(min(24, max(8, round(24.0 * (5450.0 / max(windows, 1)) ** 0.5))))


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
    false_alarms_per_week: float = 0.7
    """False `novelty` alarms a machine-week that people bear, 0.01..100. The limits of a profile
    follow from it; where they can't be told from the normal there is, the profile says so."""
    step_seconds: float = 600.0
    """Event time from one step of the novelty CUSUM to the next, seconds, 1..86400: windows in
    between say the same again."""

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
        if not 0.01 <= self.false_alarms_per_week <= 100:
            raise ValueError(
                f"false_alarms_per_week must be in 0.01..100, got {self.false_alarms_per_week}"
            )
        if not 1 <= self.step_seconds <= 86_400:
            raise ValueError(f"step_seconds must be in 1..86400, got {self.step_seconds}")
        if not 20 <= self.references <= 5_000:
            raise ValueError(f"references must be in 20..5000, got {self.references}")
