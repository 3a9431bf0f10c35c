"""The best epochs' weights, averaged where that helps (greedy soup, Wortsman et al., ICML 2022)."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

State = dict[str, Tensor]


class Ladle:
    """Holds the weights of the `size` best epochs of a run."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[int, State] = {}

    def taste(
        self, best: list[tuple[float, int]], loss: float, epoch: int, *, network: nn.Module
    ) -> None:
        """Keep an epoch's weights if its validation loss is among the best; `best` is brought up
        to date, best first, the earlier first among equals."""
        best.append((loss, epoch))
        best.sort()
        del best[self._size :]
        if (loss, epoch) in best:
            self._kept[epoch] = {n: t.detach().clone() for n, t in network.state_dict().items()}
        self._kept = {at: state for at, state in self._kept.items() if at in {e for _, e in best}}

    def poured(self, best: list[tuple[float, int]], loss_of: Callable[[State], float]) -> State:
        """Return the best epoch's weights, averaged with those of the next best as long as the
        validation loss falls."""
        (lowest, first), *others = best
        taken = [self._kept[first]]
        for _, epoch in others:
            mixed = mean_of([*taken, self._kept[epoch]])
            if (loss := loss_of(mixed)) < lowest:
                lowest = loss
                taken.append(self._kept[epoch])
        return mean_of(taken)

    def tensors(self) -> State:
        """Return all that is held, names after `EPOCH.`."""
        return {f"{at}.{n}": t for at, state in self._kept.items() for n, t in state.items()}

    def fill(self, tensors: Mapping[str, Tensor], network: nn.Module) -> None:
        """Hold what `tensors` told, on the devices of the network."""
        home = {name: tensor.device for name, tensor in network.state_dict().items()}
        self._kept = {}
        for name, tensor in tensors.items():
            epoch, _, rest = name.partition(".")
            self._kept.setdefault(int(epoch), {})[rest] = tensor.to(home[rest])


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
