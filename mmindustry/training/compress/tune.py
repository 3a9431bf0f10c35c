"""Training a network on from where it stands, with or without teachers. Needs the torch extra."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.ensemble import Ensemble
from mmindustry.fusion.network import Answer, Network
from mmindustry.training.batches import open_batches
from mmindustry.training.dataset import DataSet
from mmindustry.training.losses import Lesson, Truth
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.split import Rows
from mmindustry.training.steps import RunningMean, make_optimizer, set_rate

Tell = Callable[[str], None]

TEMPERATURE = 2.0
"""At which teachers and student are compared (learning.md 4.9)."""
TAUGHT_SHARE = 0.7
"""Share of the teachers' part in the loss of the fault classes."""

_SEEDS_APART = 1_000_003


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
            said = [self._softened(teacher(arrays)).exp() for teacher in self._teachers]
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


def tuned(lesson: Lesson, data: DataSet, rows: Rows, *, policy: TrainingPolicy, tell: Tell) -> None:
    """Train the lesson's network on `rows` for the policy's epochs; it ends as its running mean.

    On the CPU. The same seed, windows and build of torch give the same weights.
    """
    torch.manual_seed(policy.seed)
    network = lesson.network
    batches = open_batches(data, rows, policy, torch.device("cpu"))
    optimizer = make_optimizer(lesson, policy)
    mean = RunningMean(network, policy.averaging)
    steps = policy.epochs * len(batches.order(rows, 0, 1))
    number = 0
    for epoch in range(policy.epochs):
        lesson.train()
        total = 0.0
        for part in batches.order(rows, epoch, 1):
            set_rate(optimizer, policy, step=number, steps=steps)
            arrays, truth = batches.load_changed(part, policy.seed * _SEEDS_APART + number)
            loss, _ = lesson(arrays, truth, truth.counts())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(lesson.parameters(), policy.clip)
            optimizer.step()
            mean.update(network, number)
            number, total = number + 1, total + loss.item() * len(part)
        tell(f"epoch {epoch + 1}/{policy.epochs}: loss {total / len(rows):.4f}")
    network.load_state_dict(mean.network.state_dict())
    network.eval()
