"""One step as rows, and their one transaction (commit rule 3, step (3))."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, bindparam, func, or_, update

from mmindustry.domain import (
    AlarmState,
    AlarmTransition,
    Change,
    Failed,
    Prediction,
    Shard,
    Step,
    WindowKey,
)
from mmindustry.store import rows as to_row
from mmindustry.store.alarm_rows import alarm_body, alarm_row, prediction_body, transition_row
from mmindustry.store.policy import RecordPolicy
from mmindustry.store.prediction_rows import prediction_row
from mmindustry.store.rows import Row
from mmindustry.store.state_rows import asset_state_row
from mmindustry.store.statements import insert_new, set_once, upsert
from mmindustry.store.tables import (
    alarm_states,
    alarm_transitions,
    alarms,
    asset_state,
    assets,
    dead_letters,
    entries,
    gaps,
    late,
    outbox,
    predictions,
    shards,
    states,
    windows,
)

LONGEST_WINDOW = timedelta(hours=1)
"""No window policy allows a longer one; bounds the search for the windows around an instant."""

BEYOND_HORIZON = "late_beyond_horizon"
EVIDENCE_LOST = "evidence_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the rows of a step need to know besides the step."""

    now: datetime
    era: Callable[[int], int]
    home: Callable[[str], int]
    policy: RecordPolicy


@dataclass(slots=True)
class Sheets:
    """The rows of a step, made before its transaction begins so that it is short."""

    new: dict[Table, list[Row]] = field(default_factory=dict)
    changed: dict[Table, list[Row]] = field(default_factory=dict)
    gaps: list[Row] = field(default_factory=list)
    cleared: list[Row] = field(default_factory=list)
    sealed_windows: list[Row] = field(default_factory=list)
    sealed_late: list[Row] = field(default_factory=list)
    assets: list[Row] = field(default_factory=list)


def make_sheets(step: Step, page: Page, known_assets: Iterable[str] = ()) -> Sheets:
    """Return the rows of `step`; `known_assets` are those sure to have a row."""
    sheets = Sheets()
    sheets.assets = _asset_rows(step, page, frozenset(known_assets))
    sheets.new[entries] = [
        _aged(to_row.entry_row(event), event.position.partition, page) for event in step.entries
    ]
    sheets.new[states] = [
        _aged(to_row.state_row(event), event.position.partition, page) for event in step.states
    ]
    sheets.new[windows] = _window_rows(step, page)
    sheets.new[late] = list(_late_rows(step, page))
    sheets.new[predictions] = [
        prediction_row(said) | {"written_at": page.now} for said in step.predictions
    ]
    sheets.new[dead_letters] = [
        _aged(to_row.dead_letter_row(letter), letter.message.position.partition, page)
        for letter in step.dead_letters
    ]
    sheets.new[shards] = [
        to_row.shard_row(shard) | {"written_at": page.now} for shard in step.shards
    ]
    sheets.gaps = [to_row.gap_row(gap) | {"written_at": page.now} for gap in step.gaps]
    sheets.changed[asset_state] = [
        asset_state_row(state) | {"updated_at": page.now} for state in step.assets
    ]
    sheets.changed[alarm_states] = [_alarm_state_row(state, page) for state in step.alarm_states]
    _add_alarms(sheets, step.alarms, page)
    sheets.new[outbox] = list(_outbox_rows(step, page))
    _add_seals(sheets, step.shards)
    return sheets


def write_sheets(connection: Connection, sheets: Sheets) -> None:
    """Write the rows in the transaction of `connection`, behind the fence."""
    insert_new(connection, assets, sheets.assets)
    if sheets.assets:
        _settle_assets(connection, sheets.assets)
    for table, new in sheets.new.items():
        insert_new(connection, table, new)
    for table, changed in sheets.changed.items():
        upsert(connection, table, changed)
    set_once(connection, gaps, sheets.gaps, "ended")
    if sheets.cleared:
        connection.execute(_CLEAR, sheets.cleared)
    if sheets.sealed_windows:
        connection.execute(_SEAL_WINDOW, sheets.sealed_windows)
    if sheets.sealed_late:
        connection.execute(_SEAL_LATE, sheets.sealed_late)


def _aged(row: Row, partition: int, page: Page) -> Row:
    return row | {"era": page.era(partition), "written_at": page.now}


def _window_rows(step: Step, page: Page) -> list[Row]:
    judged: dict[WindowKey, Prediction | Failed] = {}
    for said in step.predictions:
        judged.setdefault(said.window, said)
    return [
        _aged(to_row.window_row(window, judged.get(window.key)), window.partition, page)
        for window in step.windows
    ]


