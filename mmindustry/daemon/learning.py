"""One asset's normal, learned from the record: its windows found, made again, kept as a profile."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from mmindustry.alerting.watch import HOURS_NEEDED, Watch, phase_of, told_why
from mmindustry.clock import Clock
from mmindustry.config.settings import Settings
from mmindustry.daemon.life import PARENT
from mmindustry.daemon.stop import die_with_parent
from mmindustry.domain import Profile
from mmindustry.errors import BundleError, Busy, ConfigError, InputError
from mmindustry.features.part import Guard
from mmindustry.features.spec import BASELINE
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import bundle_folder, read_bundle, read_manifest
from mmindustry.fusion.predictor import open_predictor
from mmindustry.store.archive import open_storage
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.normal import Normal, Sought, read_normal
from mmindustry.store.plant import list_assets
from mmindustry.store.profiles import (
    add_profile,
    alone,
    list_profiles,
    next_version,
    other_banks,
)
from mmindustry.store.queries.scope import Scope
from mmindustry.store.registry import CHAMPION, list_bundles, longest_prefix, read_assignments
from mmindustry.training.normal import Archived, ArchivedNormal
from mmindustry.training.profile import ProfileMaker


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What of the record may be learned from, in event time; None = all of it."""

    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What was found for one asset, and the profile made of it: None where nothing was made.

    `left_out`: why windows do not count as normal -> how many.
    """

    asset: str
    bundle: str
    windows: int
    hours: float
    needed: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    profile: Profile | None = None

    @property
    def is_enough(self) -> bool:
        """Whether there are as many windows as a profile needs."""
        return self.windows >= self.needed

    def document(self) -> dict[str, object]:
        """Return it as plain JSON."""
        document: dict[str, object] = {
            "asset": self.asset,
            "bundle": self.bundle,
            "windows": self.windows,
            "normal_hours": round(self.hours, 3),
            "needed": self.needed,
            "left_out": dict(self.left_out),
            "profile": None,
        }
        return document if self.profile is None else document | summary(self.profile)


def summary(profile: Profile) -> dict[str, object]:
    """Return what a profile holds, without its arrays, as plain JSON.

    `references`: modality -> references in its bank; a modality without one is not told of.
    """
    sizes = {name: len(array) for name, array in profile.arrays.items()}
    return {
        "profile": profile.id,
        "version": profile.version,
        "references": _sizes_of(sizes, "bank_"),
        "calibration": _sizes_of(sizes, "calibration_"),
        "cameras": sorted(n.partition("/")[2] for n in sizes if n.startswith(f"{BASELINE}/")),
        "limits": {name: round(limit, 4) for name, limit in sorted(profile.limits.items())},
    }


def standing(profile: Profile, watch: Watch | None) -> dict[str, object]:
    """Return where the watch by this profile stands, as plain JSON, and why it is no further."""
    phase = phase_of(profile.limits, watch)
    told: dict[str, object] = {
        "state": phase.value,
        "why": told_why(phase, profile.limits, profile.normal_hours),
    }
    if watch is not None:
        since = watch.trail[-1][1] if watch.trail else ""
        told |= {"since": since, "trail": [list(step) for step in watch.trail]}
        told |= {"shadow_hours": round(watch.seconds / 3600.0, 2), "would_be_alarms": watch.alarms}
    return told


def _sizes_of(sizes: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {n.removeprefix(prefix): s for n, s in sizes.items() if n.startswith(prefix)}


class Teacher:
    """Learns profiles as the settings say. Not for several threads."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        """Look where the bundles are and whether there is an archive.

        Raises:
            ConfigError: The archive is off: there is nothing to learn from.
            BundleError: The serving bundle is damaged.
        """
        if settings.archive.url == "off":
            raise ConfigError(
                "archive.url is off: normal is learned from archived evidence; set a folder"
            )
        self._settings = settings
        self._database = database
        self._clock = clock
        self._storage = open_storage(settings.archive.url)
        default = bundle_folder(settings.fusion.bundle)
        self.default = read_manifest(default).id
        self._folders = {**_registered_bundles(database), self.default: default}
        self._makers: dict[str, ProfileMaker] = {}

    def assets(self) -> list[str]:
        """Return all registered assets by path."""
        return [known.path for known in list_assets(self._database, registered=True)]

    def bundle_of(self, asset: str) -> str:
        """Return the bundle that serves an asset."""
        with told_plainly(self._database), self._database.read() as connection:
            champions = {"": self.default} | read_assignments(connection, CHAMPION)
        return longest_prefix(champions, asset)

    def check(self, *, bundle: str, assets: tuple[str, ...] = ()) -> None:
        """Refuse what there is not.

        Raises:
            InputError: No such bundle, or no such asset.
        """
        if bundle and bundle not in self._folders:
            known = ", ".join(sorted(self._folders))
            raise InputError(f"bundle {bundle} is not known here; known are: {known}")
        paths = {known.path for known in list_assets(self._database)}
        if missing := [asset for asset in assets if asset not in paths]:
            raise InputError(f"no such asset: {', '.join(missing)}; see: mmindustry plant list")

    def look(self, asset: str, bundle: str, span: Span) -> Lesson:
        """Return what there is to learn of an asset, without learning it."""
        return self._lesson(asset, bundle, self._normal(asset, bundle, span))

    def learn(self, asset: str, bundle: str, span: Span, *, once: bool = False) -> Lesson:
        """Make the asset's profile and let the line have it, from the next window on.

        Args:
            asset: Its path.
            bundle: Whose network embeds it, and who judged the windows.
            span: What may be learned from.
            once: Only where the asset has no profile of this bundle yet.

        Raises:
            InputError: Too few windows are normal (it says how many and why not more), or none
                of its modalities is steady.
            Busy: Another process learns this asset now, or has meanwhile where `once` is set.
            DependencyDown: The database is out of reach.
        """
        with alone(self._database, asset):
            if once and self._is_learned(asset, bundle):
                raise Busy(f"{asset} has a profile of {bundle} already")
            normal = self._normal(asset, bundle, span)
            found = self._lesson(asset, bundle, normal)
            if not found.is_enough:
                raise InputError(told_few(found))
            maker = self._maker(bundle)
            windows = ArchivedNormal(self._archived(bundle), normal)
            version = next_version(self._database, asset)
            others = other_banks(self._database, asset, bundle)
            profile = maker.make(asset, windows, version=version, others=others)
            add_profile(self._database, profile, self._clock.now())
        return self._lesson(asset, bundle, normal, profile)

    def _is_learned(self, asset: str, bundle: str) -> bool:
        known = list_profiles(self._database, Scope(asset))
        mine = [row for row in known if (row.asset, row.bundle) == (asset, bundle)]
        return any(not row.limits.get(HOURS_NEEDED) for row in mine)

    def _normal(self, asset: str, bundle: str, span: Span) -> Normal:
        sought = Sought(
            asset=asset,
            bundle=bundle,
            policy=self._settings.windowing.name,
            guard=timedelta(seconds=self._settings.profiles.guard_seconds),
            first=span.first,
            last=span.last,
        )
        with told_plainly(self._database), self._database.read() as connection:
            return read_normal(connection, sought)

    def _lesson(
        self, asset: str, bundle: str, normal: Normal, profile: Profile | None = None
    ) -> Lesson:
        return Lesson(
            asset=asset,
            bundle=bundle,
            windows=len(normal.windows),
            hours=normal.hours,
            needed=self._settings.profiles.least_windows,
            left_out={why.value: count for why, count in sorted(normal.left_out.items())},
            profile=profile,
        )

    def _archived(self, bundle: str) -> Archived:
        return Archived(
            database=self._database,
            storage=self._storage,
            record=self._settings.record,
            codec=self._settings.codec,
            bundle=bundle,
        )

    def _maker(self, bundle: str) -> ProfileMaker:
        """Return the maker with a bundle's network, loaded once."""
        if bundle not in self._makers:
            folder, settings = self._folders[bundle], self._settings
            content = read_bundle(folder)
            recipe = content.manifest.spec.recipe
            self._makers[bundle] = ProfileMaker(
                predictor=open_predictor(folder, settings.fusion),
                recipe=recipe,
                basis=Basis.from_arrays(recipe, content.arrays),
                policy=settings.profiles,
                alerting=settings.alerting,
                guard=Guard(settings.features),
            )
        return self._makers[bundle]


def told_few(found: Lesson) -> str:
    """Return why there is too little to learn from, for a person."""
    total = found.windows + sum(found.left_out.values())
    why = ", ".join(f"{count} {name}" for name, count in found.left_out.items())
    return (
        f"{found.asset}: {found.windows} of its {total} windows judged by {found.bundle} count as "
        f"normal, {found.needed} are needed" + (f"; left out: {why}" if why else "")
    )


def _registered_bundles(database: Database) -> dict[str, Path]:
    """Return id -> folder of the bundles the record knows that are here and whole enough."""
    found = {}
    for known in list_bundles(database):
        folder = bundle_folder(known.uri)
        try:
            found[read_manifest(folder).id] = folder
        except BundleError:
            continue  # not on this machine: nobody can ask for it here
    return found


def be_gentle(environment: Mapping[str, str]) -> None:
    """Give way to everything else on this machine, and end with the process that began this."""
    os.nice(19)
    parent = environment.get(PARENT, "")
    if parent.isdigit():
        die_with_parent(int(parent))
