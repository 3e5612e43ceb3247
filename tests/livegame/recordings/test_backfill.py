"""Backfill: whole seasons are stored once, whatever else runs and whatever ends it."""

import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from db.connection import DatabaseError
from db.history import History
from livegame.client import GameClient
from livegame.errors import BackfillBusy, FeedMalformed
from livegame.features.rows import game_update
from livegame.feed import Feed
from livegame.lock import batch_lock, game_lock
from livegame.plays import Game, GameState
from livegame.recordings.backfill import BATCH, Backfill, Progress, find_sources
from livegame.recordings.files import SAMPLE_FOLDER, dump_compact, load_recording
from livegame.recordings.workers import Workers
from scripts import backfill
from tests.conftest import Service, running_service
from tests.games import AWAY, FeedServer, as_feed, feed_server, game, play
from tests.helpers import ROOT, environment
from tests.helpers import make_client as client_with_feed
from tests.promises import helpers as promises
from tests.promises.helpers import is_sound, killer_of, start_script
from xgserve.client import ServiceUnavailable, ServingClient

# A real season and many kills: XG_TEST_BACKFILL=seasons/2022-23.jsonl.xz XG_TEST_KILLS=50 pytest ... --timeout=3000
KILLS = int(os.environ.get("XG_TEST_KILLS", "2"))
SEASON = os.environ.get("XG_TEST_BACKFILL")
GAMES = 16 * BATCH
SHOTS = 3  # of each game


def finished(number: int) -> Game:
    plays = [
        play(50, "faceoff", 0, x=0, y=0),
        play(812, "shot-on-goal", 12, x=60, y=-(number % 40)),
        play(11, "missed-shot", 30, team=AWAY, x=-80, y=12),
        play(300, "goal", 55 + number, x=82, y=3),
    ]
    stands: dict[str, Any] = {"season": 20222023, "state": GameState.FINAL, "period": 3, "seconds_left": 0}
    return game(*plays, game_id=2022020000 + number, **stands)


def write_season(path: Path, games: int, first: int = 1) -> Path:
    line = json.dumps(as_feed(finished(0))) + "\n"
    with lzma.open(path, "wt", preset=0) as lines:
        lines.writelines(line.replace("2022020000", str(2022020000 + n)) for n in range(first, first + games))
    return path


@pytest.fixture
def workers() -> Iterator[Workers]:
    with ThreadPoolExecutor(2) as executor:
        yield Workers(executor, 2)


def make_client(data_dir: Path, url: str) -> GameClient:
    return GameClient(Feed("http://127.0.0.1:9"), ServingClient(url), History(data_dir / "history.db"), data_dir)


def run(client: GameClient, workers: Workers, *paths: Path) -> tuple[Progress, list[str]]:
    said: list[str] = []
    *_, last = Backfill(client, workers, said.append).run(find_sources(paths))
    return last, said


def contents(data_dir: Path, *but: str) -> dict[str, set[tuple[Any, ...]]]:
    assert is_sound(data_dir / "history.db")
    return promises.contents(data_dir / "history.db", *but)


def test_backfilled_game_equals_a_pinged_one(
    tmp_path: Path, feed: FeedServer, service: Service, workers: Workers
) -> None:
    season = write_season(tmp_path / "2022-23.jsonl.xz", BATCH + 2)
    progress, said = run(make_client(tmp_path / "filled", service.url), workers, season)
    assert (progress.stored, progress.scored, progress.failed, said) == (BATCH + 2, SHOTS * (BATCH + 2), 0, [])
    assert progress.done_bytes == progress.total_bytes
    pinging = client_with_feed(tmp_path / "pinged", feed.url, service.url)
    for number in range(1, BATCH + 3):
        feed.show(replace(finished(0), game_id=2022020000 + number))
        pinging.ping(2022020000 + number)
    assert contents(tmp_path / "filled", "fingerprint") == contents(tmp_path / "pinged", "fingerprint")


def test_games_complete_for_the_model_are_skipped(tmp_path: Path, service: Service, workers: Workers) -> None:
    client = make_client(tmp_path, service.url)
    season = write_season(tmp_path / "2022-23.jsonl.xz", 3)
    run(client, workers, season)
    progress, _ = run(client, workers, season)
    assert (progress.passed, progress.stored, progress.scored) == (3, 0, 0)
    assert progress.done_bytes == progress.total_bytes
    service.client.download_registry_model("bundled", "xg-distance")
    progress, _ = run(client, workers, season)
    assert (progress.passed, progress.stored, progress.scored) == (0, 3, 3 * SHOTS)
    assert service.rows_scored() == 6 * SHOTS


