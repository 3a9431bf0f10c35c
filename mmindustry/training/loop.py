"""The loop, on one page: windows in, weights out, the same every time and from wherever it stopped.

Whatever is random in a step is drawn from seeds that follow from the run's seed and the step's
number, so a run begun again at any step goes on as if it had never stopped.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmindustry.errors import Interrupted
from mmindustry.fusion.encoders.adopt import adopt
from mmindustry.fusion.network import Network
from mmindustry.fusion.pretrained import OFFLINE, Access
from mmindustry.training.batches import Rows, open_batches
from mmindustry.training.checkpoint import (
    Checkpoint,
    Progress,
    fill_optimizer,
    optimizer_tensors,
    over,
    run_of,
    under,
)
from mmindustry.training.dataset import DataSet
from mmindustry.training.device import Team, open_device, open_precision, place_encoders
from mmindustry.training.gradients import Gradients
from mmindustry.training.held_out import WHOLE, HeldOut
from mmindustry.training.losses import TERMS, Lesson, class_prior
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.pool import pooled
from mmindustry.training.soup import Ladle, State
from mmindustry.training.steps import RunningMean, hold_norms, make_optimizer, set_rate

Tell = Callable[[str], None]
_SAVE_STEPS = 200


@dataclass(frozen=True, slots=True)
class Trained:
    """The network with its averaged weights, the share of each class it was trained on, and the
    losses (training, held out) of each epoch."""

    network: Network
    prior: NDArray[np.float64]
    losses: list[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How far a run is, told to whoever watches: after each step, and after each epoch with the
    validation loss `held`."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    part: str = ""
    """Which training of several; empty = the one that all is about."""
    rate: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)
    held: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attend:
    """Who attends a run: who is told and watches, where it is kept, who may stop it, who shares."""

    tell: Tell = lambda _: None
    watch: Sequence[Callable[[Moment], None]] = ()
    checkpoint: Path | None = None
    """Folder a run is kept in after each epoch and 200 steps; it goes on from what stands there."""
    stop: Callable[[], bool] = lambda: False
    team: Team = field(default_factory=Team)
    access: Access = OFFLINE
    """Whether pretrained weights may be downloaded."""
    part: str = ""
    """Which training of several this is, told to those who watch."""


def train(
    data: DataSet, *, rows: Rows, validate: Rows, policy: TrainingPolicy, tell: Tell
) -> Trained:
    """Return a network trained on `rows`, stopped by its loss on `validate`."""
    return fit(data, rows=rows, validate=validate, policy=policy, attend=Attend(tell=tell))


def fit(
    data: DataSet, *, rows: Rows, validate: Rows, policy: TrainingPolicy, attend: Attend
) -> Trained:
    """Return a network trained on `rows`, stopped by its loss on `validate`, on the CPU.

    Deterministic on CPU, for one build of torch, instruction set and number of threads.

    Raises:
        Interrupted: `attend.stop` said so; what was done is in the checkpoint.
        InputError: The checkpoint is another run's, or a device has no room for two windows.
        ConfigError: A device or its precision is not here.
    """
    return _Run(data, policy, attend, sides=(rows, validate)).whole()


def train_on(lesson: Lesson, data: DataSet, *, rows: Rows, validate: Rows, tell: Tell) -> Trained:
    """Return the lesson's network, trained on by its policy from where it stands.

    Raises:
        InputError: A device has no room for two windows.
        ConfigError: A device or its precision is not here.
    """
    attend = Attend(tell=tell)
    return _Run(data, lesson.policy, attend, sides=(rows, validate), lesson=lesson).whole()


class _Run:
    """One training run over one data set."""

    def __init__(
        self,
        data: DataSet,
        policy: TrainingPolicy,
        attend: Attend,
        *,
        sides: tuple[Rows, Rows],
        lesson: Lesson | None = None,
    ) -> None:
        self._policy, self._attend, self._team = policy, attend, attend.team
        rows, validate = sides
        self._rows = rows
        device = open_device(policy.device, attend.team.place)
        self._batches = open_batches(data, rows, policy, device)
        if lesson is None:
            self.prior = class_prior(self._batches.targets.fault[rows], len(data.spec.faults))
            self._lesson = new_lesson(data, policy, self.prior, device)
            drawn = self._lesson.network
            adopt(drawn.encoders(), drawn.spec, tell=attend.tell, access=attend.access)
        else:
            self.prior, self._lesson = lesson.network.prior(), lesson.to(device)
        self._precision = open_precision(policy.precision, device)
        self._held = HeldOut(
            batches=self._batches,
            rows=validate,
            prior=self.prior,
            team=self._team,
            precision=self._precision,
        )
        self._mean = RunningMean(self._lesson.network, policy.averaging)
        self._optimizer = make_optimizer(self._lesson, policy)
        self._gradients = Gradients(
            self._lesson, self._precision, self._team, micro=policy.micro_batch or policy.batch
        )
        self._steps = len(self._batches.order(rows, 0, self._team.size))
        self._ladle = Ladle(policy.soup)
        self.progress = Progress()
        self._checkpoint = None
        if attend.checkpoint is not None:
            told = {"rows": rows, "validate": validate}
            made_of = run_of(data, self._batches.targets, asdict(policy), told)
            team = f'{{"processes": {self._team.size}}}'
            self._checkpoint = Checkpoint(attend.checkpoint, {**made_of, "team": team})

    def whole(self) -> Trained:
        """Train from wherever the run stands to its end."""
        self.resume()
        while not self.is_over():
            self.epoch()
        return Trained(self.result(), self.prior, self.progress.losses)

    def is_over(self) -> bool:
        """Return whether the last epoch is done, or patience is."""
        at = self.progress
        latest = max((ranked[0][1] for ranked in at.best.values()), default=at.epoch - 1)
        waited = at.epoch - 1 - latest  # since any part of the weights was best
        return at.epoch >= self._policy.epochs or waited >= self._policy.patience

    def epoch(self) -> None:
        """Train what is left of an epoch, look at the validation windows, keep what it came to."""
        at, policy = self.progress, self._policy
        self._lesson.train()
        if policy.norm_epochs is not None and at.epoch >= policy.norm_epochs:
            hold_norms(self._lesson)
        order = self._batches.order(self._rows, at.epoch, self._team.size)
        for part in order[at.step :]:
            loss = self._step(part[self._team.rank :: self._team.size])
            at.total, at.step = at.total + loss * len(part), at.step + 1
            if at.step % _SAVE_STEPS == 0:
                self._keep()
        self._team.even(self._lesson.network)
        self._team.even(self._mean.network)
        loss, losses = at.total / sum(map(len, order)), self._held.losses(self._mean.network)
        held = losses[WHOLE]
        at.losses.append((loss, held))
        self._ladle.taste(at.best, losses, at.epoch, network=self._mean.network)
        at.epoch, at.step, at.total = at.epoch + 1, 0, 0.0
        self._keep()
        said = f"loss {loss:.4f}, held out {held:.4f}"
        self._attend.tell(f"epoch {at.epoch}/{policy.epochs}: {said}")
        self._show(loss=loss, held=held)

    def _step(self, part: Rows) -> float:
        """Take one step with these windows; return the loss of the whole team's batch."""
        at, policy = self.progress, self._policy
        number = at.epoch * self._steps + at.step
        seed = seed_of(policy.seed, number, self._team.rank)
        arrays, truth = self._batches.load_changed(part, seed)
        asked = torch.tensor([float(self._attend.stop())], dtype=torch.float64)
        *counts, stops = self._team.total(torch.cat([truth.counts(), asked]))
        if stops > 0:
            self._interrupt()
        rate = set_rate(self._optimizer, policy, step=number, steps=policy.epochs * self._steps)
        batch = (arrays, truth.to(self._batches.device), torch.stack(counts))
        *terms, loss = self._gradients.leave(batch, seed, self._attend.tell).tolist()
        self._gradients.apply(self._optimizer, policy.clip)
        self._mean.update(self._lesson.network, number)
        self._show(loss=loss, rate=rate, terms=dict(zip(TERMS, terms, strict=True)))
        return float(loss)

    def result(self) -> Network:
        """Return the best weights there are in a network on the CPU."""
        network = Network(self._lesson.network.spec, self.prior)
        best = self._ladle.poured(self.progress.best, self._tasted)
        network.load_state_dict({name: tensor.cpu() for name, tensor in best.items()})
        if self._policy.joint:
            return network.eval()
        return pooled(network, self._batches.data, rows=self._held.rows, prior=self.prior)

    def _tasted(self, state: State) -> dict[str, float]:
        self._mean.network.load_state_dict(state)
        return self._held.losses(self._mean.network)

    def resume(self) -> None:
        """Go on where the checkpoint stands."""
        found = self._checkpoint.read() if self._checkpoint else None
        if found is None:
            return
        self.progress, tensors = found
        self._lesson.load_state_dict(under("lesson.", tensors))
        self._mean.network.load_state_dict(under("mean.", tensors))
        fill_optimizer(self._optimizer, tensors)
        self._gradients.micro = self.progress.micro
        if self.progress.scale:
            self._gradients.scaler.load_state_dict(self.progress.scale)
        self._ladle.fill(under("kept.", tensors), self._mean.network)
        at = self.progress
        self._attend.tell(f"going on after epoch {at.epoch}, step {at.step} of {self._steps}")

    def _keep(self) -> None:
        if self._checkpoint is None or self._team.rank:
            return
        self.progress.micro = self._gradients.micro
        self.progress.scale = dict(self._gradients.scaler.state_dict())
        tensors: dict[str, Tensor] = {
            **over("lesson.", self._lesson),
            **over("mean.", self._mean.network),
            **over("kept.", self._ladle.tensors()),
            **optimizer_tensors(self._optimizer),
        }
        self._checkpoint.write(self.progress, tensors)

    def _interrupt(self) -> None:
        self._keep()
        at = self.progress
        where = f"stopped after epoch {at.epoch}, step {at.step} of {self._steps}"
        if self._checkpoint is None:
            raise Interrupted(f"{where}; nothing was kept, since no checkpoint was asked for")
        raise Interrupted(f"{where}; the same command goes on from {self._checkpoint.folder}")

    def _show(
        self,
        *,
        loss: float,
        rate: float = 0.0,
        terms: dict[str, float] | None = None,
        held: float | None = None,
    ) -> None:
        at, epochs = self.progress, self._policy.epochs
        here = {"epoch": at.epoch, "epochs": epochs, "step": at.step, "steps": self._steps}
        for watch in self._attend.watch:
            watch(
                Moment(
                    **here,
                    loss=loss,
                    part=self._attend.part,
                    rate=rate,
                    terms=terms or {},
                    held=held,
                )
            )


def new_lesson(
    data: DataSet, policy: TrainingPolicy, prior: NDArray[np.float64], device: torch.device
) -> Lesson:
    """Return a network drawn from the policy's seed, with its losses, on its devices."""
    torch.manual_seed(policy.seed)
    dropout = data.spec.dropout if policy.dropout is None else policy.dropout
    spec = replace(data.spec, fusion=policy.fusion, dropout=dropout, pooled=False)
    even = np.full(len(prior), 1.0 / len(prior))
    network = Network(spec, prior if policy.balance == "prior" else even)
    place_encoders(network, policy, device)
    return Lesson(network, policy, even / prior if policy.balance == "weights" else None)


def seed_of(*numbers: int) -> int:
    """Return the seed that follows from these numbers."""
    drawn = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return int(drawn[0] >> np.uint64(1))
