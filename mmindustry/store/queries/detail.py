"""One window in full: what it held, what was said of it, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from mmindustry.domain import Evidence, Modality, Position
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.windows import Reading
from mmindustry.store.tables import late, predictions, windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one bundle said of a window; `reason` is set where it failed.

    `classes`: those that can't be ruled out (empty = unknown, None = not told), so that the truth
    is among them in the share `covered` of windows; `why`: its explanation, where it was flagged.
    """

    bundle: str
    profile: str | None
    stage: str | None
    reason: str | None
    detail: str | None
    fault: str | None
    fault_probability: float | None
    health: float | None
    risk_24h: float | None
    novelty_p: float | None
    life_seconds: tuple[float | None, float | None, float | None]
    faults: Reading
    risk: Reading
    product: Reading
    novelty: Reading
    terms: Reading
    present: Mapping[str, bool]
    quality: Reading
    findings: tuple[tuple[str, str], ...]
    running: bool | None
    classes: tuple[str, ...] | None = None
    covered: float | None = None
    why: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDetail:
    """A window's row, its judgements (that of its own bundle first) and its revisions' ids.

    `shards` hold its evidence: its own, or of a revision those of its parts.
    """

    id: str
    asset: str
    policy: str
    start: datetime
    end: datetime
    revision: int
    partition: int
    era: int
    cut: Mapping[str, int]
    evidence: tuple[Evidence, ...]
    dead: frozenset[int]
    missing: tuple[str, ...]
    closed_by: str
    blind: bool
    bundle: str
    profile: str | None
    shard: str | None
    evidence_lost: str | None
    written_at: datetime
    judgements: tuple[Judgement, ...]
    revisions: tuple[tuple[int, str], ...]
    shards: tuple[str, ...] = ()


def read_window(connection: Connection, scope: Scope, window_id: str) -> WindowDetail | None:
    """Return one window in full; None where there is none in the scope."""
    row = connection.execute(
        select(windows).where(windows.c.id == window_id, scope.covers(windows.c.asset))
    ).first()
    if row is None:
        return None
    judged = connection.execute(
        select(predictions).where(
            predictions.c.window_id == window_id, predictions.c.start == row.start
        )
    ).all()
    judgements = sorted((_judgement(j) for j in judged), key=lambda j: j.bundle != row.bundle)
    same = connection.execute(
        select(windows.c.revision, windows.c.id)
        .where(
            windows.c.start == row.start,
            windows.c.asset == row.asset,
            windows.c.policy == row.policy,
        )
        .order_by(windows.c.revision)
    )
    revisions = tuple((int(r.revision), str(r.id)) for r in same)
    detail = _detail(row, tuple(judgements), revisions)
    return replace(detail, shards=_shards(connection, detail))


def _shards(connection: Connection, window: WindowDetail) -> tuple[str, ...]:
    """Return where a window's evidence lies; a revision's where its first row's and the late do."""
    if window.revision == 0:
        return (window.shard,) if window.shard else ()
    first = select(windows.c.shard).where(
        windows.c.start == window.start,
        windows.c.asset == window.asset,
        windows.c.policy == window.policy,
        windows.c.revision == 0,
    )
    taken = select(late.c.shard).where(
        late.c.start == window.start,
        late.c.asset == window.asset,
        late.c.policy == window.policy,
        late.c.revision <= window.revision,
    )
    found = {*connection.scalars(first), *connection.scalars(taken.distinct())}
    return tuple(sorted(shard for shard in found if shard))


def _detail(
    row: Row[tuple[object, ...]],
    judgements: tuple[Judgement, ...],
    revisions: tuple[tuple[int, str], ...],
) -> WindowDetail:
    return WindowDetail(
        id=row.id,
        asset=row.asset,
        policy=row.policy,
        start=row.start,
        end=row.end,
        revision=row.revision,
        partition=row.partition,
        era=row.era,
        cut=row.cut,
        evidence=tuple(_evidence(item) for item in row.evidence),
        dead=frozenset(n for n, item in enumerate(row.evidence) if item.get("dead")),
        missing=tuple(row.missing),
        closed_by=row.closed_by,
        blind=row.blind,
        bundle=row.bundle,
        profile=row.profile,
        shard=row.shard,
        evidence_lost=row.evidence_lost,
        written_at=row.written_at,
        judgements=judgements,
        revisions=revisions,
    )


def _evidence(item: Mapping[str, object]) -> Evidence:
    return Evidence(
        str(item["source"]),
        str(item["id"]),
        datetime.fromisoformat(str(item["time"])),
        Modality(str(item["modality"])),
        Position(str(item["topic"]), int(str(item["partition"])), int(str(item["offset"]))),
    )


def _judgement(row: Row[tuple[object, ...]]) -> Judgement:
    return Judgement(
        bundle=row.bundle,
        profile=row.profile,
        stage=row.stage,
        reason=row.reason,
        detail=row.detail,
        fault=row.fault,
        fault_probability=row.fault_probability,
        health=row.health,
        risk_24h=row.risk_24h,
        novelty_p=row.novelty_p,
        life_seconds=(
            row.remaining_life_p05_seconds,
            row.remaining_life_p50_seconds,
            row.remaining_life_p95_seconds,
        ),
        faults=row.faults or {},
        risk=row.risk or {},
        product=row.product or {},
        novelty=row.novelty or {},
        terms=row.terms or {},
        present=row.present or {},
        quality=row.quality or {},
        findings=tuple((str(code), str(source)) for code, source in row.findings or ()),
        running=row.running,
        classes=None if row.classes is None else tuple(map(str, row.classes)),
        covered=row.covered,
        why=row.why,
    )
