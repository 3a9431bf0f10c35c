"""The loop, on one page: windows in, weights out, the same every time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmindustry.fusion.hazard import bin_of, edges_hours
from mmindustry.fusion.heads import hazard_loss
from mmindustry.fusion.network import Answer, Network
from mmindustry.training.augment import Augment
from mmindustry.training.dataset import DataSet, Targets
from mmindustry.training.policy import TrainingPolicy

Rows = NDArray[np.int64]
Tell = Callable[[str], None]
_HELD_OUT_BATCH = 128


@dataclass(frozen=True, slots=True)
class Trained:
    """The network with its averaged weights, the share of each class it was trained on, and the
    losses (training, held out) of each epoch."""

    network: Network
    prior: NDArray[np.float64]
    losses: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Truth:
    """The targets of a batch as tensors."""

    fault: Tensor
    product: Tensor
    bins: Tensor
    failed: Tensor
    known: Tensor
    gauges: Tensor


def train(
    data: DataSet, *, rows: Rows, validate: Rows, policy: TrainingPolicy, tell: Tell
) -> Trained:
    """Return a network trained on `rows`, stopped by its loss on `validate`.

    Deterministic for one build of torch and one instruction set: seeded, one thread.
    """
    torch.manual_seed(policy.seed)
    run = _Run(data, data.targets(), policy)
    prior = class_prior(run.targets.fault[rows], len(data.spec.faults))
    network = Network(replace(data.spec, fusion=policy.fusion), prior)
    average = get_ema_multi_avg_fn(policy.averaging)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
    losses: list[tuple[float, float]] = []
    best = (np.inf, 0)  # held-out loss, epoch
    state = network.state_dict()
    for epoch, loss in enumerate(run.epochs(network, averaged, rows)):
        held = run.held_out(averaged, validate)
        losses.append((loss, held))
        tell(f"epoch {epoch + 1}/{policy.epochs}: loss {loss:.4f}, held out {held:.4f}")
        if held < best[0]:
            best = (held, epoch)
            state = {name: t.clone() for name, t in averaged.module.state_dict().items()}
        if epoch - best[1] >= policy.patience:
            break
    network.load_state_dict(state)
    return Trained(network.eval(), prior, losses)


class _Run:
    """One training run over one data set."""

    def __init__(self, data: DataSet, targets: Targets, policy: TrainingPolicy) -> None:
        self.targets = targets
        self._data, self._policy = data, policy
        self._edges = edges_hours(data.spec)
        self._augment = Augment(policy.seed, modality_dropout=policy.modality_dropout)

    def epochs(self, network: Network, averaged: AveragedModel, rows: Rows) -> Iterator[float]:
        """Train epoch by epoch; yield the mean loss of each."""
        policy = self._policy
        optimizer = torch.optim.AdamW(_groups(network, policy.weight_decay), policy.learning_rate)
        steps = len(batches(rows, policy.batch))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            policy.learning_rate,
            total_steps=policy.epochs * steps,
            pct_start=policy.warm_up,
        )
        order = np.random.default_rng(policy.seed)
        for _ in range(policy.epochs):
            network.train()
            total = 0.0
            for part in batches(order.permutation(rows), policy.batch):
                arrays, truth = self.load(part)
                optimizer.zero_grad(set_to_none=True)
                loss = total_loss(network, network(self._augment(arrays)), truth, policy=policy)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it open
                nn.utils.clip_grad_norm_(network.parameters(), policy.clip)
                optimizer.step()
                schedule.step()
                averaged.update_parameters(network)
                total += loss.item() * len(part)
            yield total / len(rows)

    def held_out(self, model: AveragedModel, rows: Rows) -> float:
        """Return the mean fault loss in nats on held-out windows, nothing hidden."""
        model.eval()
        log_prior = model.module.get_buffer("log_prior")
        total = 0.0
        with torch.inference_mode():
            for part in batches(rows, _HELD_OUT_BATCH):
                arrays, truth = self.load(part)
                answer: Answer = model(arrays)
                logits = log_prior + answer.evidence
                total += functional.cross_entropy(logits, truth.fault, reduction="sum").item()
        return total / len(rows)

    def load(self, rows: Rows) -> tuple[dict[str, Tensor], Truth]:
        """Return the arrays and targets of these rows as tensors."""
        arrays = {name: torch.from_numpy(array) for name, array in self._data.batch(rows).items()}
        hours = self.targets.hours[rows]
        known = np.isfinite(hours)
        truth = Truth(
            torch.from_numpy(self.targets.fault[rows]),
            torch.from_numpy(self.targets.product[rows]),
            torch.from_numpy(bin_of(np.where(known, hours, 0.0), self._edges)),
            torch.from_numpy(self.targets.failed[rows]),
            torch.from_numpy(known.astype(np.float32)),
            torch.from_numpy(self.targets.gauges[rows]),
        )
        return arrays, truth


def total_loss(network: Network, answer: Answer, truth: Truth, *, policy: TrainingPolicy) -> Tensor:
    """Return the weighted sum of all losses (learning.md 4.5).

    Faults: cross entropy on prior + evidence (logit adjustment), for the fused answer and, with a
    smaller weight, for each modality alone.
    """
    log_prior = network.get_buffer("log_prior")

    def fault(evidence: Tensor) -> Tensor:
        logits = log_prior + evidence
        return functional.cross_entropy(logits, truth.fault, label_smoothing=policy.smoothing)

    alone = torch.stack([fault(answer.modal[:, m]) for m in range(answer.modal.shape[1])])
    loss = fault(answer.evidence) + policy.auxiliary * alone.mean()
    loss = loss + policy.aligning * answer.loss
    loss = loss + policy.hazard * hazard_loss(answer.hazard, truth.bins, truth.failed, truth.known)
    if bool((truth.product >= 0).any()):
        seen = functional.cross_entropy(answer.product, truth.product, ignore_index=-1)
        loss = loss + policy.product * seen
    if bool((shown := ~torch.isnan(truth.gauges)).any()):
        loss = loss + policy.gauges * (answer.gauges - truth.gauges)[shown].square().mean()
    return loss


def class_prior(faults: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return each class's share, one window added to each so that none is impossible."""
    counts = np.bincount(faults, minlength=classes) + 1.0
    prior: NDArray[np.float64] = counts / counts.sum()
    return prior


def batches(rows: Rows, size: int) -> list[Rows]:
    """Return the rows in parts of `size`; a last part of one row joins the one before, since
    batch norm learns nothing from one."""
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts


def _groups(network: Network, decay: float) -> list[dict[str, object]]:
    """Return parameter groups: only weights of two or more dimensions decay."""
    weights = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
