"""How the dashboard is reached and how much it shows at once."""

from dataclasses import dataclass, field

from typing_extensions import override

from mmindustry.web.policy import WebPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardPolicy(WebPolicy):
    """Address, access and limits of the dashboard, and what its pages show."""

    title: str = ""
    """Name of the plant in the header; empty shows none."""
    language: str = "en"
    """Language where the browser asks for none we have: `en` or `zh`."""
    form_secret: str = field(default="", repr=False)
    """Key of the tokens in forms; empty draws one at each start (open forms then expire)."""
    page_rows: int = 50
    """Rows of a list at once, 10..500."""
    export_rows: int = 10_000
    """Rows of a `.csv` export at most, 100..100000."""
    overview_assets: int = 1000
    """Assets on the overview at most, 10..10000."""
    series_points: int = 2000
    """Points of a chart at most, 100..20000; more are thinned to the worst of each stretch."""
    thumbnail_pixels: int = 320
    """Longest side of a thumbnail in pixels, 64..1024."""
    live_clients: int = 64
    """Browsers that may watch live at once, 1..1000."""
    look_seconds: float = 1.0
    """Pause between two looks for changes in the record, 0.2..60 s."""
    seen_seconds: float = 60.0
    """Silence in seconds after which an asset is shown as not seen, 1..86400."""

    @override
    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ValueError: A value is out of its range.
        """
        super(DashboardPolicy, self).__post_init__()
        if self.language not in ("en", "zh"):
            raise ValueError(f"language must be en or zh, got {self.language!r}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must lie in {low:g}..{high:g}, got {value:g}")


_RANGES: dict[str, tuple[float, float]] = {
    "page_rows": (10, 500),
    "export_rows": (100, 100_000),
    "overview_assets": (10, 10_000),
    "series_points": (100, 20_000),
    "thumbnail_pixels": (64, 1024),
    "live_clients": (1, 1000),
    "look_seconds": (0.2, 60),
    "seen_seconds": (1, 86_400),
}
