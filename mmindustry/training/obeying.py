"""What follows a training can be stopped too: at each line told, and at each batch measured."""

from dataclasses import dataclass

from typing_extensions import override

from mmindustry.errors import Interrupted
from mmindustry.fusion.runtime import Arrays, Raw, Runtime
from mmindustry.training.loop import Attend


def look_up(attend: Attend) -> None:
    """Go on unless somebody asked to stop.

    Raises:
        Interrupted: Somebody did.
    """
    if attend.stop():
        again = f"; the same command goes on from {attend.checkpoint}"
        raise Interrupted(
            f"stopped before the bundle was written{again if attend.checkpoint else ''}"
        )


def obeying(attend: Attend) -> Attend:
    """Return who attends what follows the training: alone, each line told is a moment to stop at,
    and a control that is trained is kept beside the run's checkpoint."""

    def tell(message: str) -> None:
        look_up(attend)
        attend.tell(message)

    kept = attend.checkpoint / "control" if attend.checkpoint else None
    return Attend(tell=tell, stop=attend.stop, access=attend.access, checkpoint=kept)


@dataclass(frozen=True, slots=True)
class Stoppable(Runtime):
    """Runs a network; each batch is a moment to stop at."""

    runtime: Runtime
    attend: Attend
    name: str = "stoppable"

    @override
    def run(self, arrays: Arrays) -> Raw:
        look_up(self.attend)
        return self.runtime.run(arrays)
