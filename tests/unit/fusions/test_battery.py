"""What every fusion in the registry must do; a new entry is tried by all of it at once."""

import warnings
from itertools import product

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.fusion.fusions import FUSIONS, make_fusion
from mmindustry.fusion.fusions.align import AlignmentFusion
from mmindustry.fusion.fusions.shape import Fused, Fusion, FusionShape, Heard
from mmindustry.fusion.items import Items
from tests.unit.fusions.reference import REFERENCES, Window

SHAPE = FusionShape(modalities=3, width=8, classes=4, dropout=0.2, context=5)
COUNTS = (3, 4, 5)
PATTERNS = list(product((1.0, 0.0), repeat=3))
every_fusion = pytest.mark.parametrize("name", list(FUSIONS))


def heard(seed: int = 0) -> Heard:
    """Return one window of each presence pattern, its absent places full of noise."""
    made = torch.Generator().manual_seed(seed)

    def noise(*size: int) -> Tensor:
        return torch.randn(size, generator=made)

    batch = len(PATTERNS)
    items = tuple(
        Items(noise(batch, n, 8), (noise(batch, n) > -0.8).float(), -noise(batch, n).abs() / 2)
        for n in COUNTS
    )
    for one in items:
        one.mask[:, -1] = 1.0
    return Heard(
        embeddings=noise(batch, 3, 8),
        modal=noise(batch, 3, 4),
        present=torch.tensor(PATTERNS),
        quality=0.5 + 0.5 * torch.rand((batch, 3), generator=made),
        items=items,
        context=noise(batch, 5),
    )


def ready(name: str) -> Fusion:
    """Return the fusion with weights that follow from their place alone."""
    fusion = make_fusion(name, SHAPE).eval()
    with torch.no_grad():
        for number, (_, values) in enumerate(sorted(fusion.named_parameters())):
            count = torch.arange(values.numel(), dtype=torch.float64)
            wave = 0.4 * torch.sin(0.7 * count + number) + 0.05 * torch.cos(2.3 * count)
            values.copy_(wave.reshape(values.shape).float())
    return fusion


def windows(batch: Heard) -> list[Window]:
    """Return the batch window by window, for the reference."""

    def at(tensor: Tensor, row: int) -> np.ndarray:
        return tensor[row].double().numpy()

    return [
        Window(
            at(batch.embeddings, row),
            at(batch.modal, row),
            at(batch.present, row),
            at(batch.quality, row),
            [(at(i.tokens, row), at(i.mask, row), at(i.times, row)) for i in batch.items],
            at(batch.context, row),
        )
        for row in range(len(batch.present))
    ]


def swapped(batch: Heard) -> Heard:
    """Return the batch with other noise in its absent places, not numbers even."""
    other = heard(99)
    gone = batch.present.unsqueeze(-1) == 0

    def swap(mine: Tensor, theirs: Tensor) -> Tensor:
        mixed = torch.where(gone, theirs, mine)
        return torch.where(gone & (theirs > 1), torch.full_like(mixed, torch.nan), mixed)

    items = tuple(
        Items(
            torch.where(gone[:, m].unsqueeze(-1), theirs.tokens, mine.tokens),
            torch.where(gone[:, m], theirs.mask, mine.mask),
            torch.where(gone[:, m], theirs.times, mine.times),
        )
        for m, (mine, theirs) in enumerate(zip(batch.items, other.items, strict=True))
    )
    return batch._replace(
        embeddings=swap(batch.embeddings, other.embeddings),
        modal=swap(batch.modal, other.modal),
        quality=torch.where(batch.present == 0, other.quality, batch.quality),
        items=items,
    )


def test_every_fusion_has_a_reference_and_the_default_comes_first() -> None:
    assert set(REFERENCES) == set(FUSIONS)
    assert list(FUSIONS)[:2] == ["late", "concat"]


@every_fusion
def test_answer_is_that_of_the_equations(name: str) -> None:
    fusion, batch = ready(name), heard()
    weights = {n: p.detach().double().numpy() for n, p in fusion.named_parameters()}

    answer = fusion(batch)

    assert answer.trunk.shape == (8, 8)
    for row, window in enumerate(windows(batch)):
        expected = REFERENCES[name](weights, window)
        assert answer.evidence[row].detach().numpy() == pytest.approx(expected, abs=2e-5)


@every_fusion
def test_what_stands_in_an_absent_place_changes_nothing(name: str) -> None:
    fusion, batch = ready(name), heard()

    before, after = fusion(batch), fusion(swapped(batch))

    assert torch.equal(before.evidence, after.evidence)
    assert torch.equal(before.trunk, after.trunk)


