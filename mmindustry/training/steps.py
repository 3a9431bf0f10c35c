"""How weights move: optimizers, the rate of each step, the running mean, batch norms held still."""

from copy import deepcopy
from math import cos, pi

import torch
from torch import nn

from mmindustry.training.losses import Lesson
from mmindustry.training.policy import TrainingPolicy

_MOMENTUM = 0.9
_SLOWEST, _FASTEST = 0.85, 0.95  # Adam's beta1 at the peak of one cycle and far from it
_FIRST, _LAST = 25.0, 1e4  # the peak over the first rate, the first over the last


def make_optimizer(lesson: Lesson, policy: TrainingPolicy) -> torch.optim.Optimizer:
    """Return the optimizer: weights of two or more dimensions decay, learned loss weights have
    a rate of their own.

    Those that take roots are fused: so they take them by themselves and not by MKL, whose last
    digit hangs on the processor's kind.
    """
    trained = [p for p in lesson.network.parameters() if p.requires_grad]
    groups: list[dict[str, object]] = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": policy.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if lesson.spread is not None:
        groups.append({"params": [lesson.spread], "weight_decay": 0.0, "own_rate": True})
    rate = policy.learning_rate
    if policy.optimizer == "sgd":
        return torch.optim.SGD(groups, rate, momentum=_MOMENTUM, nesterov=True)
    kind = torch.optim.AdamW if policy.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, rate, fused=True)


def set_rate(
    optimizer: torch.optim.Optimizer, policy: TrainingPolicy, *, step: int, steps: int
) -> float:
    """Set the rate of step `step` of `steps` in all, and return it.

    A pure function of the step, so that there is nothing to be kept of a schedule.
    """
    share, momentum = rate_at(policy, step=step, steps=steps)
    for group in optimizer.param_groups:
        own = "own_rate" in group
        group["lr"] = policy.weighting_rate if own else policy.learning_rate * share
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None:
            group["momentum"] = momentum
    return policy.learning_rate * share


def rate_at(policy: TrainingPolicy, *, step: int, steps: int) -> tuple[float, float | None]:
    """Return the rate as a share of its peak, and the momentum where the schedule has a say in it.

    `one_cycle` is Smith & Topin's (2018) as torch draws it; `cosine` falls to 0 from the peak,
    `step` by `step_factor` every `step_epochs` of `epochs`, both after a straight rise.
    """
    if policy.schedule == "one_cycle":
        return _one_cycle(policy.warm_up, step, steps)
    rise = policy.warm_up * steps
    if step < rise:
        return (step + 1) / (rise + 1), None
    if policy.schedule == "cosine":
        return 0.5 + 0.5 * cos(pi * (step - rise) / max(steps - rise, 1.0)), None
    epoch = step * policy.epochs // steps
    return float(policy.step_factor ** (epoch // policy.step_epochs)), None


def _one_cycle(warm_up: float, step: int, steps: int) -> tuple[float, float]:
    peak, end = warm_up * steps - 1.0, steps - 1.0
    first = 1.0 / _FIRST
    if step <= peak:
        done = step / peak if peak > 0 else 1.0
        return _eased(first, 1.0, done), _eased(_FASTEST, _SLOWEST, done)
    done = (step - peak) / max(end - peak, 1e-9)
    return _eased(1.0, first / _LAST, done), _eased(_SLOWEST, _FASTEST, done)


def _eased(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2.0 * (1.0 + cos(pi * min(done, 1.0)))


class RunningMean:
    """The mean of a network's weights over the last steps, buffers too.

    The decay of step t is at most (1 + t) / (10 + t), so that a short run is no mean of its
    beginning.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = deepcopy(network).requires_grad_(requires_grad=False).eval()
        self._decay = decay

    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after step `step`, counted from 0."""
        weight = 1.0 - min(self._decay, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            mine, theirs = self.network.state_dict(), network.state_dict()
            for name, kept in mine.items():
                if kept.is_floating_point() and step:
                    kept.lerp_(theirs[name], weight)
                else:
                    kept.copy_(theirs[name])


def hold_norms(network: nn.Module) -> None:
    """Let batch norms use the statistics they have and learn no new ones."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - of every dimension
            module.eval()
