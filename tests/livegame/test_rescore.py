"""Rescoring: further models score stored games, each shot once, whatever ends it and whatever pings meanwhile."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from livegame.client import GameClient
from livegame.errors import RescoreRunning
from livegame.features.rows import game_update
from livegame.lock import game_lock
from livegame.plays import Game, GameState, Shot
from livegame.rescore import BATCH, FIRST_BATCH, Progress, Rescore, next_size
from livegame.scoring.inputs import ModelInputs
from livegame.scoring.open_requests import PendingRequests
from tests.conftest import Service, running_service
from tests.games import AWAY, game, play
from tests.helpers import NOWHERE, ROOT, environment, make_client, record
from tests.promises.helpers import contents, is_sound, killer_of
from xgserve.client import ServingError

SHOTS = 3  # of each game


def finished(number: int, **more: Any) -> Game:
    plays = [
        play(50, "faceoff", 0, x=0, y=0),
        play(812, "shot-on-goal", 12, x=60, y=-(number % 40)),
        play(11, "missed-shot", 30, team=AWAY, x=-80, y=12),
        play(300, "goal", 55 + number, x=82, y=3),
    ]
    stands: dict[str, Any] = {"season": 20222023, "state": GameState.FINAL, "period": 3, "seconds_left": 0}
    # no other test has these ids: all share a service, which answers the same rows of the same game from its store
    return game(*plays, **(stands | {"game_id": 2022021000 + number} | more))


@pytest.fixture(autouse=True)
def _imported_without_challengers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give challengers no time when games are recorded, so that something is left to rescore."""
    monkeypatch.setattr("livegame.client.BATCH_S", 0.0)


@pytest.fixture
def challenger(service: Service) -> Iterator[str]:
    """Load a challenger; return its id."""
    model = service.client.download_registry_model("bundled", "xg-distance", role="challenger").model.id
    yield model
    service.client.drop_challenger(model)


@pytest.fixture
def client(tmp_path: Path, service: Service) -> GameClient:
    return make_client(tmp_path, NOWHERE, service.url)


def inputs_of(client: GameClient, model_id: str) -> ModelInputs:
    return next(client.inputs_of(model) for model in client.loaded_models() if model.id == model_id)


def rescore(client: GameClient, model_id: str, **which: Any) -> tuple[Progress, list[str]]:
    """Rescore by a model; return the progress at the end, and what was complained of."""
    said: list[str] = []
    *_, progress = Rescore(client, inputs_of(client, model_id), said.append).run(**which)
    return progress, said


def predictions(data_dir: Path, model: str) -> int:
    with closing(sqlite3.connect(data_dir / "history.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM predictions WHERE model = ?", (model,)).fetchone()[0])


def test_each_shot_is_scored_once_in_batches_and_nothing_else_of_the_games_changes(
    tmp_path: Path, client: GameClient, service: Service, challenger: str
) -> None:
    games = BATCH + 3
    client.record([game_update(finished(number), "digest") for number in range(1, games + 1)], 0)
    kept = ("games", "shots", "manpower", "corrections")
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        before = [connection.execute(f"SELECT * FROM {table}").fetchall() for table in kept]
        asked = service.rows_scored()
        assert rescore(client, challenger) == (Progress(games, games, SHOTS * games), [])
        assert service.rows_scored() - asked == SHOTS * games == predictions(tmp_path, challenger)
        assert [connection.execute(f"SELECT * FROM {table}").fetchall() for table in kept] == before
    assert is_sound(tmp_path / "history.db")
    assert rescore(client, challenger) == (Progress(0), [])
    assert service.rows_scored() - asked == SHOTS * games
    assert not list((tmp_path / "locks").glob("*.questions"))


def test_rescored_games_equal_those_scored_when_they_were_imported(
    tmp_path: Path, service: Service, challenger: str
) -> None:
    later, together = (make_client(tmp_path / name, NOWHERE, service.url) for name in ("later", "together"))
    for number in (1, 2):
        record(later, finished(number))
    rescore(later, challenger)
    service.client.promote(challenger, keep=True)
    for number in (1, 2):
        record(together, finished(number))
    rescore(together, service.client.challengers().challengers[0].id)
    service.client.promote(service.client.challengers().challengers[0].id, keep=True)
    found, expected = (contents(tmp_path / name / "history.db", "model") for name in ("later", "together"))
    assert found["predictions"] == expected["predictions"]
    assert found["game_totals"] == expected["game_totals"]


