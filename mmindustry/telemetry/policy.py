"""How a daemon tells about itself."""

from dataclasses import dataclass
from typing import Literal

_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryPolicy:
    """Logs, health pages and metrics of a daemon."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is written: debug, info, warning or error."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """One JSON object a line, or text for people; auto = text on a terminal, JSON elsewhere."""

    host: str = "127.0.0.1"
    """Address of the health and metrics pages of daemons without a web page of their own."""

    port: int = 9464
    """Port of those pages, 0..65535; 0 = any free one, -1 = none."""

    stall_seconds: float = 30.0
    """A main loop silent for longer is dead: `/healthz` says 503 and the watchdog stops. > 0."""

    stall_exit_seconds: float = 180.0
    """A main loop silent for longer ends the process with the stacks of all threads; 0 = never.
    Keep it above the slowest step."""

    def __post_init__(self) -> None:
        if not -1 <= self.port <= _HIGHEST_PORT:
            raise ValueError(f"port: expected -1..65535, got {self.port}")
        if not self.stall_seconds > 0:
            raise ValueError(f"stall_seconds: expected more than 0, got {self.stall_seconds}")
        if self.stall_exit_seconds < 0:
            raise ValueError(f"stall_exit_seconds: expected >= 0, got {self.stall_exit_seconds}")
