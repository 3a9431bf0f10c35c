"""The dashboard in a real browser: nothing complains, nothing overflows, the fault is found."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import cv2
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import update

from mmindustry.alerting.lifecycle import Act
from mmindustry.dashboard.app import create_app
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.store.operators import Answer, answer_alarm
from mmindustry.store.queries.scope import Scope
from mmindustry.store.tables import alarms, partition_progress
from mmindustry.telemetry.metrics import Metrics
from mmindustry.testing.clock import HandClock
from mmindustry.web.serve import serve
from tests.browser import Browser, open_browser
from tests.layout import layout_faults, probe_charts
from tests.plant_record import NOW, SICK, STRANGE, PlantRecord, make_record

pytestmark = pytest.mark.browser

Size = tuple[int, int]
DESK, PHONE = (1280, 800), (390, 844)


@contextmanager
def serving(record: PlantRecord) -> Iterator[str]:
    """Give the URL of a dashboard over `record`."""
    policy = DashboardPolicy(port=0, look_seconds=0.2)
    app = create_app(
        record.database,
        record.archive,
        policy=policy,
        clock=HandClock(NOW),
        metrics=Metrics(CollectorRegistry()),
    )
    stop, begun = threading.Event(), threading.Event()
    urls: list[str] = []

    def started(url: str) -> None:
        urls.append(url)
        begun.set()

    def run() -> None:
        serve(app, policy, stop=stop, started=started, stopping=app.state.live.close)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert begun.wait(30), "the dashboard did not start"
        yield urls[0]
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive(), "an open stream kept the dashboard from ending"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for this file."""
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.size(*DESK)
        probe_charts(opened)
        yield opened


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlantRecord]:
    """A filled record for this file."""
    made = make_record(tmp_path_factory.mktemp("record"), windows_each=60)
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def url(record: PlantRecord, browser: Browser) -> Iterator[str]:
    """A dashboard that this file's tests share; its pages are left before it ends."""
    with serving(record) as address:
        yield address
        browser.open("about:blank#gone")


@dataclass(frozen=True)
class Site:
    """A dashboard and the record it shows."""

    url: str
    record: PlantRecord


@pytest.fixture(scope="module")
def site(url: str, record: PlantRecord) -> Site:
    """The shared dashboard with its record."""
    return Site(url, record)


def addresses(record: PlantRecord) -> list[str]:
    """Return the address of every page."""
    alarm = quote(record.sick_alarm, safe="")
    quiet = quote(record.quiet_alarm, safe="")
    lists = ("gaps", "sensors", "unregistered", "dead-letters", "labels", "assets", "about")
    return [
        *("/", "/?under=aachen/press-shop", f"/assets/{SICK}?hours=1", "/alarms"),
        *(f"/windows/{record.sick_window}", f"/alarms/view?id={alarm}", "/alarms?active=false"),
        *(f"/windows/{record.fresh_window}", f"/alarms/view?id={quiet}", f"/assets/{STRANGE}"),
        *(f"/windows?under={SICK}", *(f"/{noun}" for noun in lists)),
    ]


