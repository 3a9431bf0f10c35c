"""What daemons would refuse of settings that hold by themselves, found before one is started.

Only what the settings and the bundle they name decide; whether this machine has the device or the
services is the doctor's to say.
"""

from collections.abc import Callable

from mmindustry.config.load import Loaded
from mmindustry.config.mistakes import BadConfig, Mistake, Path
from mmindustry.config.settings import Settings
from mmindustry.config.validation import origin_of
from mmindustry.errors import BundleError, ConfigError
from mmindustry.web.policy import check_exposure

_SQLITE = "sqlite"


def require_accepted(loaded: Loaded) -> None:
    """Refuse what a daemon would.

    Raises:
        BadConfig: With every refusal, each at the key to blame.
    """
    found = []
    for paths, check in _CHECKS:
        try:
            check(loaded.settings)
        except (ConfigError, BundleError) as error:
            blamed = next((path for path in paths if path in loaded.origins), paths[0])
            found.append(Mistake(origin_of(blamed, loaded.origins), blamed, str(error)))
    if found:
        raise BadConfig(found)


def check_workers(settings: Settings) -> None:
    """Refuse several workers on SQLite.

    Raises:
        ConfigError: It admits one.
    """
    if settings.run.workers > 1 and settings.store.url.startswith(_SQLITE):
        raise ConfigError(
            f"run.workers is {settings.run.workers}, but SQLite admits one worker; "
            "set it to 1, or store.url to a PostgreSQL database"
        )


def _check_bundle(settings: Settings) -> None:
    from mmindustry.fusion.bundle import bundle_folder, read_bundle

    read_bundle(bundle_folder(settings.fusion.bundle))


def _check_window_length(settings: Settings) -> None:
    from mmindustry.fusion.bundle import (
        bundle_folder,
        check_window_length,
        read_manifest,
    )

    try:
        manifest = read_manifest(bundle_folder(settings.fusion.bundle))
    except BundleError:
        return  # told by the check of the bundle
    check_window_length(manifest, settings.windowing.length_seconds)


_BUNDLE: Path = ("fusion", "bundle")
_CHECKS: tuple[tuple[tuple[Path, ...], Callable[[Settings], None]], ...] = (
    ((("run", "workers"),), check_workers),
    ((_BUNDLE,), _check_bundle),
    ((("windowing", "length_seconds"), _BUNDLE), _check_window_length),
    ((("dashboard", "host"),), lambda settings: check_exposure(settings.dashboard)),
    ((("gateway", "host"),), lambda settings: check_exposure(settings.gateway)),
)
