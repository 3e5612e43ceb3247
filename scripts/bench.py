"""Measure what the product's speed rests on, each time against something run beside it on the same machine.

    python -m scripts.bench

Prints medians of interleaved rounds. Trust the ratios: the times are this machine's, at this moment.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIEnvironment

import pandas as pd
import skops.io
import waitress.server

from db.history import History
from livegame.client import GameClient
from livegame.features import shot_features
from livegame.feed import Feed
from livegame.plays import Game, parse_game
from livegame.recordings import SAMPLE_FOLDER, read_recording
from livegame.replay import create_app, moment, play_by_play
from xgserve.client import ServingClient

ROUNDS: Final = 15
BATCHES: Final = (1, 10, 100, 10_000)
MODEL: Final = Path(__file__).resolve().parents[1] / "xgserve" / "bundled" / "xg-default" / "1.0.0" / "model.skops"


def main() -> None:
    """Run all measurements."""
    sample = read_recording(next(SAMPLE_FOLDER.glob("*.json")))
    text = json.dumps(play_by_play(sample, moment(sample, 1e9)))
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as url:
        _features_and_ping(sample, text, url, Path(folder))
        _predict(sample, url)


def _features_and_ping(sample: Game, text: str, url: str, folder: Path) -> None:
    numbers = iter(range(2021020400, 2021029999))

    def features() -> None:
        shot_features(parse_game(json.loads(text)))

    with replay(sample, folder) as feed_url:
        feed, serving = Feed(feed_url), ServingClient(url)
        client = GameClient(feed, serving, History(folder / "history.db"), folder)
        client.ping(sample.game_id)

        def first_ping() -> None:
            client.take(replace(feed.game(sample.game_id), game_id=next(numbers)))

        made, first, quiet = medians(features, first_ping, lambda: client.ping(sample.game_id))
    print(f"raw JSON to features: {made * 1e3:.1f} ms a game, {1 / made:.0f} games a second")
    print(f"ping of a whole new game: {first * 1e3:.1f} ms, of which features {made / first:.0%}")
    print(f"ping with nothing new: {quiet * 1e3:.1f} ms, of which features {made / quiet:.0%}")


def _predict(sample: Game, url: str) -> None:
    columns = [feature["name"] for feature in ServingClient(url).model()["features"]]
    shots = shot_features(sample)[columns]
    with plain_server() as plain_url:
        for rows in BATCHES:
            frame = pd.concat([shots] * (rows // len(shots) + 1), ignore_index=True).head(rows)
            body = frame.to_json().encode()
            ours, plain = medians(lambda body=body: post(url, body), lambda body=body: post(plain_url, body))  # type: ignore[misc]
            print(
                f"/predict, {rows:>6,} rows: {ours * 1e3:.1f} ms, plain Bottle and pandas {plain * 1e3:.1f} ms,"
                f" {plain / ours:.2f} times as fast"
            )


def medians(*tasks: Callable[[], object]) -> list[float]:
    """Seconds that each task takes: medians over rounds in which they take turns."""
    times: list[list[float]] = [[] for _ in tasks]
    for task in tasks:
        task()
    for _ in range(ROUNDS):
        for task, taken in zip(tasks, times, strict=True):
            start = time.perf_counter()
            task()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def post(url: str, body: bytes) -> bytes:
    """One prediction over HTTP."""
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})  # noqa: S310 - ours
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own loopback address
        return bytes(answer.read())


@contextmanager
def service(folder: Path) -> Iterator[str]:
    """The service as it ships, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"XG_DATA_DIR": str(folder), "XG_SERVING_PORT": str(port), "XG_LOG_LEVEL": "INFO"}
    process = subprocess.Popen(
        [sys.executable, "-m", "xgserve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _is_ready(url):
            if process.poll() is not None:
                sys.exit("the prediction service did not start; run python -m xgserve to see why")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready") as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def replay(sample: Game, folder: Path) -> Iterator[str]:
    """The sample game, over, behind the replay feed."""
    (folder / "replay.json").write_text(json.dumps({str(sample.game_id): 0}))
    with _served(create_app(folder / "none", folder / "replay.json", speed=1)) as url:
        yield url


@contextmanager
def plain_server() -> Iterator[str]:
    """What one would write in ten minutes: the estimator behind pandas, on the same WSGI server."""
    estimator = skops.io.load(MODEL, trusted=skops.io.get_untrusted_types(file=MODEL))  # our own file

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        values: Mapping[str, Any] = json.loads(body)
        frame = pd.DataFrame(values)
        answer = json.dumps(estimator.predict_proba(frame)[:, 1].tolist()).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [answer]

    with _served(app) as url:
        yield url


@contextmanager
def _served(app: Any) -> Iterator[str]:
    server: Any = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}"  # ends with this process


if __name__ == "__main__":
    main()
