"""The best epochs' weights, averaged where that helps (greedy soup, Wortsman et al., ICML 2022)."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from mmindustry.features.spec import MODALITIES
from mmindustry.training.held_out import WHOLE

State = dict[str, Tensor]
Losses = Mapping[str, float]
Best = dict[str, list[tuple[float, int]]]
"""Part of the weights -> validation loss and epoch of its best epochs, best first."""

_OF_PICTURES = ("product.", "gauges.")
_OF_SOUND = "steering."


def part_of(name: str) -> str:
    """Return the modality that a weight of a network belongs to; `WHOLE` = to none of them.

    >>> part_of("audio.blocks.0.weight"), part_of("faults.2.out.bias"), part_of("hazard.bias")
    ('audio', 'text', 'whole')
    """
    first, _, rest = name.partition(".")
    if first == "faults":
        return MODALITIES[int(rest.partition(".")[0])]
    if name.startswith(_OF_PICTURES):
        return "image"
    if name.startswith(_OF_SOUND):
        return "audio"
    return first if first in MODALITIES else WHOLE


class Ladle:
    """Holds the weights of the `size` best epochs of a run, each part's by its own loss."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[str, dict[int, State]] = {}

    def taste(self, best: Best, losses: Losses, epoch: int, *, network: nn.Module) -> None:
        """Keep what is among the best of an epoch's weights by their validation loss; `best` is
        brought up to date, the earlier first among equals."""
        state = network.state_dict()
        for part, loss in losses.items():
            ranked = sorted([*best.get(part, []), (loss, epoch)])[: self._size]
            kept = self._kept.setdefault(part, {})
            if (loss, epoch) in ranked:
                names = [name for name in state if _owner(name, losses) == part]
                kept[epoch] = {name: state[name].detach().clone() for name in names}
            best[part] = ranked
            self._kept[part] = {at: kept[at] for _, at in ranked}

    def poured(self, best: Best, losses_of: Callable[[State], Losses]) -> State:
        """Return the best epoch's weights of each part, averaged with those of the next best as
        long as its validation loss falls. What belongs to no modality, beside parts that do, has no
        say in these losses and is not averaged."""
        firsts: State = {}
        for part, ranked in best.items():
            firsts |= self._kept[part][ranked[0][1]]
        lowest, poured = dict(losses_of(firsts)), dict(firsts)
        for part, ((_, first), *others) in best.items():
            if part == WHOLE and len(best) > 1:
                continue
            taken = [self._kept[part][first]]
            for _, epoch in others:
                mixed = mean_of([*taken, self._kept[part][epoch]])
                if (loss := losses_of({**firsts, **mixed})[part]) < lowest[part]:
                    lowest[part] = loss
                    taken.append(self._kept[part][epoch])
            poured |= mean_of(taken)
        return poured

    def tensors(self) -> State:
        """Return all that is held, names after `PART.EPOCH.`."""
        return {
            f"{part}.{at}.{name}": tensor
            for part, kept in self._kept.items()
            for at, state in kept.items()
            for name, tensor in state.items()
        }

    def fill(self, tensors: Mapping[str, Tensor], network: nn.Module) -> None:
        """Hold what `tensors` told, on the devices of the network."""
        home = {name: tensor.device for name, tensor in network.state_dict().items()}
        self._kept = {}
        for told, tensor in tensors.items():
            part, epoch, name = told.split(".", 2)
            state = self._kept.setdefault(part, {}).setdefault(int(epoch), {})
            state[name] = tensor.to(home[name])


def _owner(name: str, parts: Losses) -> str:
    """Return the part that a weight is kept with: its modality where that has a loss."""
    part = part_of(name)
    return part if part in parts else WHOLE


def mean_of(states: list[State]) -> State:
    """Return the mean of weights; counters are the first's."""
    first = states[0]
    if len(states) == 1:
        return first
    return {
        name: sum((state[name] for state in states[1:]), tensor) / len(states)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in first.items()
    }
