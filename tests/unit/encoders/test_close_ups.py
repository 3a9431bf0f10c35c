"""The tiny picture encoder looks at the product with a net of its own."""

from dataclasses import replace

import pytest
import torch

from mmindustry.fusion.encoders import make_encoder
from mmindustry.fusion.encoders.image import ImageEncoder
from mmindustry.fusion.spec import NetworkSpec
from tests.unit.encoders.material import noise, settle, small_spec


def made(*regions: str) -> tuple[NetworkSpec, ImageEncoder]:
    """Return the spec of pictures with these regions, and the encoder by the seed."""
    spec = small_spec({"image": "tiny"})
    spec = replace(spec, recipe=replace(spec.recipe, regions=regions))
    torch.manual_seed(3)
    encoder = make_encoder("image", "tiny", spec)
    assert isinstance(encoder, ImageEncoder)
    settle(encoder)
    return spec, encoder


@pytest.mark.parametrize(
    "regions", [("gauge", "product", "floor"), ("product", "gauge"), ("product",), ("gauge",)]
)
def test_each_region_is_read_from_its_own_crop_wherever_the_product_stands(
    regions: tuple[str, ...],
) -> None:
    spec, encoder = made(*regions)
    encoder.eval()
    arrays = noise(spec)
    arrays["image_regions_mask"] = torch.ones_like(arrays["image_regions_mask"])
    before = encoder(arrays).regions
    assert before is not None

    for at in range(len(regions)):
        other = dict(arrays, image_regions=arrays["image_regions"].clone())
        other["image_regions"][:, at] = other["image_regions"][:, at].flip(-1) ** 2
        after = encoder(other).regions
        assert after is not None
        changed = [
            not torch.allclose(before[:, n], after[:, n], atol=1e-5) for n in range(len(regions))
        ]
        assert changed == [n == at for n in range(len(regions))]


def test_faults_read_the_product_but_do_not_teach_the_net_that_looks_at_it() -> None:
    spec, encoder = made("gauge", "product")
    arrays = noise(spec)
    arrays["image_regions_mask"] = torch.ones_like(arrays["image_regions_mask"])
    other = dict(arrays, image_regions=arrays["image_regions"].clone())
    other["image_regions"][:, 1] = other["image_regions"][:, 1].flip(-1) ** 2
    encoder.eval()
    assert not torch.allclose(encoder(arrays).embedding, encoder(other).embedding)

    encoder.train()
    encoder(arrays).embedding.square().sum().backward()

    machine, product = encoder.close_ups
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in machine.parameters())
    assert all(p.grad is None for p in product.parameters())

    told = encoder(arrays).regions
    assert told is not None
    told[:, 1].square().sum().backward()
    assert all(p.grad is not None for p in product.parameters())
