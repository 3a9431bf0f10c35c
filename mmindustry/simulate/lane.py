"""Pictures of the product lane alone, each with the mask of its defect: frames without sound."""

from collections.abc import Iterator
from dataclasses import dataclass

from mmindustry.simulate.camera import Camera
from mmindustry.simulate.cases import draw_case
from mmindustry.simulate.machine import Box, Machine, draw_machine
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.product import EMPTY, Mask
from mmindustry.simulate.takes import Take
from mmindustry.simulate.windows import FIRST_START


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePicture:
    """A frame as the camera sends it, where its product stands, and what is true of that.

    `box`: the card's product region as shares of the frame; `state`: `good`, the defect, or
    `empty`; `mask`: where the defect is, shape of the frame.
    """

    asset: str
    jpeg: bytes
    box: Box
    state: str
    mask: Mask


def lane_pictures(n: int, policy: SimulatePolicy) -> Iterator[LanePicture]:
    """Yield the frame of each of `n` windows over the policy's machines, where a camera works.

    Window i belongs to asset i mod `policy.assets`: the same machines, stories, look-alikes and
    light as those of `labelled_windows` with the same policy. Split by `asset`.

    Raises:
        ValueError: `n` is negative.
    """
    if n < 0:
        raise ValueError(f"n is {n}; it must be at least 0")
    seats: dict[int, tuple[Machine, Camera]] = {}
    for number in range(n):
        asset, visit = number % policy.assets, number // policy.assets
        if asset not in seats:
            machine = draw_machine(policy, asset)
            seats[asset] = machine, Camera(machine, policy)
        machine, camera = seats[asset]
        case = draw_case(machine, visit, policy)
        take = Take(machine, case, FIRST_START, policy.frame_every_seconds, policy)
        _, newest = take.frames(camera)
        if newest is not None:
            yield LanePicture(
                asset=machine.path,
                jpeg=newest.jpeg,
                box=machine.card.regions["product"],
                state=case.part.state if case.part else EMPTY,
                mask=newest.mask,
            )