@every_fusion
def test_with_all_absent_the_evidence_is_zero(name: str) -> None:
    answer = ready(name)(heard())

    nothing = PATTERNS.index((0.0, 0.0, 0.0))
    assert torch.equal(answer.evidence[nothing], torch.zeros(4))
    assert answer.evidence[:nothing].abs().amax(1).min() > 0


@every_fusion
def test_every_parameter_gets_a_gradient(name: str) -> None:
    fusion, batch = ready(name).train(), heard()
    for module in fusion.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0

    answer: Fused = fusion(batch)
    (answer.evidence.square().sum() + answer.trunk.square().sum() + answer.loss).backward()  # type: ignore[no-untyped-call]

    parameters = dict(fusion.named_parameters())
    dead = [n for n, p in parameters.items() if p.grad is None or not p.grad.abs().sum() > 0]
    # a softmax is blind to what is added to all of its scores
    assert [n for n in dead if not n.endswith("key.bias")] == []


@every_fusion
def test_same_input_gives_the_same_answer(name: str) -> None:
    torch.manual_seed(1)
    first = make_fusion(name, SHAPE).eval()
    torch.manual_seed(1)
    second = make_fusion(name, SHAPE).eval()

    assert torch.equal(first(heard()).evidence, second(heard()).evidence)


@every_fusion
def test_exported_module_answers_alike_at_every_batch_size(name: str) -> None:
    fusion = ready(name)
    session = onnxruntime.InferenceSession(exported(fusion), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    given = dict(zip(FLAT, flat(heard()), strict=True))

    for batch in (1, 3, 8):
        part = {n: given[n][:batch].numpy() for n in names}
        evidence = session.run(None, part)[0]
        wanted = fusion(unflat([given[n][:batch] for n in FLAT])).evidence
        assert evidence == pytest.approx(wanted.detach().numpy(), abs=1e-5)


FLAT = ("h", "modal", "m", "q", "context", *(f"{p}{i}" for i in range(3) for p in "txd"))


def flat(batch: Heard) -> list[Tensor]:
    items = [part for one in batch.items for part in one]
    return [batch.embeddings, batch.modal, batch.present, batch.quality, batch.context, *items]


def unflat(parts: list[Tensor]) -> Heard:
    items = tuple(Items(*parts[5 + 3 * i : 8 + 3 * i]) for i in range(3))
    return Heard(parts[0], parts[1], parts[2], parts[3], items, parts[4])


class Flat(nn.Module):
    """A fusion with plain tensors in and out."""

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion

    @override
    def forward(self, *parts: Tensor) -> tuple[Tensor, Tensor]:
        answer: Fused = self.fusion(unflat(list(parts)))
        return answer.evidence, answer.trunk


def exported(fusion: Fusion) -> bytes:
    arguments = tuple(flat(heard()))
    dims = tuple({0: torch.export.Dim("batch", min=1, max=64)} for _ in arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            Flat(fusion).eval(),
            arguments,
            dynamo=True,
            opset_version=18,
            input_names=list(FLAT),
            dynamic_shapes=(dims,),
            verbose=False,
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def test_alignment_draws_a_windows_modalities_together() -> None:
    fusion = AlignmentFusion(SHAPE)
    batch = heard()._replace(present=torch.ones(8, 3))
    optimizer = torch.optim.Adam(fusion.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = fusion(batch).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[0] > 1.0
    assert losses[-1] < 0.2


def test_windows_too_alike_are_no_negatives_of_each_other() -> None:
    fusion = AlignmentFusion(SHAPE)
    batch = heard()._replace(present=torch.ones(8, 3))

    alone = fusion(batch._replace(alike=torch.ones((8, 8), dtype=torch.bool))).loss

    assert alone.item() == pytest.approx(0.0, abs=1e-6)
    assert fusion(batch).loss.item() > 0.5


def test_residual_starts_as_late_fusion_and_teaches_no_encoder() -> None:
    torch.manual_seed(3)
    fusion = make_fusion("residual", SHAPE).eval()
    batch = heard()
    embeddings = batch.embeddings.clone().requires_grad_()

    answer = fusion(batch._replace(embeddings=embeddings))
    answer.evidence.sum().backward()

    assert torch.allclose(answer.evidence, make_fusion("late", SHAPE)(batch).evidence)
    assert embeddings.grad is None or not embeddings.grad.any()
