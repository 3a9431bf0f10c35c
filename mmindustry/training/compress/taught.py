"""A lesson that other networks teach. Needs the torch extra."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.ensemble import Ensemble
from mmindustry.fusion.network import Answer, Network
from mmindustry.training.losses import Lesson, Truth
from mmindustry.training.policy import TrainingPolicy

TEMPERATURE = 2.0
"""At which teachers and student are compared (learning.md 4.9)."""
TAUGHT_SHARE = 0.7
"""Share of the teachers' part in the loss of the fault classes."""


class TaughtLesson(Lesson):
    """A lesson whose fault classes are learned from teachers beside the labels.

    Their loss is a T^2 KL(teachers || student at temperature T) + (1 - a) times the usual
    (Hinton, Vinyals & Dean, 2015); the teachers' probabilities are averaged.
    """

    def __init__(
        self, network: Network, policy: TrainingPolicy, teachers: Sequence[Network | Ensemble]
    ) -> None:
        super().__init__(network, policy, None)
        self._teachers = list(teachers)  # a plain list: they are not trained
        self._wanted: Tensor | None = None

    @override
    def forward(
        self, arrays: dict[str, Tensor], truth: Truth, counts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and its terms."""
        with torch.no_grad():
            home = self.get_buffer("fixed").device
            said = [self._softened(one.to(home)(arrays)).exp() for one in self._teachers]
        self._wanted = torch.stack(said).mean(0)  # (batch, faults)
        return super().forward(arrays, truth, counts)

    @override
    def terms(self, answer: Answer, truth: Truth, counts: Tensor) -> Tensor:
        """Return the losses, (terms,), the first with the teachers' part in it."""
        usual = super().terms(answer, truth, counts)
        if self._wanted is None:
            return usual
        apart = functional.kl_div(self._softened(answer), self._wanted, reduction="sum")
        taught = TEMPERATURE**2 * apart / counts[0].clamp(min=1.0).float()
        first = TAUGHT_SHARE * taught + (1.0 - TAUGHT_SHARE) * usual[0]
        return torch.cat([first.reshape(1), usual[1:]])

    def _softened(self, answer: Answer) -> Tensor:
        logits = (self.network.get_buffer("log_prior") + answer.evidence.float()) / TEMPERATURE
        return functional.log_softmax(logits, dim=-1)
