"""What weights are kept by: the loss of the fused answer, or each modality's own; and products'."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.errors import InputError
from mmindustry.features.spec import MODALITIES
from mmindustry.fusion.network import Answer
from mmindustry.training.batches import Rows, open_batches
from mmindustry.training.dataset import DataSet
from mmindustry.training.device import Team
from mmindustry.training.held_out import WHOLE, HeldOut
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


def held_losses(data: DataSet, policy: TrainingPolicy, modal: Tensor) -> dict[str, float]:
    return held_out(data, policy, HELD, Team()).losses(Saying(modal))


def held_loss(data: DataSet, policy: TrainingPolicy, modal: Tensor) -> float:
    return held_losses(data, policy, modal)[WHOLE]


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

    assert held_losses(tiny, JOINTLY, modal) == {WHOLE: pytest.approx(expected, rel=1e-5)}


def test_by_themselves_each_modality_is_judged_where_it_is_there(tiny: DataSet) -> None:
    modal = drawn(tiny, right=1.0)
    there = tiny.batch(HELD)["present"] > 0
    truth = tiny.targets().fault[HELD]
    expected = {}
    for at, name in enumerate(MODALITIES):
        evidence, fault = modal[there[:, at], at].double().numpy(), truth[there[:, at]]
        likely = log_softmax(np.log(PRIOR) + evidence, axis=1)
        expected[name] = -likely[np.arange(len(fault)), fault].mean()

    found = held_losses(tiny, OWN, modal)

    assert not there.all()
    assert found.pop(WHOLE) == pytest.approx(sum(expected.values()), rel=1e-5)
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_modality_without_an_encoder_has_no_say(tiny: DataSet) -> None:
    modal = drawn(tiny, right=1.0)
    modal[:, 0] = 0.0
    deaf = tiny.showing((True, True, True))
    deaf.spec = replace(tiny.spec, encoders={**tiny.spec.encoders, "image": "none"})

    blind = held_losses(deaf, OWN, modal)
    modal[:, 0] = 5.0 * torch.randn(len(HELD), len(FAULTS))

    assert set(blind) == {"audio", "text", WHOLE}
    assert held_losses(deaf, OWN, modal) == blind
    assert held_loss(tiny, OWN, modal) > blind[WHOLE]


def test_of_two_that_fuse_alike_each_modality_is_kept_where_it_tells_most(tiny: DataSet) -> None:
    strong, weak = drawn(tiny, right=2.0), drawn(tiny, right=0.5)
    early = torch.stack([torch.zeros_like(weak[:, 0]), strong[:, 1], weak[:, 2]], dim=1)
    late = torch.stack([0.5 * strong[:, 1], 0.5 * strong[:, 1], weak[:, 2]], dim=1)

    jointly = [held_loss(tiny, JOINTLY, modal) for modal in (early, late)]
    first, second = (held_losses(tiny, OWN, modal) for modal in (early, late))

    assert jointly[1] == pytest.approx(jointly[0], rel=1e-5)
    assert second["image"] < first["image"] - 0.05
    assert first["audio"] < second["audio"] - 0.05
    assert first["text"] == second["text"]


@pytest.mark.parametrize("joint", [False, True])
def test_products_count_where_they_are_seen_and_known(tiny: DataSet, joint: bool) -> None:  # noqa: FBT001 - a case
    faults, modal = TrainingPolicy(joint=joint, keep_by="fault"), drawn(tiny, right=1.0)
    policy = replace(faults, keep_by="all", product=0.4, auxiliary=2.0)
    said = torch.randn(len(HELD), len(PRODUCTS), generator=torch.Generator().manual_seed(5))
    truth, seen = tiny.targets().product[HELD], tiny.batch(HELD)["present"][:, 0] > 0
    known = seen & (truth >= 0)
    told = log_softmax(said.double().numpy(), axis=1)[known]
    products = -told[np.arange(known.sum()), truth[known]].mean()
    weight, part = 0.4, WHOLE if joint else "image"

    alone = held_out(tiny, faults, HELD, Team()).losses(Saying(modal, said))
    both = held_out(tiny, policy, HELD, Team()).losses(Saying(modal, said))

    assert 0 < known.sum() < len(HELD)
    assert alone == held_losses(tiny, faults, modal)
    assert both[part] == pytest.approx(alone[part] + weight * products, rel=1e-5)
    assert both[WHOLE] == pytest.approx(alone[WHOLE] + weight * products, rel=1e-5)
    assert all(both[name] == alone[name] for name in both if name not in (part, WHOLE))


def test_where_no_product_is_seen_faults_alone_are_kept_by(tiny: DataSet) -> None:
    deaf, modal = tiny.showing((False, True, True)), drawn(tiny, right=1.0)

    assert TrainingPolicy().keep_by == "all"
    assert held_loss(deaf, TrainingPolicy(), modal) == held_loss(deaf, JOINTLY, modal)


def test_without_eyes_for_products_faults_alone_are_kept_by(tiny: DataSet) -> None:
    deaf, modal = tiny.showing((True, True, True)), drawn(tiny, right=1.0)
    deaf.spec = replace(tiny.spec, encoders={**tiny.spec.encoders, "image": "none"})
    said = torch.ones(len(HELD), len(PRODUCTS)).cumsum(1)

    by_all = held_out(deaf, TrainingPolicy(), HELD, Team()).losses(Saying(modal, said))[WHOLE]

    assert by_all == held_loss(deaf, JOINTLY, modal)
    assert (
        held_out(tiny, TrainingPolicy(), HELD, Team()).losses(Saying(modal, said))[WHOLE] > by_all
    )


def test_what_weighs_nothing_spoils_nothing(tiny: DataSet) -> None:
    modal, endless = drawn(tiny, right=1.0), torch.full((len(HELD), len(PRODUCTS)), torch.inf)

    for policy in (JOINTLY, TrainingPolicy(product=0.0)):
        found = held_out(tiny, policy, HELD, Team()).losses(Saying(modal, endless))[WHOLE]
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
    first = held_out(tiny, policy, one, Team(rank=0, size=2)).losses(Saying(modal))[WHOLE]
    both = held_out(tiny, policy, one, Team(rank=1, size=2)).losses(Saying(modal))[WHOLE]

    assert both == first
    assert not told[1].any()


def test_windows_that_show_nothing_are_refused(tiny: DataSet) -> None:
    blind = tiny.showing((False, False, False))

    with pytest.raises(InputError, match="no window to judge by has a modality"):
        held_loss(blind, OWN, drawn(tiny, right=1.0))
