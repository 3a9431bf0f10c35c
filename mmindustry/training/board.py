"""A run as TensorBoard shows it. Needs the extra tune."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from mmindustry.training.loop import Moment


class Board:
    """Writes event files: loss, its terms and the rate of each step, both losses of each epoch.

    Trials of a search and folds are runs of their own, in folders by their names.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def __call__(self, moment: Moment) -> None:
        """Write what a moment tells."""
        writer = self._writer(moment.part)
        if moment.held is not None:
            writer.add_scalar("epoch/loss", moment.loss, moment.epoch)
            writer.add_scalar("epoch/held_out", moment.held, moment.epoch)
            writer.flush()
            return
        step = moment.epoch * moment.steps + moment.step
        writer.add_scalar("step/loss", moment.loss, step)
        writer.add_scalar("step/rate", moment.rate, step)
        for name, value in moment.terms.items():
            writer.add_scalar(f"terms/{name}", value, step)

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, part: str) -> SummaryWriter:
        if part not in self._writers:
            self._writers[part] = SummaryWriter(str(self._folder / part))
        return self._writers[part]