def settle(browser: Browser) -> None:
    """Wait until a page stands as it should: live, pictures there, charts drawn."""
    browser.until("document.getElementById('live').dataset.state === 'on'")
    browser.until(
        "!document.getElementById('media') || document.querySelector('#media img, #media .note')"
    )
    browser.until("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    browser.until(
        "!document.getElementById('charts') || document.querySelectorAll('.uplot').length === 3"
    )


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the screenshots go: `MMINDUSTRY_SCREENSHOTS`, for people to look at, or aside."""
    wished = os.environ.get("MMINDUSTRY_SCREENSHOTS", "")
    folder = Path(wished) if wished else tmp_path_factory.mktemp("screens")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


LOOKS = tuple((size, look) for size in (DESK, PHONE) for look in ("en", "zh"))
THEMES = {"en": "light", "zh": "dark"}


@pytest.mark.parametrize(("size", "language"), LOOKS, ids=str)
def test_every_page_is_whole_on_a_desk_and_on_a_phone(
    browser: Browser, site: Site, screens: Path, *, size: Size, language: str
) -> None:
    browser.size(*size)
    faults: dict[str, list[str]] = {}
    for number, address in enumerate(addresses(site.record)):
        browser.complaints.clear()
        look = f"lang={language}&theme={THEMES[language]}"
        browser.open(f"{site.url}{address}{'&' if '?' in address else '?'}{look}")
        settle(browser)
        shot = screens / f"{number:02}-{language}-{size[0]}x{size[1]}.png"
        browser.picture(shot, whole=True)

        wrong = [*layout_faults(browser), *browser.complaints, *browser.dialogs]
        if is_blank(shot):
            wrong.append("the screenshot is blank")
        faults |= {address: wrong} if wrong else {}
    browser.size(*DESK)
    assert faults == {}


def is_blank(shot: Path) -> bool:
    """Return whether a screenshot shows nothing: hardly a pixel differs from the ground."""
    grey = cv2.imread(str(shot), cv2.IMREAD_GRAYSCALE)
    assert grey is not None, shot
    return float(grey.std()) < 3.0


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("document.querySelector('h1').style.marginLeft = '99rem'", "wider than the view"),
        ("document.querySelector('.panel').style.marginTop = '-3.2rem'", "overlap: "),
        (
            "document.querySelector('.health').style.cssText = 'width:3px;overflow:hidden'",
            "clipped: ",
        ),
    ],
)
def test_the_measuring_finds_what_is_broken_on_purpose(
    browser: Browser, url: str, broken: str, told: str
) -> None:
    browser.open(f"{url}/assets/{SICK}?hours=1&lang=en")
    settle(browser)
    before = layout_faults(browser)

    browser.evaluate(f"void ({broken})")

    assert before == []
    assert any(fault.startswith(told) or told in fault for fault in layout_faults(browser))


def test_a_label_that_a_chart_cuts_off_is_found(browser: Browser, url: str) -> None:
    browser.open(f"{url}/assets/{SICK}?hours=1&lang=en")
    settle(browser)

    browser.evaluate(
        "void (() => { const c = document.querySelector('canvas');"
        " const pen = c.getContext('2d'); pen.textAlign = 'left';"
        " pen.fillText('08:01:00', c.width - 9, c.height - 40); })()"
    )

    assert layout_faults(browser) == ["clipped in a chart: 08:01:00"]


def test_the_charts_tell_their_newest_point_before_anybody_points(
    browser: Browser, url: str
) -> None:
    browser.open(f"{url}/assets/{SICK}?hours=1&lang=en")
    settle(browser)

    legend = browser.evaluate("document.querySelector('.u-legend').textContent")
    assert "2026-03-03 10:30:00" in legend
    assert "%" in legend


def test_evidence_appears_by_itself_once_it_is_archived(browser: Browser, tmp_path: Path) -> None:
    record = make_record(tmp_path, windows_each=3)
    with serving(record) as url:
        browser.open(f"{url}/windows/{record.fresh_window}?lang=en")
        browser.until("document.body.textContent.includes('The evidence is being archived')")
        assert browser.evaluate("document.querySelectorAll('#media img').length") == 0

        record.archive_fresh()
        browser.until("document.querySelectorAll('#media img').length === 5")

        stored = browser.evaluate("document.getElementById('stored').textContent")
        assert "0-1-000018" in stored
        browser.open("about:blank#gone")
    record.database.close()


def test_the_fault_is_found_in_three_clicks_from_the_overview(browser: Browser, url: str) -> None:
    browser.open(f"{url}/?lang=en&theme=light")

    click(browser, ".tile.high", "/assets/")
    click(browser, "#now a[href^='/alarms/view']", "/alarms/view")
    click(browser, "main a[href^='/windows/']", "/windows/")

    settle_text = browser.evaluate("document.querySelector('main').textContent")
    assert "bearing, outer race" in settle_text
    assert "Seen and heard" in settle_text


def click(browser: Browser, selector: str, path: str) -> None:
    """Click the first element that `selector` finds and wait for the page it leads to."""
    browser.until(f'document.querySelector("{selector}")')
    browser.evaluate(f'void document.querySelector("{selector}").click()')
    browser.until(f'location.pathname.startsWith("{path}") && document.readyState === "complete"')


def test_a_click_into_a_chart_opens_the_window_below_it(browser: Browser, url: str) -> None:
    browser.open(f"{url}/assets/{SICK}?hours=1&lang=en")
    settle(browser)

    spot = browser.evaluate(
        "(() => { const r = document.querySelector('.u-over').getBoundingClientRect();"
        " return [r.left + r.width / 2, r.top + r.height / 2]; })()"
    )
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        browser.send(
            "Input.dispatchMouseEvent",
            type=kind,
            x=spot[0],
            y=spot[1],
            button="none" if kind == "mouseMoved" else "left",
            clickCount=0 if kind == "mouseMoved" else 1,
        )

    browser.until("location.pathname.startsWith('/windows/')")


def test_what_happens_elsewhere_appears_without_a_reload(browser: Browser, tmp_path: Path) -> None:
    record = make_record(tmp_path, windows_each=3)
    with serving(record) as url:
        browser.open(f"{url}/?lang=en")
        settle(browser)
        browser.evaluate("window.stays = true")

        with record.database.write() as connection:
            answer_alarm(
                connection,
                Scope(),
                Answer(
                    alarm_id=record.sick_alarm,
                    act=Act.ACKNOWLEDGE,
                    author="otto",
                    at=NOW,
                    version=0,
                ),
            )
        browser.until("!document.querySelector('.tile.high .blink')")
        with record.database.write() as connection:
            connection.execute(
                update(alarms).where(alarms.c.id == record.sick_alarm).values(cleared_at=NOW)
            )
            connection.execute(update(partition_progress).values(step=9999))
        browser.until("!document.querySelector('.tile.high')")

        assert browser.evaluate("window.stays === true")
        assert "H" not in browser.evaluate("document.getElementById('counts').textContent")
        browser.open("about:blank#gone")
    record.database.close()


def test_an_operator_acknowledges_and_comments_by_clicking(
    browser: Browser, tmp_path: Path
) -> None:
    record = make_record(tmp_path, windows_each=3)
    with serving(record) as url:
        browser.complaints.clear()
        browser.open(f"{url}/alarms/view?id={quote(record.sick_alarm, safe='')}&lang=en")

        browser.evaluate("void document.querySelector('button[value=acknowledge]').click()")
        browser.until("document.body.textContent.includes('active, acknowledged')")
        browser.evaluate(
            "(() => { document.querySelector('input.wide').value = '<b>greased</b> 加油脂';"
            " document.querySelector('button[value=comment]').click(); })()"
        )
        browser.until("document.querySelectorAll('.trail li').length === 3")

        trail = browser.evaluate("document.querySelector('.trail').textContent")
        assert "<b>greased</b> 加油脂" in trail
        assert browser.complaints == []
        browser.open("about:blank#gone")
    record.database.close()


def test_a_script_in_a_fragment_is_refused_by_the_page(browser: Browser, url: str) -> None:
    browser.open(f"{url}/about?lang=en")
    refused = (
        "(() => { const d = document.createElement('div');"
        " try { d.innerHTML = ATTACK; return 'taken'; } catch (e) { return e.name; } })()"
    )

    for attack in ("<script>1</script>", "<img src=x onerror=alert(1)>", "<iframe srcdoc=x>"):
        assert browser.evaluate(refused.replace("ATTACK", f"{attack!r}")) == "TypeError", attack
    harmless = '<p title="x onerror=1 &lt;script">text onerror=1</p>'
    assert browser.evaluate(refused.replace("ATTACK", f"{harmless!r}")) == "taken"
    assert browser.dialogs == []
    browser.complaints.clear()


def test_the_browser_reports_what_the_policy_stops(browser: Browser, url: str) -> None:
    browser.open(f"{url}/about?lang=en")
    browser.complaints.clear()

    browser.evaluate(
        "void (document.head.appendChild(document.createElement('style')).textContent = 'p{}')"
    )
    browser.until("true")

    assert any("Content Security Policy" in complaint for complaint in browser.complaints)
    browser.complaints.clear()
