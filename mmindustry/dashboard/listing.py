"""Lists told once and served three times: as a page, as `.json`, as `.csv`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from mmindustry.dashboard.desk import Visit, Visitor
from mmindustry.dashboard.sheets import write_csv
from mmindustry.errors import InputError
from mmindustry.store.queries.page import Page
from mmindustry.store.queries.plant import read_names
from mmindustry.store.queries.scope import Scope

Cursor = Annotated[str | None, Query(max_length=1024, description="cursor of the page before")]
Under = Annotated[
    str,
    Query(
        max_length=200,
        pattern=r"^(/?[a-z0-9-]+(/[a-z0-9-]+){0,3}/?)?$",
        description="path prefix: site/area/line/asset",
    ),
]
Active = Annotated[bool, Query(description="only those that last")]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a reader asks of a list, checked against the scope."""

    scope: Scope
    active: bool
    after: str | None
    limit: int


Fetch = Callable[[Visit, Connection, Ask], Page[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list.

    `columns` pairs a field of `row` with how it is shown: `time`, `text`, `mono`, `number`,
    `seconds`, `asset`, `alarm`, else the family of a bounded code. `active` = what `?active=` is
    by default; None = the list has no such choice.
    """

    noun: str
    row: type
    columns: tuple[tuple[str, str], ...]
    fetch: Fetch
    active: bool | None = None
    template: str = "list.html"


def add_listing(router: APIRouter, listing: Listing) -> None:
    """Add the list's routes: `/noun`, `/noun.json` (also `/api/v1/noun`) and `/noun.csv`."""
    default = bool(listing.active)

    def as_page(
        visit: Visitor, under: Under = "", active: Active = default, after: Cursor = None
    ) -> HTMLResponse:
        return _page(visit, listing, under=under, active=active, after=after)

    def as_json(
        visit: Visitor, under: Under = "", active: Active = default, after: Cursor = None
    ) -> Page[Any]:
        ask = Ask(visit.under(under), active, after, visit.desk.policy.page_rows)
        with visit.read() as connection:
            return _fetch(visit, listing, connection, ask)

    def as_csv(visit: Visitor, under: Under = "", active: Active = default) -> Response:
        return _sheet(visit, listing, Ask(visit.under(under), active, None, 0))

    what = listing.noun.replace("-", " ")
    router.add_api_route(
        f"/{listing.noun}", as_page, response_class=HTMLResponse, include_in_schema=False
    )
    shape = Page[listing.row]  # type: ignore[name-defined]  # a type known at run time only
    for path, told in ((f"/api/v1/{listing.noun}", True), (f"/{listing.noun}.json", False)):
        router.add_api_route(
            path,
            as_json,
            response_model=shape,
            include_in_schema=told,
            summary=f"List {what}",
            operation_id=f"list_{listing.noun.replace('-', '_')}" if told else None,
        )
    router.add_api_route(
        f"/{listing.noun}.csv",
        as_csv,
        response_class=Response,
        summary=f"Export {what} as CSV",
        operation_id=f"export_{listing.noun.replace('-', '_')}",
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )


def _page(
    visit: Visit, listing: Listing, *, under: str, active: bool, after: str | None
) -> HTMLResponse:
    scope = visit.under(under)
    with visit.read() as connection:
        ask = Ask(scope, active, after, visit.desk.policy.page_rows)
        found = _fetch(visit, listing, connection, ask)
        names = read_names(connection, visit.scope)
    keep = _kept(listing, under, active=active)
    query = "?" + "&".join(f"{key}={value}" for key, value in keep.items() if value)
    return visit.page(
        listing.template,
        noun=listing.noun,
        title=f"{listing.noun.replace('-', '_')}.title",
        columns=listing.columns,
        rows=found.rows,
        next=found.next,
        names=names,
        active=active,
        tabs=listing.active is not None,
        under=under,
        asset=under if under.count("/") == 3 else "",  # noqa: PLR2004 - site/area/line/asset
        paged=after is not None,
        keep=keep,
        query=query if len(query) > 1 else "",
    )


def _fetch(visit: Visit, listing: Listing, connection: Connection, ask: Ask) -> Page[Any]:
    """Return the rows that are asked for; a cursor of another list is refused.

    Raises:
        Problem: 400, `after` is no cursor of this list.
    """
    try:
        return listing.fetch(visit, connection, ask)
    except InputError as error:
        raise visit.refusal(400, "cursor") from error


def _kept(listing: Listing, under: str, *, active: bool) -> Mapping[str, str]:
    chosen = str(active).lower() if active != bool(listing.active) else ""
    return {"under": under, "active": chosen}


def _sheet(visit: Visit, listing: Listing, ask: Ask) -> Response:
    most, rows, after = visit.desk.policy.export_rows, list[Any](), ask.after
    with visit.read() as connection:
        while len(rows) < most:
            limit = min(500, most - len(rows))
            page = listing.fetch(visit, connection, Ask(ask.scope, ask.active, after, limit))
            rows += page.rows
            if page.next is None:
                break
            after = page.next
    names = [field.name for field in fields(listing.row)]
    headers = {"Content-Disposition": f'attachment; filename="{listing.noun}.csv"'}
    return Response(write_csv(names, rows), media_type="text/csv; charset=utf-8", headers=headers)
