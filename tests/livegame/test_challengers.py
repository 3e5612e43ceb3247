"""Challengers at a ping: each scores each shot once, and what one does wrong costs the active model nothing."""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from livegame.client import GameClient
from livegame.features.rows import game_update
from livegame.plays import Game, GameState, Play
from livegame.scoring.open_requests import PendingRequests
from tests.conftest import Service, running_service
from tests.games import AWAY, GAME_ID, FeedServer, game, play
from tests.helpers import make_client, reported
from tests.xgserve.helpers import bundle, bundled_models, goals, numeric_model, shots
from xgserve.app import App

FACEOFF = play(50, "faceoff", 0, x=0, y=0)
SHOTS = [
    FACEOFF,
    play(812, "shot-on-goal", 12, x=60, y=-5),
    play(11, "missed-shot", 30, team=AWAY, x=-80, y=12),
    play(300, "goal", 55, x=82, y=3),
]
LATE = play(301, "goal", 70, x=70, y=9)
CHALLENGERS = ("xg-distance", "xg-distance-angle")


@dataclass
class Proxy:
    """The service's app with its requests noted by route, and with faults for the requests to one model."""

    requests: list[str] = field(default_factory=list)
    faults: dict[str, Callable[[], None]] = field(default_factory=dict)  # by a part of the model's id
    answers: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)

    def wrap(self, app: App) -> Any:
        def proxied(environ: dict[str, Any], start_response: Any) -> Any:
            self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            asked = parse_qs(environ["QUERY_STRING"]).get("model", [""])[0]
            for part, fault in self.faults.items():
                if part in asked:
                    fault()
            for part, (status, body) in self.answers.items():
                if part in asked or part == environ["PATH_INFO"]:
                    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                    text = json.dumps(body).encode()
                    start_response(f"{status} Refused", [("Content-Length", str(len(text)))])
                    return [text]
            return app(environ, start_response)

        return proxied


def refusal(status: int, code: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"code": code, "message": f"refused: {code}", "loaded": []}}


@contextmanager
def proxied_service(tmp_path: Path) -> Iterator[tuple[Service, Proxy]]:
    proxy = Proxy()
    with running_service(tmp_path / "serving", proxy.wrap) as service:
        yield service, proxy


def load(service: Service, *names: str) -> list[str]:
    """Load bundled models as challengers, and return their ids."""
    return [
        service.client.download_registry_model("bundled", name, role="challenger").model.id
        for name in names or CHALLENGERS
    ]


def stored(tmp_path: Path) -> dict[str, int]:
    """Return how many predictions are stored, by model."""
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        return dict(connection.execute("SELECT model, count(*) FROM predictions GROUP BY model"))


@pytest.fixture
def client(tmp_path: Path, feed: FeedServer, service: Service) -> GameClient:
    return make_client(tmp_path, feed.url, service.url)


def test_each_shot_is_scored_once_by_the_active_model_and_by_each_challenger(
    tmp_path: Path, client: GameClient, feed: FeedServer, service: Service
) -> None:
    challengers = load(service)
    active = service.client.model().id
    feed.show(game(*SHOTS))
    ping = client.ping(GAME_ID)
    assert (ping.scored, ping.scored_by_challengers, ping.challenger_problems) == (3, 6, ())
    assert stored(tmp_path) == dict.fromkeys([active, *challengers], 3)
    feed.show(game(*SHOTS, LATE))
    later = client.ping(GAME_ID)
    assert (later.new, later.scored, later.scored_by_challengers) == ((301,), 1, 2)
    assert service.rows_scored() == 12
    assert not list((tmp_path / "locks").glob("*.questions"))


@pytest.mark.parametrize("shown", [SHOTS, (*SHOTS, LATE)], ids=["the same", "one more shot"])
def test_request_whose_answers_were_stored_before_its_ping_died_is_closed_by_the_next(
    tmp_path: Path, client: GameClient, feed: FeedServer, service: Service, shown: Sequence[Play]
) -> None:
    (challenger,) = load(service, "xg-distance")
    feed.show(game(*SHOTS))
    client.ping(GAME_ID)
    PendingRequests(tmp_path, GAME_ID).next(challenger, {(GAME_ID, 812): {"distance": 1.0}})
    feed.show(game(*shown))
    client.ping(GAME_ID)
    assert not list((tmp_path / "locks").glob("*.questions"))


