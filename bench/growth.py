"""Measure the product's steps on large databases, in ratio to the same steps on small ones."""

import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.bulk import add_logs, copy_game
from bench.costs import costs, ratio
from bench.feed import running_feed
from bench.ping import sample_answer
from bench.servers import service
from db.history import History
from db.serving import FILE_NAME
from livegame.client import GameClient
from livegame.feed import Feed
from xgserve.client import ServingClient

ROUNDS: Final = 25
SIZES: Final = (3_000, 100_000)  # the first just fills a page of games and of log rows
LARGE: Final = 10_000_000  # some 12 GB, and some minutes to fill
_GAME: Final = 2021020329

Steps = dict[str, Callable[[], object]]


def run() -> None:
    """Compare databases of 3 thousand and of 100 thousand predictions and log rows."""
    compare(SIZES)


def run_large() -> None:
    """Compare with 10 million as well."""
    compare((*SIZES, LARGE))


def compare(sizes: tuple[int, ...]) -> None:
    """Print a Markdown table: one line per step, with one ratio to the first size per other size."""
    with ExitStack() as stack:
        answer = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "answer.json"
        answer.write_bytes(sample_answer())
        feed = stack.enter_context(running_feed(answer))
        steps = {size: stack.enter_context(_filled(size, feed)) for size in sizes}
        print(
            f"| | ms at {sizes[0]:,} | "
            + " | ".join(f"times that at {size:,} (quartiles)" for size in sizes[1:])
            + " |"
        )
        print("|---|---|" + "---|" * len(sizes[1:]))
        for name in steps[sizes[0]]:
            found = costs({str(size): steps[size][name] for size in sizes}, ROUNDS)
            base = found[str(sizes[0])]
            ratios = [ratio(found[str(size)].wall, base.wall) for size in sizes[1:]]
            print(f"| {name} | {base.ms:.2f} | {' | '.join(ratios)} |", flush=True)


@contextmanager
def _filled(size: int, feed: str) -> Iterator[Steps]:
    """Yield the steps to measure, on databases of about `size` predictions and as many log rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history = History(folder / "history.db")
        begun = time.monotonic()
        with service(folder) as url:
            shots = GameClient(Feed(feed), ServingClient(url), history, folder).ping(_GAME).scored
        copy_game(folder / "history.db", _GAME, size // shots)
        add_logs(folder / FILE_NAME, size)
        megabytes = [(folder / file).stat().st_size / 1e6 for file in ("history.db", FILE_NAME)]
        print(
            f"{size:,} predictions: history.db {megabytes[0]:,.0f} MB; {size:,} log rows: {FILE_NAME}"
            f" {megabytes[1]:,.0f} MB; filled in {time.monotonic() - begun:.0f} s\n",
            flush=True,
        )
        # with a log that keeps all rows, as an operator may want it
        with service(folder, XG_LOG_MAX_ROWS=str(10 * LARGE), XG_LOG_MAX_DAYS="1000") as url:
            yield _steps(GameClient(Feed(feed), ServingClient(url), history, folder), history, url)


def _steps(client: GameClient, history: History, url: str) -> Steps:
    numbers = iter(range(_GAME + 1, _GAME + 10_000))
    model = history.models()[0]["model"]
    game = client.report(_GAME)
    assert game is not None  # noqa: S101

    def logs(query: str) -> Callable[[], object]:
        return lambda: urllib.request.urlopen(f"{url}/logs?{query}").read()  # noqa: S310 - our own loopback address

    return {
        "first ping": lambda: client.ping(next(numbers)),
        "ping, nothing new": lambda: client.ping(_GAME),
        "page: a game": lambda: client.report(_GAME),
        "page: list of games": lambda: history.games(limit=25),
        "page: number of games": lambda: history.count_games(),
        "page: search that finds one": lambda: history.games(str(_GAME), limit=25),
        "page: models": lambda: history.models(),
        "page: seasons": lambda: history.seasons(),
        "page: competitions": lambda: history.competitions(model),
        "page: calibration": lambda: history.calibration(model),
        "page: teams, all seasons": lambda: history.teams(model),
        "page: teams, one season": lambda: history.teams(model, 20212022),
        "/logs": logs("limit=100"),
        "/logs: warnings": logs("limit=100&level=WARNING"),
        "/logs: a request": logs("request_id=none"),
        "/logs: the last hour": logs("limit=100&since=2999-01-01T00:00:00.000Z"),
        "/logs: a common text": logs("limit=100&q=predict"),
        "/logs: a text that does not occur": logs("limit=100&q=nowhere"),
        "backfill: what is complete": lambda: client.already_recorded(),
    }
