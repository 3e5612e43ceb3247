"""What a prediction over HTTP costs, against the plainest server of the same model."""

import json
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIEnvironment

import pandas as pd
import skops.io

from livegame.frames import shot_features
from livegame.plays import Game
from livegame.recordings import SAMPLE_FOLDER, read_recording
from scripts.bench.rounds import medians
from scripts.bench.servers import served, service
from xgserve.client import ServingClient

BATCHES: Final = (1, 10, 100, 10_000)
MODEL: Final = Path(__file__).resolve().parents[2] / "xgserve" / "bundled" / "xg-default" / "1.0.0" / "model.skops"


def run() -> None:
    """Measure batches of the sample game's shots."""
    sample = read_recording(next(SAMPLE_FOLDER.glob("*.json")))
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as url:
        _predict(sample, url)


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


def post(url: str, body: bytes) -> bytes:
    """One prediction over HTTP."""
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})  # noqa: S310 - ours
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own loopback address
        return bytes(answer.read())


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

    with served(app) as url:
        yield url
