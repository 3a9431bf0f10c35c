"""Where the network looks, by its gradients: Grad-CAM and integrated gradients. Needs torch."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmindustry.errors import BundleError
from mmindustry.fusion.ensemble import Ensemble
from mmindustry.fusion.explainer import Target
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.network import Answer, Network

Arrays = Mapping[str, NDArray[Any]]
Objective = Callable[[Mapping[str, Tensor]], Tensor]

_MAP = 4  # axes of a stack of feature maps
_SMALLEST = 3  # rows and columns from which a map tells a place
_QUIET = 0.1


class Integrated(NamedTuple):
    """Attributions in the input's shape, and how far their sum misses what they must add up to."""

    attributions: NDArray[np.float32]
    difference: float
    gap: float


def objective_of(network: Network | Ensemble, judge: Judge, target: Target) -> Objective:
    """Return what gives the log odds of a target in each window of a batch, (batch,)."""
    prior = torch.log(torch.from_numpy(judge.prior.astype(np.float32)))
    manifest = judge.manifest
    shift = torch.tensor([manifest.product_shift.get(p, 0.0) for p in manifest.spec.products])

    def log_odds(arrays: Mapping[str, Tensor]) -> Tensor:
        answer: Answer = network(arrays)
        if target.kind == "fault":
            present = (arrays["present"] > 0).numpy()
            scale = torch.from_numpy(judge.temperatures(present).astype(np.float32))
            logits = prior + answer.evidence / scale.unsqueeze(1)  # (batch, faults)
        else:
            logits = shift + answer.product / manifest.product_temperature  # (batch, products)
        others = torch.ones(logits.shape[1], dtype=torch.bool)
        others[target.column] = False
        odds: Tensor = logits[:, target.column] - torch.logsumexp(logits[:, others], dim=1)
        return odds

    return log_odds


def tensors_of(arrays: Arrays) -> dict[str, Tensor]:
    """Return one window's arrays as tensors with a batch axis."""
    return {name: torch.from_numpy(np.array(array)[None]) for name, array in arrays.items()}


def grad_cam(
    network: Network | Ensemble, arrays: Arrays, objective: Objective
) -> NDArray[np.float32]:
    """Return where each frame speaks for the target, (frames, rows, columns) in 0..1.

    ReLU of the last feature maps of the frames, each weighed by its mean gradient (Selvaraju et
    al., ICCV 2017); divided by the greatest value over all frames. Of several networks as one,
    the maps of all: the mean over members, before the ReLU.

    Raises:
        BundleError: An image encoder has no maps of the frames that keep places apart.
    """
    members = list(network.members) if isinstance(network, Ensemble) else [network]
    frames = arrays["image_frames"].shape[0]
    maps: list[list[Tensor]] = [[] for _ in members]
    hooks = [
        module.register_forward_hook(partial(_keep, kept, frames))
        for member, kept in zip(members, maps, strict=True)
        for module in member.get_submodule("image").modules()
    ]
    try:
        tensors = tensors_of(arrays)
        tensors["image_frames"].requires_grad_()
        value = objective(tensors).sum()
    finally:
        for hook in hooks:
            hook.remove()
    if not all(maps):
        raise BundleError("grad-cam: this bundle's image encoder has no feature maps of its frames")
    last = [kept[-1] for kept in maps]
    slopes = torch.autograd.grad(value, last)
    weighed = [
        (slope.mean(dim=(2, 3), keepdim=True) * one).sum(dim=1)  # (frames, rows, columns)
        for slope, one in zip(slopes, last, strict=True)
    ]
    heat = torch.relu(torch.stack(weighed).mean(dim=0)).detach().numpy()
    found: NDArray[np.float32] = (heat / max(float(heat.max()), 1e-12)).astype(np.float32)
    return found


def _keep(
    maps: list[Tensor], frames: int, _module: nn.Module, _inputs: object, output: object
) -> None:
    """Take a module's output where it is maps of all frames that keep places apart."""
    if not isinstance(output, Tensor) or output.dim() != _MAP or not output.requires_grad:
        return
    if output.shape[0] == frames and min(output.shape[2:]) >= _SMALLEST:
        maps.append(output)


def integrated_gradients(
    arrays: Arrays, objective: Objective, *, name: str = "audio_logmel", steps: int = 64
) -> Integrated:
    """Return what every cell of one array adds to the target's log odds against silence.

    The mean gradient on the straight way from a baseline, times the way (Sundararajan, Taly and
    Yan, ICML 2017): the attributions add up to the difference of both ends (`difference`), but
    for the steps of the sum (`gap`). Of a log-mel the baseline is its quietest tenth.

    Args:
        arrays: Of one window.
        objective: Gives log odds.
        name: The array attributed to.
        steps: Points on the way, midpoint rule.
    """
    tensors = tensors_of(arrays)
    whole = tensors[name]
    floor = float(torch.quantile(whole.flatten()[: 2**20], _QUIET))
    base = torch.full_like(whole, floor)
    total = torch.zeros_like(whole)
    for step in range(steps):
        share = (step + 0.5) / steps
        point = (base + share * (whole - base)).requires_grad_()
        (slope,) = torch.autograd.grad(objective({**tensors, name: point}).sum(), point)
        total += slope
    told = ((whole - base) * total / steps)[0]
    with torch.no_grad():
        ends = [float(objective({**tensors, name: end})) for end in (whole, base)]
    difference = ends[0] - ends[1]
    return Integrated(told.numpy(), difference, abs(float(told.sum()) - difference))
