"""A batch's gradients, in as many parts as the device has room for."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from mmindustry.errors import InputError
from mmindustry.training.batches import batches
from mmindustry.training.device import Precision, Team, is_out_of_memory
from mmindustry.training.losses import Lesson, Truth

_FEWEST = 2  # batch norm learns nothing from one


class Gradients:
    """Goes forward and back through a lesson, and moves its weights."""

    def __init__(self, lesson: Lesson, precision: Precision, team: Team, *, micro: int) -> None:
        self.micro = micro
        self.scaler = torch.amp.GradScaler(precision.device, enabled=precision.scaled)
        self._lesson, self._precision, self._team = lesson, precision, team
        self._shared = team.shared(lesson)

    def leave(
        self, batch: tuple[dict[str, Tensor], Truth, Tensor], seed: int, tell: Callable[[str], None]
    ) -> Tensor:
        """Leave a batch's gradients in the weights; return its terms and its loss, on the CPU.

        Where the device has too little memory the batch goes through in halves, from now on: the
        losses are sums over the whole batch's counts, so the gradients stay what they were but for
        the statistics that batch norms take.

        Args:
            batch: Arrays and truth on the device, and the counts of the team's whole batch.
            seed: Of dropout.
            tell: Told when a batch is halved.

        Raises:
            InputError: There is no room for two windows, or the others of a team would wait.
        """
        buffers = {name: buffer.clone() for name, buffer in self._lesson.named_buffers()}
        while True:
            torch.manual_seed(seed)
            self._lesson.zero_grad(set_to_none=True)
            try:
                terms = self._through(*batch)
            except RuntimeError as error:
                self._halve(error)
                tell(f"short of memory: {self.micro} windows at a time from now on")
                with torch.no_grad():
                    for name, buffer in self._lesson.named_buffers():
                        buffer.copy_(buffers[name])
            else:
                return self._team.total(terms.double().cpu())

    def apply(self, optimizer: torch.optim.Optimizer, clip: float) -> None:
        """Move the weights along their gradients, whose norm is at most `clip`."""
        self.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(self._lesson.parameters(), clip)
        self.scaler.step(optimizer)
        self.scaler.update()
        self._lesson.keep_in_range()

    def _through(self, arrays: dict[str, Tensor], truth: Truth, counts: Tensor) -> Tensor:
        parts = batches(np.arange(len(truth.fault)), self.micro)
        told = []
        for rows in parts:
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            with self._apart(talks=rows is parts[-1]):
                with self._precision():
                    some = {name: tensor[part] for name, tensor in arrays.items()}
                    loss, terms = self._shared(some, truth.take(part), counts)
                # a team takes the mean of its gradients, and this is a share of a sum
                self.scaler.scale(loss * self._team.size).backward()  # type: ignore[no-untyped-call]  # torch leaves it open
            told.append(torch.cat([terms, loss.detach().reshape(1)]))
        return torch.stack(told).sum(0)

    def _apart(self, *, talks: bool) -> AbstractContextManager[None]:
        """Return the context of a part: only the batch's last one talks to the team."""
        if talks or self._team.size == 1:
            return nullcontext()
        quiet: AbstractContextManager[None] = self._shared.no_sync()  # type: ignore[attr-defined]  # of DistributedDataParallel
        return quiet

    def _halve(self, error: RuntimeError) -> None:
        if not is_out_of_memory(error):
            raise error
        if self._team.size > 1 or self.micro < 2 * _FEWEST:
            raise InputError(
                f"no memory for {self.micro} windows at a time; give a smaller micro_batch "
                f"({_FEWEST} at least), or place encoders on several devices"
            ) from error
        self.micro //= 2
