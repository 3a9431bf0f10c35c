"""A run on disk: every number that the rest of it depends on, in one safetensors file."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mmindustry.errors import InputError
from mmindustry.training.dataset import DataSet, Targets

FILE = "run.safetensors"
_FORMAT = "4"
_ANEW = "delete it to begin anew"


@dataclass(slots=True)
class Progress:
    """How far a run is, as plain JSON."""

    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Steps done of the next epoch."""
    total: float = 0.0
    """Sum of the losses of these steps' windows."""
    losses: list[tuple[float, float]] = field(default_factory=list)
    """Training and validation loss of each epoch done."""
    best: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """Part of the weights -> validation loss and epoch of its best epochs, best first."""
    micro: int = 0
    """Windows that go through the network at a time."""
    scale: dict[str, Any] = field(default_factory=dict)
    """State of the gradient's scale, where there is one."""
    done: bool = False
    """Whether the last epoch was reached."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One file in a folder, belonging to one run."""

    folder: Path
    run: Mapping[str, str]
    """What the run is made of, part -> text; another run's file is refused."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / FILE

    def write(self, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
        """Write it whole or not at all, forced to disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {n: t.detach().cpu().contiguous() for n, t in tensors.items()}
        told = {"format": _FORMAT, "progress": json.dumps(asdict(progress)), **self.run}
        told["sha256"] = _digest(told["progress"], kept)
        fresh = self.folder / f".{FILE}.part"
        save_file(kept, fresh, told)
        with fresh.open("rb+") as file:
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def read(self) -> tuple[Progress, dict[str, Tensor]] | None:
        """Return what was written last; None where nothing was.

        Raises:
            InputError: The file is damaged, or belongs to another run.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                told = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{self.path}: not a readable checkpoint ({error}); {_ANEW}"
            ) from error
        if told.get("format") != _FORMAT:
            raise InputError(f"{self.path}: of another version; {_ANEW}")
        for part, text in self.run.items():
            if told.get(part) != text:
                raise InputError(
                    f"{self.path}: belongs to a run with another {part} "
                    f"({_difference(told.get(part, ''), text)}); give the same again, another "
                    f"--checkpoint, or {_ANEW}"
                )
        if told.get("sha256") != _digest(told["progress"], tensors):
            raise InputError(f"{self.path}: damaged (its sha256 is another); {_ANEW}")
        known = json.loads(told["progress"])
        known |= {"losses": [tuple(pair) for pair in known["losses"]]}
        known["best"] = {n: [tuple(pair) for pair in r] for n, r in known["best"].items()}
        return Progress(**known), tensors


def _digest(progress: str, tensors: Mapping[str, Tensor]) -> str:
    """Return SHA-256 over the progress and every number, in order of names."""
    digest = hashlib.sha256(progress.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"|{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def run_of(
    data: DataSet, targets: Targets, policy: Mapping[str, Any], sides: Mapping[str, Any]
) -> dict[str, str]:
    """Return what tells one run from another: settings, network, windows and labels, team."""
    digest = hashlib.sha256()
    for one in fields(targets):
        digest.update(np.ascontiguousarray(getattr(targets, one.name)).tobytes())
    for rows in sides.values():
        digest.update(np.asarray(rows, np.int64).tobytes() + b"|")
    return {
        "policy": json.dumps(dict(policy), sort_keys=True),
        "network": json.dumps(data.spec.to_json(), sort_keys=True),
        "data": digest.hexdigest()[:16],
    }


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's own numbers by `optimizer.PARAMETER.NAME`."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{at}.{name}": torch.as_tensor(value)
        for at, numbers in state.items()
        for name, value in numbers.items()
        if value is not None
    }


def fill_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer the numbers that `optimizer_tensors` told."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in under("optimizer.", tensors).items():
        at, _, key = name.partition(".")
        state.setdefault(int(at), {})[key] = tensor
    document = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": document["param_groups"]})


def over(prefix: str, module: nn.Module | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a module's tensors, each name after `prefix`."""
    state = module.state_dict() if isinstance(module, nn.Module) else module
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, without it."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _difference(there: str, here: str) -> str:
    """Say the first thing that two JSON objects tell otherwise."""
    try:
        old, new = json.loads(there), json.loads(here)
    except ValueError:
        return "windows, labels or split"
    for name in sorted(set(old) | set(new)):
        if old.get(name) != new.get(name):
            return f"{name} is {old.get(name)} there, {new.get(name)} here"
    return "unknown"
