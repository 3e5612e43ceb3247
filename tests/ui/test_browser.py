"""The page in a real browser, with the real service and the replayed sample game behind it."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from playwright.sync_api import TimeoutError as TooLate

from bench import servers
from bench.browser import CHROMIUM, WAIT_MS, Clock, chromium, replay, visit
from livegame.features.rows import game_update
from livegame.plays import GameState
from tests.conftest import Service
from tests.games import GAME_ID, game, hanging_server, wsgi_server
from tests.helpers import make_client
from tests.reports import SHOTS
from tests.ui.page_session import stored_totals

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install chromium to run these"),
]

IN_THE_SECOND = "Period 2 \N{EN DASH} 09:40 left"  # 2,000 s after the start, with the intermission

CHARTS: Final = 6  # of a game: both halves of the rink, win probability, the race, the flow and the odds
ALL_ATTEMPTS: Final = re.compile(r"^1\d\d attempts, \d+ of them blocked, counted or not, newest first")

# How far visible things moved without being asked to, as Chromium measures it: 1 is the whole window.
WATCH_SHIFTS = """() => {
    window.shifts = [];
    new PerformanceObserver(list => {
        for (const entry of list.getEntries())
            window.shifts.push([entry.value, entry.sources.map(source => source.node?.className ?? "?").join("; ")]);
    }).observe({type: "layout-shift"});
}"""

CHARTS_FIT: Final = """() => [...document.querySelectorAll("[data-testid=stVegaLiteChart] canvas")]
    .every(chart => chart.getBoundingClientRect().right <= window.innerWidth)"""

expect.set_options(timeout=WAIT_MS)


@dataclass
class Dashboard:
    """The dashboard, which can be stopped and started again, on another port."""

    environment: dict[str, str]
    url: str = ""
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        self.url = self._running.enter_context(servers.dashboard(self.environment))

    def stop(self) -> None:
        self._running.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dashboard(tmp_path: Path, clock: Clock, service: Service) -> Iterator[Dashboard]:
    with wsgi_server(replay(tmp_path, clock)) as feed_url:
        running = Dashboard(
            {
                "XG_DATA_DIR": str(tmp_path),
                "XG_FEED_URL": feed_url,
                "XG_SERVING_URL": service.url,
                "XG_DEMO_GAME": str(GAME_ID),
            }
        )
        running.start()
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def ping(page: Page) -> None:
    page.get_by_role("button", name="Ping game").click()


def ping_twice(page: Page, clock: Clock, seconds: float, status: str) -> None:
    """Ping the game at its start and again at `seconds`, when its status must be `status`."""
    ping(page)
    expect(page.locator(".xg-status")).to_have_text("Period 1 \N{EN DASH} 20:00 left")
    clock.seconds = seconds
    ping(page)
    expect(page.locator(".xg-status")).to_have_text(status)


def expect_id(page: Page, game_id: int) -> None:
    """Check the number in the list of further controls, or on the page without a stored game."""
    more, field = page.get_by_role("button", name="More"), page.get_by_label("Game ID")
    if is_stored := more.is_visible():
        more.click()
    expect(field).to_have_count(1)  # while the page is redrawn, the former field is there, too
    expect(field).to_have_value(str(game_id))
    if is_stored:
        page.keyboard.press("Escape")


def open_sidebar(page: Page) -> None:
    page.get_by_test_id("stExpandSidebarButton").click()


def settle(page: Page) -> None:
    """Wait until the script has drawn the whole page."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def totals(page: Page) -> list[str]:
    """Return the score line's xG (goals) and difference, first of the away team, then of the home team."""
    shown = page.locator(".xg-xg, .xg-difference")
    expect(shown).to_have_count(4)
    return shown.all_inner_texts()


