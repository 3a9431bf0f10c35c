"""What weights are kept by: the loss of the fused answer, or each modality's own; and products'."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.errors import InputError
from mmindustry.fusion.network import Answer
from mmindustry.training.batches import Rows, open_batches
from mmindustry.training.dataset import DataSet
from mmindustry.training.device import Team
from mmindustry.training.held_out import HeldOut
from mmindustry.training.policy import TrainingPolicy
from tests.unit.training.test_loop import CPU, HELD, ROWS, SINGLE
from tests.unit.training.tiny import FAULTS, PRODUCTS

PRIOR = np.array([0.5, 0.3, 0.2])
OWN, JOINTLY = (TrainingPolicy(joint=joint, keep_by="fault") for joint in (False, True))


class Saying(nn.Module):
    """Says of the held-out windows, in their order, what it is told to."""

    def __init__(self, modal: Tensor, product: Tensor | None = None) -> None:
        super().__init__()
        self.modal = modal  # (windows, modalities, faults)
        even = torch.zeros(len(modal), len(PRODUCTS))
        self.product = even if product is None else product  # (windows, products)
        self.said = 0

    @override
    def forward(self, arrays: dict[str, Tensor]) -> Answer:
        count = len(arrays["present"])
        here = slice(self.said, self.said + count)
        modal, product = self.modal[here], self.product[here]
        self.said += count
        none = torch.zeros(count, 0)
        return Answer(modal.sum(1), modal, none, product, none, none, none, none)


def held_out(data: DataSet, policy: TrainingPolicy, rows: Rows, team: Team) -> HeldOut:
    batches = open_batches(data, ROWS, policy, CPU)
    return HeldOut(batches=batches, rows=rows, prior=PRIOR, team=team, precision=SINGLE)


def held_loss(data: DataSet, policy: TrainingPolicy, modal: Tensor) -> float:
    return held_out(data, policy, HELD, Team()).loss(Saying(modal))


def drawn(data: DataSet, *, right: float) -> Tensor:
    """Return evidence that leans to the truth, the same in every modality but for noise."""
    random = torch.Generator().manual_seed(3)
    noise = torch.randn(len(HELD), 3, len(FAULTS), generator=random)
    truth = torch.from_numpy(data.targets().fault[HELD])
    return noise + right * nn.functional.one_hot(truth, len(FAULTS)).unsqueeze(1)


def test_jointly_it_is_the_cross_entropy_of_the_fused_answer(tiny: DataSet) -> None:
    modal = drawn(tiny, right=1.0)
    likely = log_softmax(np.log(PRIOR) + modal.sum(1).numpy(), axis=1)
    expected = -likely[np.arange(len(HELD)), tiny.targets().fault[HELD]].mean()

    assert held_loss(tiny, JOINTLY, modal) == pytest.approx(expected, rel=1e-5)


def test_by_themselves_it_is_the_mean_of_each_modality_where_it_is_there(tiny: DataSet) -> None:
    modal = drawn(tiny, right=1.0)
    there = tiny.batch(HELD)["present"] > 0
    truth = tiny.targets().fault[HELD]
    best = []
    for at in range(3):
        evidence, fault = modal[there[:, at], at].double().numpy(), truth[there[:, at]]
        tried = []
        for temperature in 2.0 ** (np.arange(-8, 13) / 4):
            likely = log_softmax(np.log(PRIOR) + evidence / temperature, axis=1)
            tried.append(-likely[np.arange(len(fault)), fault].mean())
        best.append(min(tried))

    assert not there.all()
    assert held_loss(tiny, OWN, modal) == pytest.approx(np.mean(best), rel=1e-5)


def test_by_themselves_being_twice_as_sure_is_no_reason_to_stop(tiny: DataSet) -> None:
    modal = drawn(tiny, right=1.0)

    assert held_loss(tiny, OWN, 2 * modal) == pytest.approx(held_loss(tiny, OWN, modal), rel=1e-5)
    jointly = [held_loss(tiny, JOINTLY, times * modal) for times in (1, 2)]
    assert jointly[1] != pytest.approx(jointly[0], rel=1e-2)


def test_a_modality_without_an_encoder_has_no_say(tiny: DataSet) -> None:
    modal = drawn(tiny, right=1.0)
    modal[:, 0] = 0.0
    deaf = tiny.showing((True, True, True))
    deaf.spec = replace(tiny.spec, encoders={**tiny.spec.encoders, "image": "none"})

    blind = held_loss(deaf, OWN, modal)
    modal[:, 0] = 5.0 * torch.randn(len(HELD), len(FAULTS))

    assert held_loss(deaf, OWN, modal) == blind
    assert held_loss(tiny, OWN, modal) != pytest.approx(blind, rel=1e-2)


def test_of_two_that_fuse_alike_the_one_whose_weak_modality_tells_more_is_kept(
    tiny: DataSet,
) -> None:
    strong, weak = drawn(tiny, right=2.0), drawn(tiny, right=0.5)
    early = torch.stack([torch.zeros_like(weak[:, 0]), strong[:, 1], weak[:, 2]], dim=1)
    late = torch.stack([0.5 * strong[:, 1], 0.5 * strong[:, 1], weak[:, 2]], dim=1)

    jointly = [held_loss(tiny, JOINTLY, modal) for modal in (early, late)]
    assert jointly[1] == pytest.approx(jointly[0], rel=1e-5)
    assert held_loss(tiny, OWN, late) < held_loss(tiny, OWN, early) - 0.05


@pytest.mark.parametrize("joint", [False, True])
def test_products_count_where_they_are_seen_and_known(tiny: DataSet, joint: bool) -> None:  # noqa: FBT001 - a case
    faults, modal = TrainingPolicy(joint=joint, keep_by="fault"), drawn(tiny, right=1.0)
    policy = replace(faults, keep_by="all", product=0.4)
    said = torch.randn(len(HELD), len(PRODUCTS), generator=torch.Generator().manual_seed(5))
    truth, seen = tiny.targets().product[HELD], tiny.batch(HELD)["present"][:, 0] > 0
    known = seen & (truth >= 0)
    temperatures, weight = ([1.0], 0.4) if joint else (2.0 ** (np.arange(-8, 13) / 4), 0.4 / 3)
    tried = [log_softmax(said.double().numpy() / t, axis=1)[known] for t in temperatures]
    products = min(-one[np.arange(known.sum()), truth[known]].mean() for one in tried)

    alone = held_out(tiny, faults, HELD, Team()).loss(Saying(modal, said))
    both = held_out(tiny, policy, HELD, Team()).loss(Saying(modal, said))

    assert 0 < known.sum() < len(HELD)
    assert alone == held_loss(tiny, faults, modal)
    assert both == pytest.approx(alone + weight * products, rel=1e-5)


def test_where_no_product_is_seen_faults_alone_are_kept_by(tiny: DataSet) -> None:
    deaf, modal = tiny.showing((False, True, True)), drawn(tiny, right=1.0)

    assert TrainingPolicy().keep_by == "all"
    assert held_loss(deaf, TrainingPolicy(), modal) == held_loss(deaf, JOINTLY, modal)


def test_without_eyes_for_products_faults_alone_are_kept_by(tiny: DataSet) -> None:
    deaf, modal = tiny.showing((True, True, True)), drawn(tiny, right=1.0)
    deaf.spec = replace(tiny.spec, encoders={**tiny.spec.encoders, "image": "none"})
    said = torch.ones(len(HELD), len(PRODUCTS)).cumsum(1)

    by_all = held_out(deaf, TrainingPolicy(), HELD, Team()).loss(Saying(modal, said))

    assert by_all == held_loss(deaf, JOINTLY, modal)
    assert held_out(tiny, TrainingPolicy(), HELD, Team()).loss(Saying(modal, said)) > by_all


def test_what_weighs_nothing_spoils_nothing(tiny: DataSet) -> None:
    modal, endless = drawn(tiny, right=1.0), torch.full((len(HELD), len(PRODUCTS)), torch.inf)

    for policy in (JOINTLY, TrainingPolicy(product=0.0)):
        found = held_out(tiny, policy, HELD, Team()).loss(Saying(modal, endless))
        assert found == held_loss(tiny, JOINTLY, modal)


@pytest.mark.parametrize("policy", [OWN, JOINTLY, TrainingPolicy()])
def test_a_process_without_a_window_of_its_own_adds_nothing_to_the_team(
    tiny: DataSet, monkeypatch: pytest.MonkeyPatch, policy: TrainingPolicy
) -> None:
    one, modal = HELD[:1], drawn(tiny, right=1.0)
    told: list[Tensor] = []

    def total(_team: Team, numbers: Tensor) -> Tensor:
        told.append(numbers)
        return sum(told, torch.zeros_like(numbers))

    monkeypatch.setattr(Team, "total", total)
    first = held_out(tiny, policy, one, Team(rank=0, size=2)).loss(Saying(modal))
    both = held_out(tiny, policy, one, Team(rank=1, size=2)).loss(Saying(modal))

    assert both == first
    assert not told[1].any()


def test_windows_that_show_nothing_are_refused(tiny: DataSet) -> None:
    blind = tiny.showing((False, False, False))

    with pytest.raises(InputError, match="no window to judge by has a modality"):
        held_loss(blind, OWN, drawn(tiny, right=1.0))
