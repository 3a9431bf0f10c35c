"""A run as TensorBoard shows it. Needs the extra tune."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from mmindustry.training.loop import Moment


class Board:
    """Writes event files: loss, its terms and the rate of each step, both losses of each epoch."""

    def __init__(self, folder: Path) -> None:
        self._writer = SummaryWriter(str(folder))

    def __call__(self, moment: Moment) -> None:
        """Write what a moment tells."""
        if moment.held is not None:
            self._write("epoch/loss", moment.loss, moment.epoch)
            self._write("epoch/held_out", moment.held, moment.epoch)
            self._writer.flush()
            return
        step = moment.epoch * moment.steps + moment.step
        self._write("step/loss", moment.loss, step)
        self._write("step/rate", moment.rate, step)
        for name, value in moment.terms.items():
            self._write(f"terms/{name}", value, step)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def _write(self, name: str, value: float, step: int) -> None:
        self._writer.add_scalar(name, value, step)