def resize(page: Page, width: int) -> None:
    """Change the width of the window, and wait until no chart is wider."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(CHARTS_FIT)


def assert_fits(page: Page) -> None:
    """Check that nothing is wider than the window and that no chart is too small."""
    settle(page)
    width = page.evaluate("window.innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for picture in page.get_by_test_id("stVegaLiteChart").all():
        box = picture.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["width"] > 300
        assert box["height"] > 90
    for part in page.locator(".xg-score > *").all():
        box = part.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= width


def complaints(page: Page) -> list[str]:
    """Collect the console's errors from now on, except those of Streamlit's search for its server."""
    found: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "_stcore" not in str(message.location):
            found.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def test_game_from_first_ping_to_final_shows_every_shot_rated_once_and_shows_it_while_feed_and_service_hang(
    browser: Browser, dashboard: Dashboard, clock: Clock, service: Service, tmp_path: Path
) -> None:
    page = visit(browser, f"{dashboard.url}/game")
    strangers: list[str] = []
    page.on("request", lambda request: strangers.append(request.url) if "127.0.0.1" not in request.url else None)
    found = complaints(page)
    expect(page.get_by_role("heading", name="Live expected goals")).to_be_visible()
    expect(page.get_by_label("Game ID")).to_have_value(str(GAME_ID))

    ping(page)  # starts the replay
    expect(page.get_by_role("heading", name="Washington Capitals")).to_be_visible()
    expect(page.locator(".xg-status")).to_have_text("Period 1 \N{EN DASH} 20:00 left")
    clock.seconds = 445
    page.get_by_role("button", name="Ping game").dblclick()
    expect(page.locator(".xg-status")).to_have_text("Period 1 \N{EN DASH} 12:35 left")
    expect(page.get_by_text(re.compile(r"^\d+ new attempts?\.$|^Nothing new\.$"))).to_be_visible()
    first = service.rows_scored()
    assert first > 0
    ping(page)
    expect(page.get_by_text("Nothing new.")).to_be_visible()
    assert service.rows_scored() == first

    clock.seconds = 20_000
    ping(page)
    expect(page.get_by_text(f"{89 - first} new attempts")).to_be_visible()
    expect(page.locator(".xg-status")).to_have_text("Final")
    shown = totals(page)
    assert all(re.fullmatch(r"\d\.\d\d \([32]\)|\d\.\d\d (more|fewer) goals than expected", words) for words in shown)
    expect(page.get_by_text(re.compile(r"^\+ 1\.\d\d \(1\) empty net$"))).to_be_visible()
    page.get_by_role("tab", name="Every attempt").click()
    expect(page.get_by_role("heading", name="Every attempt")).to_be_visible()
    expect(page.get_by_text(ALL_ATTEMPTS)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 1 + 89
    assert lines[0].endswith(",probability")

    assert_fits(page)
    page.reload()
    assert totals(page) == shown
    expect(page.get_by_text(ALL_ATTEMPTS)).to_be_visible()  # the address holds the view
    assert strangers == []
    assert found == []
    page.get_by_role("radio", name="All", exact=True).click()
    expect(page).to_have_url(re.compile("count=All"))
    wanted = stored_totals(tmp_path / "history.db", GAME_ID)
    expect(page.locator(".xg-xg").first).to_have_text(wanted[0])
    settle(page)
    assert totals(page) == wanted

    dashboard.stop()
    with hanging_server() as hanging:  # the stored game is shown all the same
        dashboard.environment |= {"XG_FEED_URL": hanging.url, "XG_SERVING_URL": hanging.url}
        dashboard.start()
        phone = visit(browser, f"{dashboard.url}/game?game={GAME_ID}&view=Every+attempt", 390, 844, color_scheme="dark")
        given_up = phone.get_by_text(re.compile("schedule is not available|did not answer"))
        assert totals(phone) == shown
        expect(phone.get_by_test_id("stVegaLiteChart")).to_have_count(CHARTS)
        expect(phone.locator(".xg-table").first).to_be_visible()
        assert given_up.count() == 0
        phone.goto(f"{dashboard.url}/history")
        expect(phone.get_by_text("1 game, newest first.")).to_be_visible()
        assert phone.get_by_role("heading", name="Teams").count() == 1  # drawn before, from the history alone
        dashboard.stop()
    assert service.rows_scored() == 89


def test_game_clicked_in_the_strip_opens_and_other_tabs_follow(
    browser: Browser, dashboard: Dashboard, clock: Clock
) -> None:
    page = visit(browser, f"{dashboard.url}/game?game=2022030236")
    expect(page.get_by_text("Game 2022030236 has not been pinged yet.")).to_be_visible()
    page.get_by_role("button", name="WSH at CAR").click()
    expect(page.locator(".xg-status")).to_have_text("Period 1 \N{EN DASH} 20:00 left")
    expect_id(page, GAME_ID)
    expect(page).to_have_url(re.compile(f"game={GAME_ID}"))
    page.go_back()
    expect(page.get_by_text("Game 2022030236 has not been pinged yet.")).to_be_visible()
    expect_id(page, 2022030236)
    page.go_forward()
    expect(page.locator(".xg-status")).to_have_text("Period 1 \N{EN DASH} 20:00 left")
    expect_id(page, GAME_ID)

    other = visit(browser, f"{dashboard.url}/game?game={GAME_ID}")
    expect(other.locator(".xg-status")).to_have_text("Period 1 \N{EN DASH} 20:00 left")
    clock.seconds = 445
    ping(page)
    expect(other.locator(".xg-status")).to_have_text("Period 1 \N{EN DASH} 12:35 left")  # without a click


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option of a list; try again if the end of a run of the script closes the list."""
    wanted = page.get_by_role("option", name=option)
    for _ in range(5):
        page.get_by_role("combobox", name=label).click()
        with suppress(TooLate):
            wanted.click(timeout=3000)
            return
    raise AssertionError(f"{label!r} never offered {option!r}")


