"""One network for each fold as one, with a stack or without: kept only if validation says so."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmindustry.fusion.calibration import fit_temperature, log_loss, posterior
from mmindustry.fusion.ensemble import Ensemble, new_stack, stack_input
from mmindustry.fusion.network import Network
from mmindustry.training.batches import Rows, batches
from mmindustry.training.dataset import DataSet
from mmindustry.training.folds import grouped_folds
from mmindustry.training.loop import Attend, Trained, fit
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.scores import macro_f1

_TOGETHER = 128
_DECAY = 1e-2
"""Of a stack's weights: it is drawn to changing nothing."""

Said = tuple[Tensor, Tensor]
"""Evidence of each modality (windows, modalities, faults), and fused (windows, faults)."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What serves: a network or several as one; `losses` tells each candidate's fault loss on the
    validation windows in nats, `folds` the macro-F1 on each fold by the network that had not
    seen it."""

    network: Network | Ensemble
    prior: NDArray[np.float64]
    name: str
    losses: Mapping[str, float]
    folds: tuple[float, ...]


def choose(
    data: DataSet,
    single: Trained,
    *,
    rows: Rows,
    validate: Rows,
    plan: tuple[TrainingPolicy, int, Attend],
) -> Chosen:
    """Return the best on `validate` of the single network, the ensemble of k folds, and the
    ensemble with a stack; the simpler one among equals.

    Args:
        data: The windows.
        single: Trained on all of `rows`.
        rows: Dealt to folds by group; each member learns from k - 1 and is stopped by the other.
        validate: Windows that none has learned from.
        plan: Policy, k, and who attends; each fold has its own checkpoint in the run's.
    """
    policy, k, attend = plan
    targets = data.targets()
    members: list[Network] = []
    outside: list[tuple[Rows, Said]] = []
    for number, fold in enumerate(grouped_folds(targets.group[rows], k, policy.seed)):
        attend.tell(f"fold {number + 1} of {k}")
        part = f"fold-{number + 1}"
        kept = attend.checkpoint and attend.checkpoint / part
        member = fit(
            data,
            rows=rows[fold.train],
            validate=rows[fold.test],
            policy=replace(policy, seed=policy.seed + 1 + number),
            attend=replace(attend, checkpoint=kept, part=part),
        ).network
        members.append(member)
        outside.append((rows[fold.test], said(member, data, rows[fold.test])))
    log_prior = torch.log(torch.from_numpy(single.prior)).float()
    faults = torch.from_numpy(targets.fault)
    seen = torch.from_numpy(np.concatenate([part for part, _ in outside]))
    modal = torch.cat([one[0] for _, one in outside])
    fused = torch.cat([one[1] for _, one in outside])
    stack = fit_stack((modal, fused), faults[seen], log_prior, new_stack(data.spec))
    candidates: dict[str, Network | Ensemble] = {
        "single": single.network,
        "ensemble": Ensemble(members).eval(),
        "stacked": Ensemble(members, stack).eval(),
    }
    losses = {
        name: fault_loss(said(network, data, validate)[1], faults[validate], log_prior)
        for name, network in candidates.items()
    }
    best = min(losses, key=lambda name: losses[name])
    attend.tell(", ".join(f"{name} {loss:.4f}" for name, loss in losses.items()) + f": {best}")
    scores = tuple(
        macro_f1((log_prior + one[1]).argmax(1).numpy(), targets.fault[part], len(data.spec.faults))
        for part, one in outside
    )
    return Chosen(candidates[best], single.prior, best, losses, scores)


def said(network: nn.Module, data: DataSet, rows: Rows) -> Said:
    """Return the evidence of each modality and the fused one for these windows."""
    network.eval()
    modal, fused = [], []
    with torch.inference_mode():
        for part in batches(rows, _TOGETHER):
            arrays = {name: torch.from_numpy(array) for name, array in data.batch(part).items()}
            answer = network(arrays)
            modal.append(answer.modal)
            fused.append(answer.evidence)
    return torch.cat(modal).clone(), torch.cat(fused).clone()


def fit_stack(told: Said, faults: Tensor, log_prior: Tensor, stack: nn.Linear) -> nn.Linear:
    """Return the stack fitted to evidence of windows that the members had not seen.

    Multinomial logistic regression with an L2 penalty, from no change on, by L-BFGS.
    """
    features = stack_input(*told)
    optimizer = torch.optim.LBFGS(
        stack.parameters(), max_iter=100, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = log_prior + told[1] + stack(features)
        found = functional.cross_entropy(logits, faults) + _DECAY * stack.weight.square().sum()
        found.backward()  # type: ignore[no-untyped-call]  # torch leaves it open
        return found

    optimizer.step(loss)  # type: ignore[no-untyped-call]  # torch leaves it open
    return stack.requires_grad_(requires_grad=False)


def fault_loss(evidence: Tensor, faults: Tensor, log_prior: Tensor) -> float:
    """Return the mean cross entropy in nats of evidence under a prior, at the temperature that
    suits it best: what serves is calibrated afterwards."""
    told, labels = evidence.double().numpy(), faults.numpy()
    prior = log_prior.double().exp().numpy()
    return log_loss(posterior(told, prior, fit_temperature(told, labels, prior)), labels)
