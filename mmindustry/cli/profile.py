"""`mmindustry profile ...`."""

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from mmindustry.cli.config import read_settings
from mmindustry.cli.db import database_of
from mmindustry.cli.exits import Exit
from mmindustry.cli.options import AsJson, ConfigFile, DryRun
from mmindustry.errors import Busy, DecodeError, InputError

if TYPE_CHECKING:
    from datetime import datetime

    from mmindustry.daemon.learning import Lesson, Span, Teacher
    from mmindustry.store.profiles import ProfileRow

app = typer.Typer(help="Learn, list and show what is normal for an asset.")


@app.command()
def learn(
    assets: Annotated[list[str] | None, typer.Argument(help="Paths of assets.")] = None,
    file: ConfigFile = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All registered assets; those with too little are passed.")
    ] = False,
    since: Annotated[
        str, typer.Option("--from", help="Learn from windows from this time on (RFC 3339).")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="Learn from windows up to this time.")] = "",
    bundle: Annotated[
        str, typer.Option(help="Id of the bundle to learn for; empty: the one that serves.")
    ] = "",
    once: Annotated[
        bool, typer.Option("--once", help="Only where there is no profile of the bundle; else 75.")
    ] = False,
    gently: Annotated[
        bool, typer.Option("--gently", help="With the lowest priority on this machine.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Learn what is normal for assets, from archived windows of when nothing was wrong.

    Makes a new, immutable version of each asset's profile; the line judges by it from the next
    window on. Exit 65 where too little is normal, with how much there is and how much is needed.

    Example: mmindustry profile learn north/press/line-1/pump-1 --dry-run

    Example: mmindustry profile learn --all --from 2026-03-01T06:00:00Z
    """
    if bool(assets) == everything:
        raise typer.BadParameter("name the assets, or say --all")
    from mmindustry.clock import SystemClock
    from mmindustry.daemon.learning import Span, Teacher, be_gentle

    if gently:
        be_gentle(os.environ)
    span = Span(first=_time("--from", since), last=_time("--to", until))
    settings = read_settings(file).settings
    database = database_of(settings)
    try:
        teacher = Teacher(settings, database, SystemClock())
        teacher.check(bundle=bundle, assets=tuple(assets or ()))
        wanted = assets or teacher.assets()
        pairs = [(asset, bundle or teacher.bundle_of(asset)) for asset in wanted]
        how = _How(dry_run=dry_run, passing=everything, once=once, as_json=as_json)
        lessons = [_one(teacher, pair, span, how) for pair in pairs]
    finally:
        database.close()
    if everything and not any(lessons):
        raise typer.Exit(Exit.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """`passing`: an asset that can't be learned is told of and passed, not an error."""

    dry_run: bool
    passing: bool
    once: bool
    as_json: bool


def _one(teacher: "Teacher", pair: tuple[str, str], span: "Span", how: _How) -> bool:
    """Learn one asset, or only look; return whether there was (or would be) enough."""
    found = teacher.look(*pair, span)
    if not how.dry_run and (found.is_enough or not how.passing):
        try:
            found = teacher.learn(*pair, span, once=how.once)
        except (InputError, Busy) as error:
            if not how.passing:
                raise
            print(f"mmindustry: {error}", file=sys.stderr)
            return False
    if how.as_json:
        print(json.dumps(found.document()), flush=True)
    else:
        print(_line(found), flush=True)
    return found.is_enough


def _line(found: "Lesson") -> str:
    from mmindustry.daemon.learning import summary, told_few

    if not found.is_enough:
        return told_few(found)
    told = f"{found.windows} normal windows, {found.hours:.1f} h"
    if found.profile is None:
        return f"{found.asset}: {told}, enough to learn from (bundle {found.bundle})"
    made = summary(found.profile)
    return f"{found.profile.id}: {told}, references {_pairs(made['references'])}"


def _pairs(counts: object) -> str:
    known = counts if isinstance(counts, dict) else {}
    return ", ".join(f"{name} {count}" for name, count in known.items()) or "none"


def _time(option: str, told: str) -> "datetime | None":
    from mmindustry.codec.rfc3339 import parse_time

    if not told:
        return None
    try:
        return parse_time(told)
    except DecodeError as error:
        raise InputError(f"{option} {error.detail}; write it as 2026-03-01T06:00:00Z") from error


@app.command("list")
def list_(
    path: Annotated[str, typer.Argument(help="Assets below this path; empty: all.")] = "",
    file: ConfigFile = None,
    every: Annotated[
        bool, typer.Option("--every", help="Versions that serve no more, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the profiles that assets are judged by.

    Example: mmindustry profile list north/press --json
    """
    from mmindustry.store.profiles import list_profiles
    from mmindustry.store.queries.scope import Scope

    database = database_of(read_settings(file).settings)
    rows = list_profiles(database, Scope(path), every=every)
    database.close()
    for row in rows:
        print(json.dumps(_document(row)) if as_json else _listed(row))
    if not rows:
        print("no profile has been learned here yet", file=sys.stderr)


def _document(row: "ProfileRow") -> dict[str, object]:
    return {
        "profile": row.id,
        "asset": row.asset,
        "version": row.version,
        "bundle": row.bundle,
        "normal_hours": round(row.normal_hours, 3),
        "limits": {name: round(limit, 4) for name, limit in sorted(row.limits.items())},
        "active": row.active,
        "created_at": row.created_at.isoformat(),
    }


def _listed(row: "ProfileRow") -> str:
    told = ", ".join(sorted(name.removeprefix("novelty_") for name in row.limits)) or "none"
    state = "active" if row.active else "past"
    when = row.created_at.isoformat(timespec="seconds")
    return f"{row.id:52} {state:6} {row.normal_hours:7.1f} h  {told:20} {row.bundle}  {when}"


@app.command()
def show(
    profile: Annotated[str, typer.Argument(help="Id of a profile, or path of an asset.")],
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one profile: what it was learned from, and what it can tell; exit 65 if there is none.

    Example: mmindustry profile show north/press/line-1/pump-1
    """
    from mmindustry.daemon.learning import standing, summary
    from mmindustry.store.profiles import list_profiles, read_profile, read_watch
    from mmindustry.store.queries.scope import Scope

    database = database_of(read_settings(file).settings)
    asset = profile.partition("@")[0]
    rows = list_profiles(database, Scope(asset), every=True)
    mine = [row for row in rows if row.id == profile or (row.asset == profile and row.active)]
    found = read_profile(database, mine[-1].id) if mine else None
    watch = read_watch(database, found) if found else None
    database.close()
    if found is None:
        raise InputError(f"no profile {profile}; see: mmindustry profile list --every")
    facts = _document(mine[-1]) | summary(found) | standing(found, watch)
    if as_json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name}: {_told(value)}" for name, value in facts.items()))


def _told(value: object) -> str:
    if isinstance(value, dict):
        return _pairs(value)
    if isinstance(value, list):
        told = (" ".join(map(str, one)) if isinstance(one, list) else str(one) for one in value)
        return ", ".join(told) or "none"
    return str(value)
