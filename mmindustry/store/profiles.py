"""What was learned of assets' normal: profiles are added, never changed, and listed for people."""

import io
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, insert, select, text, update

from mmindustry.alerting.watch import Watch
from mmindustry.domain import Profile
from mmindustry.errors import Busy
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.queries.normal import watch_of
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import profiles

_KEPT_BYTES = 256 * 1024 * 1024
_OTHERS = 8
_OF_EACH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """A profile as it is listed; `active`: the one its asset and bundle are judged with."""

    id: str
    asset: str
    version: int
    bundle: str
    normal_hours: float
    limits: Mapping[str, float]
    active: bool
    created_at: datetime


def add_profile(database: Database, profile: Profile, now: datetime) -> None:
    """Record a profile and make it the active one of its asset and bundle.

    Raises:
        StoreError: There is one of this id or version already; profiles never change.
    """
    table = profiles.c
    row = {
        "profile": profile.id,
        "asset": profile.asset,
        "version": profile.version,
        "bundle": profile.bundle,
        "normal_hours": profile.normal_hours,
        "arrays": _packed(profile.arrays),
        "limits": {name: float(limit) for name, limit in profile.limits.items()},
        "active": True,
        "created_at": now,
    }
    with told_plainly(database), database.write() as connection:
        connection.execute(
            update(profiles)
            .where(table.asset == profile.asset, table.bundle == profile.bundle)
            .values(active=False)
        )
        connection.execute(insert(profiles), row)


def next_version(database: Database, asset: str) -> int:
    """Return the version the next profile of this asset gets, from 1, whatever the bundle."""
    query = select(func.coalesce(func.max(profiles.c.version), 0) + 1)
    with told_plainly(database), database.read() as connection:
        return int(connection.scalar(query.where(profiles.c.asset == asset)) or 1)


def list_profiles(
    database: Database, scope: Scope | None = None, *, every: bool = False
) -> list[ProfileRow]:
    """Return the active profiles in a scope by asset, bundle and version; `every`: older ones too.

    The arrays, which are large, are not read.
    """
    columns = [column for column in profiles.c if column.name not in ("profile", "arrays")]
    query = (
        select(profiles.c.profile.label("id"), *columns)
        .where((scope or Scope()).covers(profiles.c.asset))
        .order_by(profiles.c.asset, profiles.c.bundle, profiles.c.version)
    )
    if not every:
        query = query.where(profiles.c.active)
    with told_plainly(database), database.read() as connection:
        return [ProfileRow(**row) for row in connection.execute(query).mappings()]


def read_profile(database: Database, profile: str) -> Profile | None:
    """Return one profile with its arrays; None where there is none of this id."""
    with told_plainly(database), database.read() as connection:
        rows = connection.execute(select(profiles).where(profiles.c.profile == profile))
        row = rows.mappings().first()
        return None if row is None else _profile_of(row)


def read_watch(database: Database, profile: Profile) -> Watch | None:
    """Return how far the watch by this profile has come; None where no window met it yet."""
    with told_plainly(database), database.read() as connection:
        return watch_of(connection, profile.asset, profile.id)


def other_banks(
    database: Database, asset: str, bundle: str, *, most: int = _OTHERS
) -> dict[str, NDArray[np.float32]]:
    """Return modality -> normal embeddings of other assets by the same bundle, some of each.

    They help an asset whose own normal is short.
    """
    query = (
        select(profiles)
        .where(profiles.c.bundle == bundle, profiles.c.asset != asset, profiles.c.active)
        .order_by(profiles.c.created_at.desc())
        .limit(most)
    )
    with told_plainly(database), database.read() as connection:
        found = [_profile_of(row) for row in connection.execute(query).mappings()]
    banks: dict[str, list[NDArray[np.float32]]] = {}
    for profile in found:
        for name, bank in profile.arrays.items():
            if name.startswith("bank_"):
                every = max(1, len(bank) // _OF_EACH)
                banks.setdefault(name.removeprefix("bank_"), []).append(bank[::every])
    return {modality: np.concatenate(parts) for modality, parts in banks.items()}


@contextmanager
def alone(database: Database, asset: str) -> Iterator[None]:
    """Hold what admits one learner an asset on PostgreSQL, and one at all on SQLite.

    It dies with its holder: a file lock, or an advisory lock of a session of its own.

    Raises:
        Busy: Another process learns this asset now.
        DependencyDown: The database is out of reach.
    """
    lock = database.lock("profiler")
    if lock is not None:
        with lock:
            yield
        return
    with told_plainly(database):
        connection = database.engine.connect()
    try:
        with told_plainly(database):
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            query = text("SELECT pg_try_advisory_lock(:key)")
            free = connection.scalar(query, {"key": _lock_key(asset)})
        if not free:
            raise Busy(f"another process learns {asset} now; try again when it is done")
        yield
    finally:
        connection.invalidate()  # the session ends, and its lock with it
        connection.close()


def _lock_key(asset: str) -> int:
    digest = blake2b(f"profile {asset}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class Shelf:
    """The active profiles of assets, read once each: they are immutable and may be large.

    Superseded ones are let go, and the longest unused where all exceed `most_bytes`.
    """

    def __init__(self, most_bytes: int = _KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, Profile] = OrderedDict()

    def active(
        self, connection: Connection, wanted: Collection[str]
    ) -> dict[tuple[str, str], Profile]:
        """Return the newest active profile of each wanted asset and bundle."""
        query = (
            select(profiles.c.profile, profiles.c.asset, profiles.c.bundle)
            .where(profiles.c.active, profiles.c.asset.in_(wanted))
            .order_by(profiles.c.version)
        )
        newest = {(row.asset, row.bundle): row.profile for row in connection.execute(query)}
        missing = set(newest.values()) - self._kept.keys()
        if missing:
            rows = connection.execute(select(profiles).where(profiles.c.profile.in_(missing)))
            self._kept.update((row["profile"], _profile_of(row)) for row in rows.mappings())
            self._forget_superseded(set(newest.values()), wanted)
        found = {key: self._kept[profile] for key, profile in newest.items()}
        for profile in newest.values():
            self._kept.move_to_end(profile)
        if missing:
            self._thin()
        return found

    def kept(self) -> tuple[str, ...]:
        """Return the ids of the profiles in memory, the longest unused first."""
        return tuple(self._kept)

    def _forget_superseded(self, current: Collection[str], wanted: Collection[str]) -> None:
        old = [p.id for p in self._kept.values() if p.asset in wanted and p.id not in current]
        for profile in old:
            del self._kept[profile]

    def _thin(self) -> None:
        held = sum(map(_bytes_of, self._kept.values()))
        while held > self._most_bytes:
            held -= _bytes_of(self._kept.popitem(last=False)[1])


def _bytes_of(profile: Profile) -> int:
    return sum(array.nbytes for array in profile.arrays.values())


def _packed(arrays: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return the arrays as one npz without pickle."""
    file = io.BytesIO()
    plain: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez_compressed(file, **plain)
    return file.getvalue()


def _profile_of(row: Mapping[Any, Any]) -> Profile:
    with np.load(io.BytesIO(row["arrays"]), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return Profile(
        id=row["profile"],
        asset=row["asset"],
        version=row["version"],
        bundle=row["bundle"],
        normal_hours=row["normal_hours"],
        arrays=arrays,
        limits=row["limits"],
    )