def test_swap_in_one_tab_is_offered_in_the_other_and_both_models_compare(
    browser: Browser, dashboard: Dashboard, clock: Clock, service: Service
) -> None:
    one = visit(browser, f"{dashboard.url}/game?game={GAME_ID}")
    ping_twice(one, clock, 20_000, "Final")
    before = totals(one)
    other = visit(browser, f"{dashboard.url}/game?game={GAME_ID}")
    assert totals(other) == before
    open_sidebar(one)
    one.get_by_label("Workspace").fill("bundled")
    one.get_by_label("Model", exact=True).fill("xg-distance")
    one.get_by_role("button", name="Get model").click()
    expect(one.get_by_text("bundled/xg-distance:1.0.0 is active, from bundled.")).to_be_visible()
    sidebar = other.get_by_test_id("stSidebar")
    expect(sidebar.locator("strong", has_text="bundled/xg-distance:1.0.0")).to_be_attached()  # by itself
    other.reload()
    expect(other.get_by_text(re.compile("bundled/xg-distance.* is active now; ping the game"))).to_be_visible()
    for page in (one, other):  # the second one finds nothing to do
        ping(page)
        expect(page.get_by_text(re.compile(r"^(89 attempts rated|Nothing new)\.$"))).to_be_visible()
        settle(page)
    assert totals(one) != before  # its reader got the new model
    assert totals(other) == before  # this one did not, and is told
    expect(other.get_by_text("A newer model has rated this game: bundled/xg-distance:1.0.0.")).to_be_visible()
    other.get_by_role("button", name="Switch to bundled/xg-distance:1.0.0").click()
    expect(other.locator(".xg-xg").first).not_to_have_text(before[0])
    settle(other)
    assert totals(other) == totals(one)
    assert service.rows_scored() == 2 * 89
    one.get_by_role("tab", name="Two models").click()
    expect(one.get_by_text("Largest disagreements")).to_be_visible()
    expect(one.get_by_label("Totals by two models").get_by_text(before[0].split()[0])).to_be_visible()
    one.get_by_role("button", name="More").click()
    choose(one, "Rated by", "bundled/xg-default")
    one.keyboard.press("Escape")
    expect(one.locator(".xg-xg").first).to_have_text(before[0])
    expect(one).to_have_url(re.compile("model=bundled"))
    linked = visit(browser, one.url)
    assert totals(linked) == before


def test_every_page_and_view_opens_and_can_be_left(browser: Browser, dashboard: Dashboard, clock: Clock) -> None:
    page = visit(browser, f"{dashboard.url}/game?game={GAME_ID}")
    found = complaints(page)
    ping_twice(page, clock, 20_000, "Final")
    for view, words in (
        ("Attempts", "Chances by danger"),
        ("Strength and score", "By score"),
        ("Players", "Sort by"),
        ("Goalies", "One game says little about a goalie"),
        ("Two models", "One model has rated this game so far"),
        ("What counts", "Shootout attempts never count"),
        ("Goals", "All goals, whether the switch"),
    ):
        settle(page)  # a click in the middle of a run may be lost
        page.get_by_role("tab", name=view).click()
        panel = page.get_by_role("tabpanel", name=view)
        expect(panel.get_by_text(words)).to_be_visible()
    page.get_by_role("button", name="Filter").click()
    page.get_by_text("Goals only").click()
    expect(page.get_by_text("6 of 89, xG")).to_be_visible()
    page.keyboard.press("Escape")
    for _ in range(2):
        page.get_by_role("link", name="History").click()
        expect(page.get_by_text("Can it be trusted?")).to_be_visible()
        expect(page.get_by_text("1 game, newest first")).to_be_visible()
        page.get_by_role("link", name="Service").click()
        expect(page.get_by_role("heading", name="Last swaps")).to_be_visible()
        page.get_by_label("Contains").fill("rows by bundled")
        page.keyboard.press("Enter")
        expect(page.get_by_text(re.compile(r"^\d+ rows?, newest first"))).to_be_visible()
        page.go_back()
        expect(page.get_by_text("Can it be trusted?")).to_be_visible()
        page.go_forward()
        expect(page.get_by_role("heading", name="Last swaps")).to_be_visible()
    page.goto(f"{dashboard.url}/history?search=hurricanes")
    expect(page.get_by_text("1 game, newest first")).to_be_visible()
    page.get_by_role("link", name="Washington Capitals at Carolina Hurricanes").click()
    expect(page.locator(".xg-status")).to_have_text("Final")
    expect(page).to_have_url(re.compile(f"game={GAME_ID}"))
    assert found == []


