"""Windows -> features for a whole step: the recipe of each window's bundle, letters for the bad."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mmindustry.domain import Context, DeadLetter, Failed, Features, Window, WindowKey
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard, Unreadable
from mmindustry.features.spec import Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import Bundle

STAGE = "build"
"""The stage that these dead letters name."""


@dataclass(frozen=True, slots=True)
class Kitchen:
    """A bundle's recipe and the spectra's basis made for it."""

    recipe: Recipe
    basis: Basis

    @classmethod
    def of(cls, bundle: Bundle) -> "Kitchen":
        """Return what a bundle's features are made with."""
        recipe = bundle.manifest.spec.recipe
        return cls(recipe, Basis.from_arrays(recipe, bundle.arrays))


class Builder:
    """The verb `build` of the line."""

    def __init__(
        self,
        kitchens: Mapping[str, Kitchen],
        *,
        default: str,
        guard: Guard,
        progressed: Callable[[], None] = lambda: None,
    ) -> None:
        self._kitchens = kitchens
        self._default = default
        self._guard = guard
        self._progressed = progressed

    def build(
        self, windows: Sequence[Window], contexts: Sequence[Context]
    ) -> tuple[list[Features | Failed], list[DeadLetter]]:
        """Return one answer a window, in order, and the letters of what no decoder could read.

        A bundle that is not loaded borrows the default's recipe; the predictor then refuses the
        window by name, so that it is recorded and not silently judged by another bundle.
        """
        built: list[Features | Failed] = []
        letters: dict[object, DeadLetter] = {}
        for window, context in zip(windows, contexts, strict=True):
            self._progressed()
            bundle = context.bundle or self._default
            kitchen = self._kitchens.get(bundle) or self._kitchens[self._default]
            named = context if context.bundle else replace(context, bundle=bundle)
            answer, unreadable = self._one(window, named, kitchen)
            built.append(answer)
            for item in unreadable:
                letters.setdefault(item.item.position, _letter(item))
        return built, list(letters.values())

    def _one(
        self, window: Window, context: Context, kitchen: Kitchen
    ) -> tuple[Features | Failed, Sequence[Unreadable]]:
        """Build one window, named while it is in hand; one that killed three starts is failed."""
        marker = self._guard.marker
        name = f"build/{window.key.id}"
        if marker.condemned(name):
            return crash_loop(window.key, window.end, STAGE, context.bundle), ()
        with marker.hold(name):
            return build_features(
                window, context, kitchen.recipe, basis=kitchen.basis, guard=self._guard
            )


def crash_loop(key: WindowKey, end: datetime, stage: str, bundle: str) -> Failed:
    """Return the failed prediction of a window that three starts in a row died at."""
    detail = f"three starts in a row died with this window in hand in {stage}"
    return Failed(key, end, stage, "crash_loop", detail, bundle)


def _letter(unreadable: Unreadable) -> DeadLetter:
    item = unreadable.item
    if item.message is None:
        raise ValueError(f"event {item.id} of {item.source} lost its message on the way")
    return DeadLetter(item.message, unreadable.reason, STAGE, item.modality, unreadable.detail)
