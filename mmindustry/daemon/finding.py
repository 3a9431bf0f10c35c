"""What the doctor examines, and what a check finds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mmindustry.clock import Clock
from mmindustry.config.load import Loaded
from mmindustry.config.settings import Settings


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer; `remedy` is one line, empty where nothing is to be done."""

    name: str
    verdict: Verdict
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is examined, and the means for it."""

    loaded: Loaded
    clock: Clock
    environment: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings


Check = Callable[[Patient], Iterator[Finding]]