@pytest.mark.parametrize(("widths", "scheme"), [((390, 820, 1024), "light"), ((1440, 720), "dark")])
def test_page_after_pings_has_not_moved_and_fits_the_window_at_any_width(
    browser: Browser, dashboard: Dashboard, clock: Clock, widths: tuple[int, ...], scheme: Literal["light", "dark"]
) -> None:
    page = visit(browser, f"{dashboard.url}/game?game={GAME_ID}", widths[0], 900, color_scheme=scheme)
    ping_twice(page, clock, 2_000, IN_THE_SECOND)
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(CHARTS)
    page.reload()
    expect(page.locator(".xg-status")).to_have_text(IN_THE_SECOND)
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(CHARTS)
    expect(page.get_by_text("Rated by bundled")).to_be_visible()
    page.get_by_role("tab", name="Goals").wait_for()
    assert_fits(page)
    page.wait_for_timeout(1_000)  # the pictures find their size
    page.evaluate(WATCH_SHIFTS)
    for seconds in (2_060, 2_060, 2_400):  # the first note of a ping, another in its place, and new attempts
        clock.seconds = seconds
        ping(page)
        expect(page.get_by_text(re.compile(r"^(\d+ new attempts?|Nothing new)\.$"))).to_be_visible()
        settle(page)
    page.get_by_role("radio", name="5v5").click()
    expect(page).to_have_url(re.compile("count=5v5"))
    expect(page.get_by_text(re.compile("at 5v5; "))).to_be_visible()
    settle(page)
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < 0.01, shifts
    for width in widths:
        resize(page, width)
        expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(CHARTS)
        assert_fits(page)
    for path, heading in (("history", "Games"), ("service", "Last swaps")):
        page.set_viewport_size({"width": widths[0], "height": 900})
        page.goto(f"{dashboard.url}/{path}?game={GAME_ID}")
        # by its role: a table may have a hidden column of the same name
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        for width in widths:
            resize(page, width)
            assert_fits(page)


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_comparison_of_models_fits_the_window_and_games_below_it_do_not_move(
    browser: Browser,
    dashboard: Dashboard,
    service: Service,
    tmp_path: Path,
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    client = make_client(tmp_path, dashboard.url, service.url)
    games = [game_update(game(*SHOTS, game_id=2021020001 + n, state=GameState.FINAL)) for n in range(30)]
    for model in ("xg-distance-angle", "xg-distance", "xg-default"):
        service.client.download_registry_model("bundled", model)
        client.record(games, 0)
    page = visit(browser, f"{dashboard.url}/history", width, color_scheme=scheme)
    found = complaints(page)
    heading = page.get_by_role("heading", name="Games", exact=True)
    expect(page.get_by_text("30 games, newest first")).to_be_visible()
    before = heading.bounding_box()
    expect(page.get_by_text(re.compile("is better than bundled"))).to_have_count(2)
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(4)  # with that of win probability
    assert_fits(page)
    after = heading.bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] == before["y"]
    assert found == []


def test_tonight_does_not_move_when_games_go_on_and_opens_them_by_keyboard(
    browser: Browser, dashboard: Dashboard, clock: Clock, service: Service, tmp_path: Path
) -> None:
    cron = make_client(tmp_path, dashboard.environment["XG_FEED_URL"], service.url)
    cron.ping(GAME_ID)
    clock.seconds = 445
    cron.ping(GAME_ID)
    page = visit(browser, dashboard.url)
    found = complaints(page)
    card = page.locator(".xg-card")
    expect(card).to_contain_text("P1 12:35")
    expect(page).to_have_title("Tonight · 1 live")
    link = page.get_by_role("link", name=re.compile("^Washington Capitals at Carolina Hurricanes: 0 to 0, P1 12:35"))
    link.focus()
    settle(page)
    page.wait_for_timeout(1_000)  # the pictures find their size
    page.evaluate(WATCH_SHIFTS)
    room = card.bounding_box()
    for seconds, stands in ((500, "P1 11:40"), (2_000, "P2 9:40")):
        clock.seconds = seconds
        cron.ping(GAME_ID)
        expect(card).to_contain_text(stands)
        settle(page)
        assert card.bounding_box() == room
    assert page.evaluate("window.shifts") == []
    page.keyboard.press("Enter")  # the link kept the focus
    expect(page.locator(".xg-score")).to_be_visible()
    expect(page).to_have_url(re.compile(rf"/game\?game={GAME_ID}$"))
    expect(page).to_have_title(re.compile(r"^WSH \d.\d CAR · P2 9:40 · \d\.\d\d.\d\.\d\d$"))
    page.go_back()
    expect(card).to_contain_text("P2 9:40")
    assert found == []