def test_ping_of_a_backfilled_answer_changes_nothing(tmp_path: Path, service: Service, workers: Workers) -> None:
    shown = as_feed(finished(1))
    (tmp_path / "2022020001.json").write_bytes(json.dumps(shown).encode())
    run(make_client(tmp_path, service.url), workers, tmp_path)
    with feed_server() as feed:
        feed.show(shown)
        client = GameClient(Feed(feed.url), ServingClient(service.url), History(tmp_path / "history.db"), tmp_path)
        assert not client.ping(2022020001).changed
    assert service.rows_scored() == SHOTS


def test_swap_during_backfill_is_reported_if_games_were_skipped(
    tmp_path: Path, service: Service, workers: Workers
) -> None:
    client = make_client(tmp_path, service.url)
    run(client, workers, write_season(tmp_path / "2021-22.jsonl.xz", 2, first=20))
    said: list[str] = []
    steps = Backfill(client, workers, said.append).run(
        [tmp_path / "2021-22.jsonl.xz", write_season(tmp_path / "2022-23.jsonl.xz", 2, first=10)]
    )
    next(steps)
    service.client.download_registry_model("bundled", "xg-distance")
    *_, progress = steps
    assert (progress.passed, progress.stored, progress.failed) == (2, 2, 1)
    assert "model has changed" in said[0]


def test_recordings_of_every_kind_are_found_and_each_game_stored_once(
    tmp_path: Path, service: Service, workers: Workers
) -> None:
    folder = tmp_path / "recordings"
    (folder / "20222023").mkdir(parents=True)
    write_season(folder / "2022-23.jsonl.xz", 2)
    moved = as_feed(replace(finished(2), seconds_left=1))
    (folder / "20222023" / "2022020002.json.gz").write_bytes(gzip.compress(json.dumps(moved).encode()))
    (folder / "20222023" / "2022020003.json.gz").write_bytes(gzip.compress(json.dumps(as_feed(finished(3))).encode()))
    (folder / "2022020004.json").write_text(dump_compact(finished(4)))
    progress, _ = run(make_client(tmp_path, service.url), workers, folder)
    assert (progress.stored, progress.scored) == (4, 4 * SHOTS)
    progress, _ = run(make_client(tmp_path, service.url), workers, folder / "2022020004.json", folder)
    assert (progress.passed, progress.stored) == (4, 0)
    with pytest.raises(FeedMalformed, match="no recorded games"):
        find_sources([tmp_path / "nowhere"])


def test_recording_from_before_the_end_does_not_replace_a_final_game(
    tmp_path: Path, service: Service, workers: Workers
) -> None:
    client = make_client(tmp_path, service.url)
    final = finished(1)
    early = tmp_path / "2022020001.json"
    early.write_text(json.dumps(as_feed(replace(final, state=GameState.LIVE, plays=final.plays[:2]))))
    run(client, workers, early)
    run(client, workers, write_season(tmp_path / "2022-23.jsonl.xz", 1))
    before = contents(tmp_path)
    progress, said = run(client, workers, early)
    assert (progress.stored, progress.failed) == (0, 0)
    assert said == ["game 2022020001: skipped, the recording ends before the game, which is final in the history"]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"columns": []}', b'{"columns": 1, "plays": 2}'])
def test_file_that_is_not_a_game_is_named(content: bytes, tmp_path: Path, service: Service, workers: Workers) -> None:
    (tmp_path / "2022020001.json").write_bytes(content)
    progress, said = run(make_client(tmp_path, service.url), workers, tmp_path)
    assert (progress.failed, len(said)) == (1, 1)
    assert "2022020001.json is not a recorded game" in said[0]


def test_bundled_sample_is_found_only_in_its_own_folder() -> None:
    assert [path.name for path in find_sources([SAMPLE_FOLDER])] == ["2021020329.json"]
    with pytest.raises(FeedMalformed, match="no recorded games"):
        find_sources([ROOT / "tests"])