def test_numbers_are_those_of_the_active_model_alone(
    tmp_path: Path, client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    alone = make_client(tmp_path / "alone", feed.url, service.url)
    before = reported(alone, alone.ping(GAME_ID))
    load(service)
    after = reported(client, client.ping(GAME_ID))
    assert (after.model, after.latest_model) == (before.model, before.model)
    assert (after.home, after.away, after.pending) == (before.home, before.away, 0)
    assert len(after.models) == 3


def test_quiet_ping_makes_one_request_to_the_service(tmp_path: Path, feed: FeedServer) -> None:
    with proxied_service(tmp_path) as (service, proxy):
        load(service)
        client = make_client(tmp_path, feed.url, service.url)
        feed.show(game(*SHOTS))
        client.ping(GAME_ID)
        proxy.requests.clear()
        assert not client.ping(GAME_ID).changed
        assert proxy.requests == ["GET /model"]
        feed.show(game(*SHOTS, LATE))
        proxy.requests.clear()
        client.ping(GAME_ID)
        assert proxy.requests == ["GET /model"] + 3 * ["POST /predict"], "what the challengers expect is known"


def test_new_challenger_scores_an_unchanged_game_once_at_the_next_ping(
    client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    client.ping(GAME_ID)
    (challenger,) = load(service, "xg-distance")
    ping = client.ping(GAME_ID)
    assert (ping.changed, ping.scored, ping.scored_by_challengers, service.rows_scored()) == (False, 0, 3, 6)
    assert client.ping(GAME_ID).scored_by_challengers == 0
    service.client.drop_challenger(challenger)
    client.ping(GAME_ID)
    load(service, "xg-distance")
    client.ping(GAME_ID)
    assert service.rows_scored() == 6, "it has scored them before"


def test_new_challenger_does_not_wait_for_the_end_of_a_fresh_answer(
    client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS), Cache_Control="max-age=20")
    client.ping(GAME_ID)
    load(service, "xg-distance")
    assert client.ping(GAME_ID).scored_by_challengers == 3


def test_promotion_moves_the_sums_and_scores_nothing(client: GameClient, feed: FeedServer, service: Service) -> None:
    first, _ = load(service)
    former = service.client.model().id
    feed.show(game(*SHOTS))
    client.ping(GAME_ID)
    challenger = client.report(GAME_ID, first)
    assert challenger is not None
    service.client.promote(first)
    ping = client.ping(GAME_ID)
    report = reported(client, ping)
    assert (ping.scored, ping.scored_by_challengers, service.rows_scored()) == (0, 0, 9)
    assert (report.model, report.pending, report.home.counted) == (first, 0, challenger.home.counted)
    service.client.rollback()
    back = client.ping(GAME_ID)
    assert (reported(client, back).model, service.rows_scored()) == (former, 9)
    assert client.ping(GAME_ID).scored == 0


@pytest.mark.parametrize(
    ("answer", "logged"),
    [
        (refusal(503, "model_failed"), 1),
        (refusal(503, "challengers_busy"), 1),
        (refusal(422, "invalid_frame"), 1),
        (refusal(404, "model_not_loaded"), 0),
        ((200, {"predictions": [], "index": [], "model": {}}), 1),
    ],
    ids=["fails", "busy", "refuses rows", "dropped meanwhile", "nonsense"],
)
def test_challenger_that_fails_costs_nobody_else_anything_and_is_asked_again(
    tmp_path: Path, feed: FeedServer, answer: tuple[int, dict[str, Any]], logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "livegame")
    with proxied_service(tmp_path) as (service, proxy):
        bad, good = load(service)
        active = service.client.model().id
        client = make_client(tmp_path, feed.url, service.url)
        proxy.answers[bad] = answer
        for number in range(2, 5):
            feed.show(game(*SHOTS[:number]))
            ping = client.ping(GAME_ID)
            assert (ping.scored, ping.scored_by_challengers) == (1, 1)
            assert [bad in problem for problem in ping.challenger_problems] == [True]
        assert stored(tmp_path) == {active: 3, good: 3}
        assert sum(bad in record.getMessage() for record in caplog.records) == logged
        proxy.answers.clear()
        assert client.ping(GAME_ID).scored_by_challengers == 3
        assert stored(tmp_path) == {active: 3, good: 3, bad: 3}
        assert service.rows_scored() == 9
        proxy.requests.clear()
        client.ping(GAME_ID)
        assert proxy.requests == ["GET /model"]
    assert not list((tmp_path / "locks").glob("*.questions"))


def test_hanging_challenger_delays_a_ping_by_a_bounded_time_and_its_answer_is_fetched_later(
    tmp_path: Path, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegame.client.PING_S", 8.0)  # half of it for each
    released, waited = threading.Event(), list[bool]()
    with proxied_service(tmp_path) as (service, proxy):
        bad, good = load(service)
        active = service.client.model().id
        client = make_client(tmp_path, feed.url, service.url)
        proxy.faults[bad] = lambda: waited.append(released.wait(60))
        try:
            feed.show(game(*SHOTS[:3]))
            ping = client.ping(GAME_ID)
            assert (ping.scored, ping.scored_by_challengers) == (2, 2), "the other challenger has its own share"
            proxy.requests.clear()
            feed.show(game(*SHOTS))
            assert (client.ping(GAME_ID).scored, len(proxy.requests)) == (1, 3), "it is left alone for a while"
        finally:
            released.set()
        monkeypatch.setattr("livegame.client.PING_S", 60.0)
        make_client(tmp_path, feed.url, service.url).ping(GAME_ID)
        assert stored(tmp_path) == dict.fromkeys((active, good, bad), 3)
        assert service.rows_scored() == 9


def test_ping_that_runs_out_of_time_at_a_challenger_stores_the_active_models_numbers(
    tmp_path: Path, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OutOfTime(BaseException):
        pass

    with proxied_service(tmp_path) as (service, _):
        bad, good = load(service)
        client = make_client(tmp_path, feed.url, service.url)
        serving = client._scorer._serving
        predict_rows = serving.predict_rows

        def interrupted(*arguments: Any, **named: Any) -> Any:
            answer = predict_rows(*arguments, **named)
            if named["model"] == bad:
                raise OutOfTime
            return answer

        monkeypatch.setattr(serving, "predict_rows", interrupted)
        feed.show(game(*SHOTS))
        with pytest.raises(OutOfTime):
            client.ping(GAME_ID)
        active = service.client.model().id
        assert stored(tmp_path) == {active: 3}
        make_client(tmp_path, feed.url, service.url).ping(GAME_ID)
        assert stored(tmp_path) == dict.fromkeys((active, bad, good), 3)
        assert service.rows_scored() == 9, "the answer that was lost is kept by the service"


def test_challenger_with_unknown_columns_is_reported_once_and_never_asked(
    tmp_path: Path, feed: FeedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "livegame")
    frame = shots().rename(columns={"distance": "shot_speed"})
    bundle(tmp_path / "models", numeric_model(("distance",)))
    bundle(tmp_path / "models", LogisticRegression().fit(frame[["shot_speed"]], goals(shots())), name="foreign")
    with bundled_models(tmp_path / "models"), proxied_service(tmp_path) as (service, proxy):
        load(service, "foreign")
        client = make_client(tmp_path, feed.url, service.url)
        for number in (3, 4):
            feed.show(game(*SHOTS[:number]))
            ping = client.ping(GAME_ID)
            assert (ping.scored > 0, ping.scored_by_challengers) == (True, 0)
            assert ["shot_speed" in problem for problem in ping.challenger_problems] == [True]
        assert sum("shot_speed" in record.getMessage() for record in caplog.records) == 1
        proxy.requests.clear()
        client.ping(GAME_ID)
        assert proxy.requests == ["GET /model"], "nothing is left to do"


def test_challengers_that_cannot_be_described_are_asked_later(tmp_path: Path, feed: FeedServer) -> None:
    with proxied_service(tmp_path) as (service, proxy):
        load(service)
        client = make_client(tmp_path, feed.url, service.url)
        proxy.answers["/challengers"] = refusal(500, "internal")
        feed.show(game(*SHOTS))
        ping = client.ping(GAME_ID)
        assert (ping.scored, ping.scored_by_challengers, len(ping.challenger_problems)) == (3, 0, 2)
        proxy.answers.clear()
        assert client.ping(GAME_ID).scored_by_challengers == 6


def test_challenger_for_shots_on_goal_completes_a_game_without_its_misses(tmp_path: Path, feed: FeedServer) -> None:
    bundle(tmp_path / "models", numeric_model(("distance",)))
    bundle(tmp_path / "models", numeric_model(("distance",), 0.1), name="on-goal", population="on-goal")
    with bundled_models(tmp_path / "models"), proxied_service(tmp_path) as (service, proxy):
        service.client.download_registry_model("bundled", "on-goal", role="challenger")
        client = make_client(tmp_path, feed.url, service.url)
        feed.show(game(*SHOTS))
        ping = client.ping(GAME_ID)
        assert (ping.scored, ping.scored_by_challengers) == (3, 2)
        proxy.requests.clear()
        client.ping(GAME_ID)
        assert proxy.requests == ["GET /model"]


def recorded_games(number: int) -> list[Game]:
    return [game(*SHOTS, state=GameState.FINAL, game_id=GAME_ID + offset) for offset in range(number)]


def test_backfill_has_challengers_score_each_shot_once(client: GameClient, service: Service) -> None:
    updates = [game_update(one, f"digest {one.game_id}") for one in recorded_games(3)]
    load(service)
    found = client.record(updates, 20)
    assert [(one.scored, one.scored_by_challengers) for one in found] == [(3, 6)] * 3
    again = client.record(updates, 20)
    assert [(one.scored, one.scored_by_challengers) for one in again] == [(0, 0)] * 3
    assert service.rows_scored() == 27
    lookup = client.already_recorded()
    assert [lookup(f"digest {one.game.game_id}") for one in updates] == [one.game.game_id for one in updates]


def test_backfill_with_rows_that_a_challenger_refuses_leaves_out_their_game_alone(tmp_path: Path) -> None:
    frame = shots()
    frame = frame.assign(shot_type=frame["shot_type"].replace({"slap": "snap"}))
    strict = make_pipeline(make_column_transformer((OneHotEncoder(), ["shot_type"])), LogisticRegression())
    bundle(tmp_path / "models", numeric_model(("distance",)))
    bundle(tmp_path / "models", strict.fit(frame[["shot_type"]], goals(frame)), name="strict")
    odd = [FACEOFF, play(812, "shot-on-goal", 12, x=60, y=-5, shot_type="bat")]
    games = recorded_games(3)
    games[1] = game(*odd, state=GameState.FINAL, game_id=GAME_ID + 1)
    with bundled_models(tmp_path / "models"), proxied_service(tmp_path) as (service, _):
        (challenger,) = load(service, "strict")
        client = make_client(tmp_path, "http://127.0.0.1:9", service.url)
        found = client.record([game_update(one, f"digest {one.game_id}") for one in games], 20)
        assert [one.scored for one in found] == [3, 1, 3]
        assert [one.scored_by_challengers for one in found] == [3, 0, 3]
        assert [len(one.challenger_problems) for one in found] == [0, 1, 0]
        assert stored(tmp_path)[challenger] == 6
        lookup = client.already_recorded()
        assert [lookup(f"digest {one.game_id}") for one in games] == [GAME_ID, None, GAME_ID + 2]


def test_swaps_promotions_and_drops_during_pings_never_score_a_shot_twice_per_model(
    tmp_path: Path, feed: FeedServer, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegame.client.PING_S", 60.0)
    names = ["xg-default", *CHALLENGERS]
    stop = threading.Event()

    def change() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            loaded = service.client.model().challengers
            if turn % 4 == 0 and loaded:
                service.client.drop_challenger(loaded[0])
            elif turn % 4 == 1 and loaded:
                service.client.promote(loaded[-1], keep=turn % 8 == 1)
            elif service.client.model().model != names[turn % 3]:
                service.client.download_registry_model("bundled", names[turn % 3], role="challenger")
            time.sleep(0.01)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        client = make_client(tmp_path, feed.url, service.url)
        for last in range(2, 5):
            feed.show(game(*SHOTS[:last]))
            for _ in range(6):
                client.ping(GAME_ID)
    finally:
        stop.set()
        changer.join()
    assert service.rows_scored() == sum(stored(tmp_path).values())
