"""Arrays -> one embedding a modality. Each encoder: `forward(arrays) -> Encoded`.

`fusion.catalogue.ENCODERS` says what there is; `make_encoder` builds it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mmindustry.errors import BundleError
from mmindustry.fusion.catalogue import ENCODERS, entries_of, parts_of

if TYPE_CHECKING:
    from mmindustry.fusion.encoders.shape import Encoder
    from mmindustry.fusion.spec import NetworkSpec

__all__ = ["ENCODERS", "encoder_parts", "make_encoder"]


def make_encoder(modality: str, name: str, spec: "NetworkSpec") -> "Encoder":
    """Return a fresh encoder: of that name, of several joined by `+`, or of nothing (`none`).

    Raises:
        BundleError: The name is not in the registry.
    """
    from mmindustry.fusion.encoders.joined import Joined, Nothing  # noqa: PLC0415 - needs torch

    try:
        list(entries_of({modality: name}))
    except ValueError as error:
        raise BundleError(str(error)) from error
    parts = [(part, _make_part(modality, part, spec)) for part in parts_of(name)]
    if not parts:
        return Nothing(spec.width)
    return parts[0][1] if len(parts) == 1 else Joined(parts, spec.width)


def encoder_parts(modality: str, name: str, encoder: "Encoder") -> "dict[str, Encoder]":
    """Return the encoders a made one consists of, by `modality.name`."""
    from mmindustry.fusion.encoders.joined import Joined  # noqa: PLC0415 - needs torch

    if isinstance(encoder, Joined):
        return {f"{modality}.{part}": encoder.part(part) for part in parts_of(name)}
    return {f"{modality}.{part}": encoder for part in parts_of(name)}


def _make_part(modality: str, name: str, spec: "NetworkSpec") -> "Encoder":
    entry = ENCODERS[modality][name]
    module, _, attribute = entry.target.partition(":")
    kind = getattr(import_module(f"mmindustry.fusion.encoders.{module}"), attribute)
    made: Encoder = kind(spec, spec.size(name, entry))
    if f"{modality}.{name}" in spec.frozen:
        made.freeze()
    return made