def _late_rows(step: Step, page: Page) -> Iterable[Row]:
    frontiers = {(state.asset, state.policy): state.frontier for state in step.assets}
    horizon = timedelta(seconds=page.policy.horizon_seconds)
    for one in step.late:
        frontier = frontiers.get((one.event.asset, one.policy))
        beyond = frontier is not None and frontier - one.event.time > horizon
        unrevised = BEYOND_HORIZON if beyond or not one.late_for else None
        for row in to_row.late_rows(one, unrevised):
            yield _aged(row, one.event.position.partition, page)


def _asset_rows(step: Step, page: Page, known: frozenset[str]) -> list[Row]:
    named = {state.asset for state in step.assets}
    named.update(event.asset for event in (*step.entries, *step.states))
    named.update(window.key.asset for window in step.windows)
    return [
        {
            "asset": asset,
            "asset_id": to_row.asset_id(asset),
            "registered": False,
            "partition": page.home(asset),
            "first_seen": page.now,
            "updated_at": page.now,
        }
        for asset in sorted(named - known)
    ]


def _alarm_state_row(state: AlarmState, page: Page) -> Row:
    return {
        "asset": state.asset,
        "partition": page.home(state.asset),
        "memory": dict(state.memory),
        "updated_at": page.now,
    }


def _add_alarms(sheets: Sheets, transitions: Sequence[AlarmTransition], page: Page) -> None:
    """Add raises, clears and the trail; a clear brings its alarm with it where it is unknown."""
    written = {"written_at": page.now}
    sheets.new[alarms] = [alarm_row(transition) | written for transition in transitions]
    sheets.new[alarm_transitions] = [transition_row(one) | written for one in transitions]
    sheets.cleared = [
        {"b_id": one.key.id, "b_at": one.at} for one in transitions if one.change is Change.CLEARED
    ]


def _outbox_rows(step: Step, page: Page) -> Iterable[Row]:
    def row(channel: str, body: Row) -> Row:
        return {
            "channel": channel,
            "alarm": body.get("alarm"),
            "body": body,
            "created_at": page.now,
            "due_at": page.now,
        }

    for transition in step.alarms:
        body = alarm_body(transition)
        yield from (row(channel, body) for channel in page.policy.alarm_channels)
    if page.policy.publish_predictions:
        for said in step.predictions:
            if isinstance(said, Prediction):
                yield row("mm.predictions", prediction_body(said))


def _add_seals(sheets: Sheets, sealed: Sequence[Shard]) -> None:
    for shard in sealed:
        for row in shard.rows:
            named = {
                "b_asset": row.key.asset,
                "b_policy": row.key.policy,
                "b_shard": shard.id,
                "b_lost": shard.lost,
            }
            if not row.late:
                key = {"b_start": row.key.start, "b_revision": row.key.revision}
                sheets.sealed_windows.append(named | key)
                continue
            for item in row.evidence:
                sheets.sealed_late.append(
                    named
                    | {
                        "b_source": item.source,
                        "b_event_id": item.id,
                        "b_time": item.time,
                        "b_from": item.time - LONGEST_WINDOW,
                        "b_unrevised": None if shard.lost is None else EVIDENCE_LOST,
                    }
                )


def _settle_assets(connection: Connection, rows: Sequence[Row]) -> None:
    """Note the partition of assets that were registered before their first message."""
    named = [{"b_asset": row["asset"], "b_partition": row["partition"]} for row in rows]
    connection.execute(_SETTLE_ASSET, named)


_SETTLE_ASSET = (
    update(assets)
    .where(
        assets.c.asset == bindparam("b_asset"),
        or_(assets.c.partition.is_(None), assets.c.partition != bindparam("b_partition")),
    )
    .values(partition=bindparam("b_partition"))
)

_CLEAR = (
    update(alarms)
    .where(alarms.c.id == bindparam("b_id"), alarms.c.cleared_at.is_(None))
    .values(cleared_at=bindparam("b_at"))
)

_SEAL_WINDOW = (
    update(windows)
    .where(
        windows.c.start == bindparam("b_start"),
        windows.c.asset == bindparam("b_asset"),
        windows.c.policy == bindparam("b_policy"),
        windows.c.revision == bindparam("b_revision"),
        windows.c.shard.is_(None),
    )
    .values(
        shard=bindparam("b_shard"),
        evidence_lost=func.coalesce(windows.c.evidence_lost, bindparam("b_lost")),
    )
)

_SEAL_LATE = (
    update(late)
    .where(
        late.c.start >= bindparam("b_from"),
        late.c.start <= bindparam("b_time"),
        late.c.asset == bindparam("b_asset"),
        late.c.policy == bindparam("b_policy"),
        late.c.source == bindparam("b_source"),
        late.c.event_id == bindparam("b_event_id"),
        late.c.time == bindparam("b_time"),
        late.c.shard.is_(None),
    )
    .values(
        shard=bindparam("b_shard"),
        evidence_lost=bindparam("b_lost"),
        unrevised=func.coalesce(late.c.unrevised, bindparam("b_unrevised")),
    )
)
