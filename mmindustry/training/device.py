"""Where a training runs: one device or several, in which precision, alone or in a team."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from typing_extensions import override

from mmindustry.errors import ConfigError
from mmindustry.fusion.items import Encoded, Items
from mmindustry.training.losses import Lesson
from mmindustry.training.policy import TrainingPolicy

Move = Callable[[Tensor, torch.device], Tensor]


@dataclass(frozen=True, slots=True)
class Team:
    """The processes that train one network together; `rank` 0 writes."""

    rank: int = 0
    size: int = 1
    place: int = 0
    """Number of this process on its machine, and of its CUDA device."""

    def total(self, numbers: Tensor) -> Tensor:
        """Return the sum of everybody's numbers."""
        if self.size == 1:
            return numbers
        here = torch.device("cuda", self.place) if distributed.get_backend() == "nccl" else "cpu"
        summed = numbers.to(here)
        distributed.all_reduce(summed)
        return summed.to(numbers.device)

    def wait(self) -> None:
        """Return once everybody has come here."""
        if self.size > 1:
            distributed.barrier()

    def even(self, network: nn.Module) -> None:
        """Bring everybody's float buffers (batch norms) to their mean."""
        if self.size == 1:
            return
        for buffer in network.buffers():
            if buffer.is_floating_point():
                distributed.all_reduce(buffer)
                buffer.div_(self.size)

    def shared(self, lesson: Lesson) -> Callable[..., tuple[Tensor, Tensor]]:
        """Return the lesson, its gradients averaged over the team where it is one."""
        if self.size == 1:
            return lesson
        return DistributedDataParallel(lesson, broadcast_buffers=False)


def team_of(environment: Mapping[str, str]) -> Team:
    """Return the team that torchrun tells of; a team of one where it tells nothing.

    Raises:
        ConfigError: Its variables are no numbers.
    """
    try:
        return Team(
            int(environment.get("RANK", "0")),
            int(environment.get("WORLD_SIZE", "1")),
            int(environment.get("LOCAL_RANK", "0")),
        )
    except ValueError as error:
        raise ConfigError(f"RANK, WORLD_SIZE and LOCAL_RANK must be numbers: {error}") from error


@contextmanager
def joined(team: Team, device: torch.device) -> Iterator[Team]:
    """Join the team's other processes (NCCL on CUDA, gloo on CPU), and leave them at the end."""
    if team.size == 1:
        yield team
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield team
    finally:
        distributed.destroy_process_group()


def open_device(asked: str, place: int = 0) -> torch.device:
    """Return the device: `auto` is this process's CUDA device where there is one, else the CPU.

    Raises:
        ConfigError: The CUDA device asked for is not here.
    """
    count = torch.cuda.device_count() if asked != "cpu" and torch.cuda.is_available() else 0
    if asked == "auto":
        return torch.device(f"cuda:{place % count}" if count else "cpu")
    device = torch.device(asked)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ConfigError(f"device {asked}: {count} CUDA devices here; give cpu or auto")
    return device


@dataclass(frozen=True, slots=True)
class Precision:
    """What convolutions and products run in: `kind` None = single."""

    kind: torch.dtype | None
    device: str

    @property
    def scaled(self) -> bool:
        """Whether gradients are too small for the kind and must be scaled up."""
        return self.kind is torch.float16

    def __call__(self) -> torch.autocast:
        """Return the context of a forward pass."""
        dtype = self.kind or torch.bfloat16
        return torch.autocast(self.device, dtype=dtype, enabled=self.kind is not None)


def open_precision(asked: str, device: torch.device) -> Precision:
    """Return the precision: `auto` is single on CPU; on CUDA bf16 where it can, else fp16.

    Raises:
        ConfigError: fp16 is asked for on CPU, which has no fast one.
    """
    if asked == "fp16" and device.type == "cpu":
        raise ConfigError("precision fp16 needs a CUDA device; on CPU give single or bf16")
    kinds = {"single": None, "bf16": torch.bfloat16, "fp16": torch.float16}
    if asked in kinds:
        return Precision(kinds[asked], device.type)
    if device.type == "cpu":
        return Precision(None, device.type)
    kind = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return Precision(kind, device.type)


def send(array: NDArray, device: torch.device) -> Tensor:  # type: ignore[type-arg]  # any numbers
    """Return an array as a tensor on a device, through pinned memory without waiting on CUDA."""
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device; gradients find the way back."""
    return tensor.to(device, non_blocking=True)


class _Elsewhere(Mapping[str, Tensor]):
    """A batch's arrays on another device; only what is asked for is moved."""

    def __init__(self, arrays: Mapping[str, Tensor], device: torch.device, move: Move) -> None:
        self._arrays, self._device, self._move = arrays, device, move

    @override
    def __getitem__(self, name: str) -> Tensor:
        return self._move(self._arrays[name], self._device)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    @override
    def __len__(self) -> int:
        return len(self._arrays)


def place_encoders(
    network: nn.Module, policy: TrainingPolicy, home: torch.device, move: Move = moved
) -> None:
    """Put encoders on the devices that the policy's `placement` names, the rest on `home`.

    What an encoder reads is moved to it, what it says is moved home: the network need not fit on
    one device. Weights keep their names.

    Raises:
        ConfigError: A device is not here.
    """
    network.to(home)
    for encoder, asked in policy.placement.items():
        device = open_device(asked)
        module = network.get_submodule(encoder).to(device)

        def bring(
            _: nn.Module, given: tuple[Mapping[str, Tensor]], to: torch.device = device
        ) -> tuple[Mapping[str, Tensor]]:
            return (_Elsewhere(given[0], to, move),)

        def take(_: nn.Module, __: object, said: Encoded) -> Encoded:
            items = Items(*(move(part, home) for part in said.items))
            others = {"embedding": said.embedding, "regions": said.regions}
            others["features"] = said.features
            back = {n: None if part is None else move(part, home) for n, part in others.items()}
            return Encoded(items=items, **back)  # type: ignore[arg-type]  # an embedding is never none

        module.register_forward_pre_hook(bring)
        module.register_forward_hook(take)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether an error says that a device has no memory left; the CPU has no own type."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