def test_unreadable_recordings_are_named_and_the_rest_stored(
    tmp_path: Path, service: Service, workers: Workers
) -> None:
    good = write_season(tmp_path / "2022-23.jsonl.xz", 2)
    with lzma.open(tmp_path / "2021-22.jsonl.xz", "wt") as lines:
        lines.write('{"plays": 3}\n' + json.dumps(as_feed(finished(3))) + "\n")
    (tmp_path / "2020-21.jsonl.xz").write_bytes(good.read_bytes()[:-20])
    (tmp_path / "2022020009.json.gz").write_bytes(b"\x1f\x8b\x08 no gzip")
    (tmp_path / "2022020008.json").write_text("5")
    progress, said = run(make_client(tmp_path, service.url), workers, tmp_path)
    assert (progress.stored, progress.failed, progress.scored) == (3, 4, 3 * SHOTS)
    for words in ("2021-22.jsonl.xz, line 1", "2020-21.jsonl.xz cannot be read", "2022020009", "2022020008"):
        assert sum(words in line for line in said) == 1


def test_busy_game_is_waited_for_and_then_named(
    tmp_path: Path, service: Service, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(tmp_path, service.url)
    season = write_season(tmp_path / "2022-23.jsonl.xz", BATCH + 5)
    with ThreadPoolExecutor(1) as pinging:
        with game_lock(tmp_path, 2022020002, 1):
            steps = Backfill(client, workers, print).run([season])
            progress = next(steps)
            assert (progress.stored, progress.scored) == (BATCH - 1, SHOTS * (BATCH - 1))
            rest = pinging.submit(list, steps)
        rest.result()
    assert (progress.stored, progress.failed, service.rows_scored()) == (BATCH + 5, 0, SHOTS * (BATCH + 5))
    monkeypatch.setattr("livegame.recordings.backfill.LOCK_WAIT_S", 0.2)
    service.client.download_registry_model("bundled", "xg-distance")
    with game_lock(tmp_path, 2022020002, 1):
        progress, said = run(client, workers, season)
    assert (progress.stored, progress.failed) == (BATCH + 4, 1)
    assert "2022020002" in said[0]


def test_game_that_the_model_refuses_does_not_hold_up_the_others(
    tmp_path: Path, service: Service, workers: Workers
) -> None:
    untyped = play(812, "shot-on-goal", 12, shot_type=None)
    for number, plays in ((1, [untyped]), (2, [play(812, "shot-on-goal", 12)])):
        shown = game(*plays, game_id=2022020000 + number, state=GameState.FINAL)
        (tmp_path / f"{shown.game_id}.json").write_text(json.dumps(as_feed(shown)))
    client = GameClient(
        Feed("http://127.0.0.1:9"),
        ServingClient(service.url),
        History(tmp_path / "history.db"),
        tmp_path,
        {"distance": "shot_type"},  # a text where the model wants a number
    )
    progress, said = run(client, workers, tmp_path)
    assert (progress.stored, progress.scored, progress.failed, service.rows_scored()) == (1, 1, 1, 1)
    assert "2022020002" in said[0]
    assert "must be a number" in said[0]
    report = client.report(2022020002)
    assert report is not None
    assert report.pending == 1


def test_backfill_without_service_stops_and_leaves_shots_pending(
    tmp_path: Path, service: Service, workers: Workers
) -> None:
    season = write_season(tmp_path / "2022-23.jsonl.xz", 2)

    class Dying(ServingClient):
        def predict_rows(self, *arguments: Any, **more: Any) -> Any:
            self.base_url = "http://127.0.0.1:9"
            return super().predict_rows(*arguments, **more)

    client = GameClient(Feed("http://127.0.0.1:9"), Dying(service.url), History(tmp_path / "history.db"), tmp_path)
    with pytest.raises(ServiceUnavailable):
        run(client, workers, season)
    report = client.report(2022020001)
    assert report is not None
    assert report.pending == SHOTS
    progress, _ = run(make_client(tmp_path, service.url), workers, season)
    assert (progress.stored, progress.scored, service.rows_scored()) == (2, 2 * SHOTS, 2 * SHOTS)


def start(data_dir: Path, url: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.backfill", *map(str, arguments)],
        cwd=ROOT,
        env=environment(data_dir, "http://127.0.0.1:9", url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def stored_games(data_dir: Path) -> int:
    try:
        return len(History(data_dir / "history.db").fingerprints())
    except DatabaseError:  # it is just being made
        return 0


def wait_for_games(data_dir: Path, more_than: int, process: "subprocess.Popen[str]") -> None:
    give_up = time.monotonic() + 60
    while stored_games(data_dir) <= more_than and process.poll() is None:
        assert time.monotonic() < give_up, "nothing was stored in a minute"
        time.sleep(0.005)


def test_killed_backfill_resumes_where_it_was(tmp_path: Path, service: Service) -> None:
    # games of its own, since the service knows the answers to what was asked for others
    season = Path(SEASON) if SEASON else write_season(tmp_path / "2022-23.jsonl.xz", GAMES, first=1000)
    for kill in range(KILLS):
        process = start(tmp_path / "killed", service.url, season)
        wait_for_games(tmp_path / "killed", stored_games(tmp_path / "killed"), process)
        time.sleep(0.02 * (kill % 25))
        helpers = psutil.Process(process.pid).children() if process.poll() is None else []
        process.kill()
        process.communicate()
        _, alive = psutil.wait_procs(helpers, timeout=10)
        assert alive == [], "a worker outlived the backfill"
    before = stored_games(tmp_path / "killed")
    process = start(tmp_path / "killed", service.url, season)
    _, words = process.communicate(timeout=600)
    assert process.returncode == 0
    asked = service.rows_scored()
    process = start(tmp_path / "calm", service.url, season)
    process.communicate(timeout=600)
    stored = contents(tmp_path / "killed")
    rows = len(stored["predictions"])
    print(f"{KILLS} kills, {before} games were in; {asked - rows} of {rows} rows asked for twice; {words}")  # noqa: T201
    assert stored == contents(tmp_path / "calm")
    assert asked == rows


def test_rows_answered_but_not_stored_are_not_scored_again(tmp_path: Path) -> None:
    season = write_season(tmp_path / "2022-23.jsonl.xz", 3 * BATCH)
    victims: list[subprocess.Popen[str]] = []
    with running_service(tmp_path, killer_of(victims)) as service, feed_server() as feed:
        in_the_last_batch = 2022020000 + 3 * BATCH
        feed.show(replace(finished(0), game_id=in_the_last_batch))
        victims.append(start_script(environment(tmp_path / "data", feed.url, service.url), in_the_last_batch))
        assert victims[0].wait(30) == -signal.SIGKILL
        for _ in range(2):
            process = start(tmp_path / "data", service.url, season)
            victims.append(process)
            assert process.wait(60) == -signal.SIGKILL
        assert stored_games(tmp_path / "data") < 3 * BATCH
        process = start(tmp_path / "data", service.url, season)
        process.communicate(timeout=60)
        stored = contents(tmp_path / "data")["predictions"]
        assert len(stored) == service.rows_scored() == 3 * BATCH * SHOTS


def test_ping_or_rescore_after_a_killed_backfill_repeats_its_request(tmp_path: Path) -> None:
    season = write_season(tmp_path / "2022-23.jsonl.xz", 3)
    victims: list[subprocess.Popen[str]] = []
    data_dir = tmp_path / "data"
    with running_service(tmp_path, killer_of(victims)) as service, feed_server() as feed:
        victims.append(start(data_dir, service.url, season))
        assert victims[0].wait(60) == -signal.SIGKILL
        client = client_with_feed(data_dir, feed.url, service.url)
        first, second = (replace(finished(0), game_id=2022020000 + number) for number in (1, 2))
        feed.show(first)
        assert client.ping(first.game_id).scored == SHOTS
        History(data_dir / "history.db").record_all([game_update(second)])
        assert client.rescore([second.game_id], client.inputs_of(client.loaded_models()[0]), 1) == SHOTS
        assert service.rows_scored() == 3 * SHOTS
        process = start(data_dir, service.url, season)
        process.communicate(timeout=60)
        assert len(contents(data_dir)["predictions"]) == service.rows_scored() == 3 * SHOTS
    assert not list((data_dir / "locks").glob("*.questions"))


def test_backfill_waits_for_the_batch_of_another(
    tmp_path: Path, service: Service, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegame.lock.BATCH_WAIT_S", 0.2)
    season = write_season(tmp_path / "2022-23.jsonl.xz", 1, first=3000)
    with batch_lock(tmp_path), pytest.raises(BackfillBusy, match="another backfill"):
        run(make_client(tmp_path, service.url), workers, season)
    progress, _ = run(make_client(tmp_path, service.url), workers, season)
    assert progress.stored == 1


def test_busy_service_database_does_not_change_the_batches(tmp_path: Path, workers: Workers) -> None:
    """Any other batch of rows would be another request, and would be scored again."""
    refused: list[str] = []

    def busy_once_more(app: Any) -> Any:
        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            if environ["PATH_INFO"] == "/predict" and len(refused) in (1, 2):
                refused.append("503")
                environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
                start_response("503 Service Unavailable", [("Content-Type", "application/json"), ("Retry-After", "1")])
                return [b'{"error": {"code": "database_unavailable", "message": "busy; nothing was scored"}}']
            refused.extend(["answered"] * (environ["PATH_INFO"] == "/predict"))
            return app(environ, start_response)

        return answer

    class Dying(ServingClient):
        def predict_rows(self, *arguments: Any, **more: Any) -> Any:
            super().predict_rows(*arguments, **more)
            raise ServiceUnavailable("the answer is lost")

    season = write_season(tmp_path / "2022-23.jsonl.xz", BATCH)
    with running_service(tmp_path, busy_once_more) as service:
        dying = GameClient(Feed("http://127.0.0.1:9"), Dying(service.url), History(tmp_path / "history.db"), tmp_path)
        with pytest.raises(ServiceUnavailable, match="lost"):
            run(dying, workers, season)
        progress, said = run(make_client(tmp_path, service.url), workers, season)
        assert (progress.stored, progress.scored, said) == (BATCH, BATCH * SHOTS, [])
        assert service.rows_scored() == BATCH * SHOTS
    assert refused == ["answered", "503", "503", "answered"]


def test_incomplete_game_does_not_change_the_batches(tmp_path: Path) -> None:
    season = write_season(tmp_path / "2022-23.jsonl.xz", 8 * BATCH)
    with lzma.open(season, "rt") as file:
        first, *others = file.readlines()
    odd = json.loads(first)
    odd["plays"].append(odd["plays"][0] | {"eventId": "?"})
    with lzma.open(season, "wt", preset=0) as file:
        file.writelines([json.dumps(odd) + "\n", *others])
    victims: list[subprocess.Popen[str]] = []
    with running_service(tmp_path, killer_of(victims)) as service:
        process = start(tmp_path / "data", service.url, season)
        wait_for_games(tmp_path / "data", 0, process)
        victims.append(process)
        assert process.wait(60) == -signal.SIGKILL
        assert stored_games(tmp_path / "data") < 8 * BATCH
        start(tmp_path / "data", service.url, season).communicate(timeout=60)
        stored = contents(tmp_path / "data")["predictions"]
        assert len(stored) == service.rows_scored() == 8 * BATCH * SHOTS


def test_ctrl_c_stops_after_the_games_in_progress(tmp_path: Path, service: Service) -> None:
    season = write_season(tmp_path / "2022-23.jsonl.xz", GAMES, first=2000)
    process = start(tmp_path, service.url, season)
    wait_for_games(tmp_path, 0, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in words
    assert "Traceback" not in words
    done = stored_games(tmp_path)
    assert 0 < done < GAMES
    assert service.rows_scored() == done * SHOTS, "nothing was asked for that is not stored"
    process = start(tmp_path, service.url, season)
    _, words = process.communicate(timeout=60)
    assert (process.returncode, stored_games(tmp_path)) == (0, GAMES)
    assert f"{done} were complete" in words


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "words"),
    [
        (["nowhere"], {}, 2, "no recorded games"),
        (["SEASON"], {"XG_FEATURE_MAP": "/nowhere.json"}, 2, "feature map"),
        (["SEASON", "--cluster", "nonsense"], {}, 6, "Dask"),
        (["SEASON"], {"XG_SERVING_URL": "http://127.0.0.1:9"}, 4, "cannot be reached"),
        (["SEASON"], {"XG_DATA_DIR": "/proc/none"}, 5, "/proc/none"),
    ],
)
def test_each_kind_of_trouble_has_its_code_and_its_words(
    tmp_path: Path,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    environment: dict[str, str],
    code: int,
    words: str,
) -> None:
    season = write_season(tmp_path / "2022-23.jsonl.xz", 2)
    for name, value in ({"XG_DATA_DIR": str(tmp_path), "XG_SERVING_URL": service.url} | environment).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest's own are to stay
    try:
        found = backfill.main([str(season) if word == "SEASON" else word for word in arguments])
    except SystemExit as error:
        found = int(error.code or 0)
    assert (found, words in capfd.readouterr().err) == (code, True)


def test_deleted_recording_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FeedMalformed, match="cannot be read"):
        load_recording(tmp_path / "2022020001.json")