def test_only_the_named_season_and_dates_are_scored(client: GameClient, tmp_path: Path, challenger: str) -> None:
    record(client, finished(1, season=20212022))
    record(client, finished(2, start_time="2022-10-12T18:00:00Z"))
    record(client, finished(3, start_time="2022-11-28T02:00:00Z"))  # the evening of the 27th in New York
    record(client, finished(4, start_time="2022-11-28T18:00:00Z"))
    assert rescore(client, challenger, since="2022-11-28")[0].scored == SHOTS
    assert rescore(client, challenger, season=20222023)[0].scored == 2 * SHOTS
    assert rescore(client, challenger)[0].scored == SHOTS
    assert predictions(tmp_path, challenger) == 4 * SHOTS


def test_shot_without_inputs_that_the_model_requires_stays_pending_until_the_game_is_official(
    client: GameClient, challenger: str
) -> None:
    without = replace(finished(1), state=GameState.LIVE, plays=(play(7, "goal", 9, x=None, y=None), play(8, "goal", 9)))
    record(client, without)
    assert rescore(client, challenger)[0] == Progress(1, 1, 1)
    assert rescore(client, challenger)[0] == Progress(1, 1, 0)


def test_game_that_is_being_pinged_is_left_to_the_end_and_named_if_it_stays_busy(
    client: GameClient, tmp_path: Path, challenger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegame.rescore.LOCK_WAIT_S", 0.1)
    for number in (1, 2, 3):
        record(client, finished(number))
    with game_lock(tmp_path, 2022021002, 0):
        progress, said = rescore(client, challenger)
    assert progress == Progress(3, 3, 2 * SHOTS, 1)
    assert [words[:17] for words in said] == ["game 2022021002: "]
    assert rescore(client, challenger) == (Progress(1, 1, SHOTS), [])


def test_shot_that_the_service_refuses_does_not_hold_up_other_games(
    client: GameClient, tmp_path: Path, challenger: str
) -> None:
    for number in (1, 2, 3):
        record(client, finished(number))
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute(
            "UPDATE shots SET features = json_set(features, '$.distance', 'far') WHERE game_id = 2022021002"
        )
    progress, said = rescore(client, challenger)
    assert progress == Progress(3, 3, 2 * SHOTS, 1)
    assert len(said) == 1
    assert "game 2022021002" in said[0]
    assert "distance" in said[0]
    assert not list((tmp_path / "locks").glob("*.questions"))


def test_request_of_a_ping_that_died_is_repeated_as_it_was(
    client: GameClient, tmp_path: Path, service: Service, challenger: str
) -> None:
    record(client, finished(1))
    record(client, finished(2))
    model = inputs_of(client, challenger)
    shots = game_update(finished(1)).shots[:2]
    ready = {(2022021001, shot.event_id): inputs for shot in shots if (inputs := model.inputs_of(shot.features))}
    request = PendingRequests(tmp_path, 2022021001).next(challenger, ready)
    rows = [model.as_row(inputs) for inputs in ready.values()]
    service.client.predict_rows(list(model.columns), rows, model=challenger, idempotency_key=request.key)
    asked = service.rows_scored()
    assert rescore(client, challenger)[0] == Progress(2, 2, 2 * SHOTS)
    assert service.rows_scored() - asked == 2 * SHOTS - len(ready)
    assert not list((tmp_path / "locks").glob("*.questions"))


def test_dropped_model_ends_the_rescore_with_the_service_s_words(
    client: GameClient, service: Service, challenger: str
) -> None:
    for number in range(BATCH + 1):
        record(client, finished(number))
    steps = Rescore(client, inputs_of(client, challenger), print).run()
    next(steps)
    next(steps)
    service.client.drop_challenger(challenger)
    with pytest.raises(ServingError, match="not loaded"):
        next(steps)
    service.client.download_registry_model("bundled", "xg-distance", role="challenger")


def test_batches_of_a_slow_model_shrink_so_that_pings_need_not_wait_for_them() -> None:
    sizes = [FIRST_BATCH]
    for seconds_per_game in [0.01] * 5 + [1.0] * 6:
        sizes.append(next_size(sizes[-1], sizes[-1] * seconds_per_game))
    assert sizes == [8, 16, 32, 64, 64, 64, 16, 4, 4, 4, 4, 4]
    assert next_size(1, 60.0) == 1


def test_second_rescore_of_a_data_folder_is_refused(client: GameClient, tmp_path: Path) -> None:
    with (
        client.rescoring(),
        pytest.raises(RescoreRunning),
        make_client(tmp_path, NOWHERE, NOWHERE).rescoring(),
    ):
        pass


def command(data_dir: Path, url: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.rescore", *arguments],
        cwd=ROOT,
        env=environment(data_dir, serving_url=url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_rescore_killed_after_each_answer_scores_nothing_twice_whatever_changed_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service kills the command before its answers are stored; then the league moves and adds shots.

    The challenger scores those of a game of which it was not asked yet, and of one whose answer was lost.
    """
    monkeypatch.setattr("livegame.client.BATCH_S", 60.0)
    victims: list[subprocess.Popen[str]] = []
    games = 2 * BATCH + 5
    with running_service(tmp_path, killer_of(victims)) as service:
        client = make_client(tmp_path / "data", NOWHERE, service.url)
        client.record([game_update(finished(number)) for number in range(1, games + 1)], 0)
        challenger = service.client.download_registry_model("bundled", "xg-distance", role="challenger").model.id
        asked = service.rows_scored()
        for number in (1, games):  # of the last batch, and of the first
            popen = command(tmp_path / "data", service.url)
            victims.append(popen)
            popen.wait(60)
            assert predictions(tmp_path / "data", challenger) == (0 if number == 1 else SHOTS + 1)
            moved = finished(number)
            shots = [
                replace(one, x=40) if isinstance(one, Shot) and one.event_id == 300 else one for one in moved.plays
            ]
            record(client, replace(moved, plays=(*shots, play(13, "goal", 90))))
        ended = command(tmp_path / "data", service.url)
        _, stderr = ended.communicate(timeout=120)
        assert (ended.returncode, stderr.count("\n")) == (0, 1)
        added = 2  # rated by the active model as well
        assert predictions(tmp_path / "data", challenger) == SHOTS * games + added
        assert service.rows_scored() - asked == SHOTS * games + 2 * added
        assert not list((tmp_path / "data" / "locks").glob("*.questions"))
        with closing(sqlite3.connect(tmp_path / "data" / "history.db")) as connection:
            amended = connection.execute(
                "SELECT count(*) FROM predictions WHERE amended_at IS NOT NULL AND model = ?", (challenger,)
            ).fetchone()
        assert amended == (1,)  # the shot of the first batch that was moved after it was rated
        assert is_sound(tmp_path / "data" / "history.db")


def test_command_rates_by_all_challengers_and_says_which_is_better(
    tmp_path: Path, client: GameClient, service: Service, challenger: str
) -> None:
    record(client, finished(1))
    ended = command(tmp_path, service.url)
    stdout, stderr = ended.communicate(timeout=60)
    assert (ended.returncode, stderr) == (0, f"{challenger}: 1 game, 3 shots rated\n")
    assert stdout.startswith(
        "Too early to tell: bundled/xg-default:1.0.0 and bundled/xg-distance:1.0.0 have both rated"
    )
    assert predictions(tmp_path, challenger) == SHOTS


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 0, "the service has no challengers; load one on the Service page"),
        (("--model", "bundled/nobody:1.0.0"), 2, "the service has not loaded bundled/nobody:1.0.0; it has bundled/xg"),
        (("--model", "bundled/xg-default:1.0.0"), 0, "0 games, 0 shots rated"),
        (("--since", "yesterday"), 2, "must be a date such as 2022-10-01"),
        (("--season", "2022"), 2, "must be two consecutive years"),
    ],
)
def test_command_says_what_it_cannot_do(
    tmp_path: Path, service: Service, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ended = command(tmp_path, service.url, *arguments)
    _, stderr = ended.communicate(timeout=60)
    assert ended.returncode == code
    assert words in stderr


def test_command_without_a_service_ends_with_the_code_of_the_service(tmp_path: Path) -> None:
    ended = command(tmp_path, NOWHERE)
    _, stderr = ended.communicate(timeout=60)
    assert (ended.returncode, stderr.count("\n")) == (4, 1)
