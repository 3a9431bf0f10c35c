"""What is said of a window, and what it is said from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from numpy.typing import NDArray

from mmindustry.domain.event import Event
from mmindustry.domain.plant import AssetCard, Profile
from mmindustry.domain.window import WindowKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What surrounds a window: last log entries, states of its span and the one before, papers."""

    entries: tuple[Event, ...] = ()
    states: tuple[Event, ...] = ()
    card: AssetCard | None = None
    registered: bool = False
    bundle: str = ""
    profile: Profile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A window as numbers: arrays named and shaped as the bundle's recipe says (no batch axis),
    presence and quality (0..1) a modality, and `findings` = faults of sensors seen on the way
    (bounded code -> the source). `context` is what it was built in: explanations name its lines
    and orders."""

    window: WindowKey
    end: datetime
    bundle: str
    arrays: Mapping[str, NDArray[Any]]
    present: Mapping[str, bool]
    quality: Mapping[str, float]
    findings: tuple[tuple[str, str], ...] = ()
    registered: bool = True
    running: bool | None = None
    profile: Profile | None = None
    context: Context | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What is said of one window. Probabilities in 0..1: `faults` over all classes (sums to 1),
    `risk` "1h" "8h" "24h" "7d" -> P(failure within), `product` over product classes (empty: no
    product in view); remaining life as 5 %, 50 %, 95 % quantiles; `novelty` p-values a modality;
    `terms` evidence in nats for the leading fault, a modality: additive where the fusion is,
    else the Shapley shares of an explained window, or none.

    `classes`: those that can't be ruled out, the likeliest first, so that the truth is among them
    in the share `covered` of windows; empty = the window is like none that is known; None = its
    bundle tells no sets, or nothing was there. `embedding`: (modalities, width) in half precision,
    little-endian, zero where absent; empty = not kept. `why`: plain JSON, of flagged windows.
    `limits`: the profile's, by which `novelty` is followed (no row keeps them: a profile never
    changes)."""

    window: WindowKey
    end: datetime
    bundle: str
    profile: str | None
    faults: Mapping[str, float]
    risk: Mapping[str, float]
    remaining_life_seconds: tuple[float, float, float]
    product: Mapping[str, float]
    novelty: Mapping[str, float]
    terms: Mapping[str, float]
    present: Mapping[str, bool]
    quality: Mapping[str, float]
    findings: tuple[tuple[str, str], ...] = ()
    registered: bool = True
    running: bool | None = None
    classes: tuple[str, ...] | None = None
    covered: float | None = None
    embedding: bytes = field(default=b"", repr=False)
    why: Mapping[str, Any] | None = field(default=None, repr=False)
    limits: Mapping[str, float] = field(default_factory=dict, repr=False)

    @property
    def leading(self) -> str:
        """The likeliest class."""
        return max(self.faults, key=lambda fault: self.faults[fault])

    @property
    def blind(self) -> bool:
        """Whether nothing was seen, heard or read: then all that is said is what was so before."""
        return not any(self.present.values())

    @property
    def unknown(self) -> bool:
        """Whether the window is like none that the bundle knows: no class is left in its set."""
        return self.classes == ()
