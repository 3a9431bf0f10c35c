"""The batches of a run: which windows, in which order, how changed, and what is true of them."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmindustry.fusion.hazard import bin_of, edges_hours
from mmindustry.fusion.spec import HEALTHY
from mmindustry.training.augment import Augment
from mmindustry.training.dataset import DataSet, Targets
from mmindustry.training.device import send
from mmindustry.training.losses import Truth
from mmindustry.training.policy import TrainingPolicy

Rows = NDArray[np.int64]
_READ_TOGETHER = 128


@dataclass(slots=True)
class Batches:
    """Windows of one data set, drawn by seeds that follow from the run's seed and a number."""

    data: DataSet
    targets: Targets
    policy: TrainingPolicy
    device: torch.device
    augment: Augment = field(default_factory=Augment)

    def order(self, rows: Rows, epoch: int, team: int) -> list[Rows]:
        """Return the batches of an epoch for a team of so many: each window once, or each class
        as often as the others where balance `sampler` asks for that."""
        random = np.random.default_rng([self.policy.seed, epoch])
        if self.policy.balance == "sampler":
            faults = self.targets.fault[rows]
            share = 1.0 / np.bincount(faults)[faults]
            dealt = random.choice(rows, len(rows), p=share / share.sum())
        else:
            dealt = random.permutation(rows)
        return batches(dealt, self.policy.batch * team, least=2 * team)

    def load(self, rows: Rows) -> tuple[dict[str, Tensor], Truth]:
        """Return the arrays of these rows on the device, and their targets on the CPU."""
        arrays = {name: send(array, self.device) for name, array in self.data.batch(rows).items()}
        return arrays, truth_of(self.targets.take(rows), edges_hours(self.data.spec))

    def load_changed(self, rows: Rows, seed: int) -> tuple[dict[str, Tensor], Truth]:
        """Return the same, changed as the policy's `augment` asks."""
        arrays, truth = self.load(rows)
        healthy = truth.fault == self.data.spec.faults.index(HEALTHY)
        random = torch.Generator().manual_seed(seed)
        return self.augment(arrays, random, healthy.to(self.device)), truth


def open_batches(
    data: DataSet, rows: Rows, policy: TrainingPolicy, device: torch.device
) -> Batches:
    """Return the batches of a data set; `rows` are those whose outages may be copied."""
    outages = real_outages(data, rows) if policy.augment.outages else None
    augment = Augment(policy.augment, policy.modality_dropout, data.spec.recipe, outages)
    return Batches(data, data.targets(), policy, device, augment)


def real_outages(data: DataSet, rows: Rows) -> Tensor:
    """Return the presence of windows that miss a modality but not all, (windows, modalities)."""
    parts = [data.batch(part)["present"] for part in batches(rows, _READ_TOGETHER)]
    present = np.concatenate(parts)
    there = (present > 0).sum(1)
    return torch.from_numpy(present[(there > 0) & (there < present.shape[1])])


def truth_of(targets: Targets, edges: NDArray[np.float64]) -> Truth:
    """Return targets as tensors; times of failure become bins between `edges` (hours)."""
    known = np.isfinite(targets.hours)
    return Truth(
        torch.from_numpy(targets.fault),
        torch.from_numpy(targets.product),
        torch.from_numpy(bin_of(np.where(known, targets.hours, 0.0), edges)),
        torch.from_numpy(targets.failed),
        torch.from_numpy(known.astype(np.float32)),
        torch.from_numpy(targets.gauges),
        torch.from_numpy(np.unique(targets.group, return_inverse=True)[1].astype(np.int64)),
        torch.from_numpy(targets.begin),
    )


def batches(rows: Rows, size: int, *, least: int = 2) -> list[Rows]:
    """Return the rows in parts of `size`; a last part below `least` joins the one before, since
    batch norm learns nothing from one."""
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    if len(parts) > 1 and len(parts[-1]) < least:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts
