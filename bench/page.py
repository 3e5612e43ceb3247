"""How long a reader waits for the page: from the click on "Ping game" to the new numbers, in a real browser."""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from playwright.sync_api import Browser, Page

from bench.browser import CHROMIUM, Clock, chromium, replay, visit
from bench.bulk import copy_game
from bench.servers import dashboard, served, service
from livegame.client import GameClient
from livegame.features.rows import game_update
from livegame.lock import LOCK_WAIT_S
from livegame.recordings.files import SAMPLE_FOLDER, read_recording
from livegame.settings import ClientSettings

ROUNDS: Final = 7
GAMES: Final = 1_500
_GAME: Final = 2021020329
_SHOTS: Final = 89
_BEFORE_THE_LAST_SHOT_S: Final = 2 * (1200 + 180) + 1170  # on the clock of the replay, two intermissions included
# From the click until the page says what the ping found and the shot map holds as many shots.
_CLICK: Final = """async ([said, shots]) => {
    const button = [...document.querySelectorAll("button")].find(b => b.innerText.trim() === "Ping game");
    const there = () => document.body.innerText.includes(said) && document.body.innerHTML.includes(shots);
    const start = performance.now();
    button.click();
    while (!there()) {
        if (performance.now() - start > 30000) throw new Error("never saw " + said);
        await new Promise(requestAnimationFrame);
    }
    return performance.now() - start;
}"""


@dataclass
class _Waits:
    """Milliseconds, one per round."""

    whole_game: list[float] = field(default_factory=list)
    new_shot: list[float] = field(default_factory=list)
    nothing_new: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)


def run() -> None:
    """Print a Markdown table: milliseconds from click to page, with an empty history and with one of many games."""
    if CHROMIUM is None:
        sys.exit("the page is measured in Chromium, which is not installed: apt-get install chromium")
    with chromium() as browser:
        found = {games: _measure(browser, games) for games in (0, GAMES)}
    print(f"| ms, median of {ROUNDS} (largest) | no other game in the history | {GAMES:,} games |")
    print("|---|---|---|")
    for name in ("whole_game", "new_shot", "nothing_new", "opened"):
        cells = (f"{statistics.median(ms):.0f} ({max(ms):.0f})" for ms in (getattr(found[n], name) for n in found))
        print(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |", flush=True)


def _measure(browser: Browser, games: int) -> _Waits:
    waits = _Waits()
    for number in range(ROUNDS):
        print(f"page, {games:,} games: round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
        clock = Clock()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            page = stack.enter_context(_page(browser, folder, clock, games))
            clock.seconds = _BEFORE_THE_LAST_SHOT_S
            waits.whole_game.append(_click(page, f"{_SHOTS - 1} new attempts", _SHOTS - 1))
            clock.seconds = 20_000
            waits.new_shot.append(_click(page, "1 new attempt", _SHOTS))
            waits.nothing_new.append(_click(page, "Nothing new", _SHOTS))
            start = time.perf_counter()
            page.reload()
            page.get_by_text("Final", exact=True).wait_for()
            waits.opened.append((time.perf_counter() - start) * 1e3)
    return waits


def _click(page: Page, said: str, shots: int) -> float:
    milliseconds: float = page.evaluate(_CLICK, [said, f"Map of {shots} unblocked attempts"])
    page.wait_for_timeout(700)
    return milliseconds


@contextmanager
def _page(browser: Browser, folder: Path, clock: Clock, games: int) -> Iterator[Page]:
    """The page at the opening face-off of the sample game, with `games` others in the history."""
    with ExitStack() as stack:
        serving = stack.enter_context(service(folder))
        environment = {
            "XG_DATA_DIR": str(folder),
            "XG_FEED_URL": stack.enter_context(served(replay(folder, clock))),
            "XG_SERVING_URL": serving,
        }
        if games:
            sample = read_recording(next(SAMPLE_FOLDER.glob("*.json")))
            client = GameClient.from_settings(ClientSettings.from_env(environment))
            client.record([game_update(replace(sample, game_id=_GAME + 1))], LOCK_WAIT_S)
            copy_game(folder / "history.db", _GAME + 1, games - 1)
        address = stack.enter_context(dashboard(environment))
        page = stack.enter_context(closing(visit(browser, f"{address}/game?game={_GAME}")))
        page.get_by_role("button", name="Ping game").wait_for()
        page.wait_for_timeout(700)
        page.evaluate(_CLICK, ["Period 1 \N{EN DASH} 20:00 left", "No attempts yet"])
        page.wait_for_timeout(700)
        yield page
