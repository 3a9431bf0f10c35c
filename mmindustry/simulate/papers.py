"""The plant's papers: the equipment document that `mmindustry plant import` reads."""

from collections.abc import Sequence
from dataclasses import asdict

from mmindustry.domain import AssetCard, Modality
from mmindustry.simulate.machine import Machine
from mmindustry.simulate.policy import SimulatePolicy

Document = dict[str, object]


def equipment_of_fleet(fleet: Sequence[Machine], policy: SimulatePolicy) -> Document:
    """Return sites, areas, lines and assets with cards and sensors, as plain JSON."""
    tree: dict[str, dict[str, list[Document]]] = {}
    for machine in fleet:
        _, area, line, key = machine.path.split("/")
        asset: Document = {
            "key": key,
            "name": machine.tag,
            "card": card_document(machine.card),
            "sensors": [_sensor(machine, modality, policy) for modality in Modality],
        }
        tree.setdefault(area, {}).setdefault(line, []).append(asset)
    areas = [
        {"key": area, "lines": [{"key": line, "assets": assets} for line, assets in lines.items()]}
        for area, lines in tree.items()
    ]
    return {"sites": [{"key": policy.site, "name": "Simulated plant", "areas": areas}]}


def card_document(card: AssetCard) -> Document:
    """Return an asset card as plain JSON, without what is unknown."""
    fields = asdict(card)
    fields["bearings"] = list(fields["bearings"])
    fields["regions"] = {name: list(box) for name, box in card.regions.items()}
    return {name: value for name, value in fields.items() if value is not None}


def _sensor(machine: Machine, modality: Modality, policy: SimulatePolicy) -> Document:
    document: Document = {"source": machine.source(modality), "modality": modality.value}
    if modality is Modality.IMAGE:
        document["every_seconds"] = policy.frame_every_seconds
    elif modality is Modality.AUDIO:
        document |= {"every_seconds": policy.chunk_seconds, "rate_hz": float(policy.rate_hz)}
        document["mounting"] = "on a post, 1 m from the machine"
    elif modality is Modality.STATE:
        document["every_seconds"] = policy.state_every_seconds
    return document
