"""Pings against a real feed, a real service and a real database: scored once, nothing lost, corrections followed."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from livegame.client import GameClient
from livegame.errors import FeatureMapError, FeedMalformed, GameBusy, UnknownFeatures
from livegame.features.rows import game_rows
from livegame.plays import GameState, Player, Team
from livegame.reports.game import GameReport
from livegame.scoring.inputs import ModelInputs, read_feature_map
from livegame.scoring.lock import game_lock
from tests.conftest import Service, running_service
from tests.games import AWAY, GAME_ID, HOME, FeedServer, game, play
from tests.helpers import make_client, statuses
from tests.xgserve.helpers import bundle, bundled_models, goals, shots
from xgserve.client import ServiceUnavailable, ServingError
from xgserve.contract import ColumnDescription, GoldenRow, LibraryVersions, ModelDescription

FACEOFF = play(50, "faceoff", 0, x=0, y=0)
SHOTS = [
    FACEOFF,
    play(812, "shot-on-goal", 12, x=60, y=-5),
    play(11, "missed-shot", 30, team=AWAY, x=-80, y=12),
    play(300, "goal", 55, x=82, y=3),
]


@pytest.fixture
def client(tmp_path: Path, feed: FeedServer, service: Service) -> GameClient:
    return make_client(tmp_path, feed.url, service.url)


def xg(report: GameReport | None) -> float:
    assert report is not None
    return report.home.counted.xg + report.away.counted.xg


def test_a_ping_scores_every_shot_and_reports_it(client: GameClient, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    ping = client.ping(str(GAME_ID))
    assert (ping.scored, ping.changed, service.rows_scored()) == (3, True, 3)
    assert ping.new_shots["event_id"].tolist() == [812, 11, 300]
    report = ping.report
    assert (report.title, report.status) == ("Washington Capitals at Carolina Hurricanes", "Period 1 - 12:35 left")
    home, away = report.home.counted, report.away.counted
    assert (home.shots, home.goals, away.shots, away.goals) == (2, 1, 1, 0)
    assert report.shots.columns[-1] == "probability"
    assert report.shots["probability"].between(0, 1).all()
    assert xg(report) == pytest.approx(report.shots["probability"].sum())
    assert report.home.counted.difference == pytest.approx(report.home.counted.xg - 1)
    active = service.client.model()
    assert report.model == active.id


def test_the_first_new_shot_knows_the_play_before_it(client: GameClient, feed: FeedServer) -> None:
    feed.show(game(*SHOTS[:2]))
    client.ping(GAME_ID)
    feed.show(game(*SHOTS))
    new = client.ping(GAME_ID).new_shots.set_index("event_id")
    assert new.loc[11, "prev_type"] == "shot-on-goal"
    assert new.loc[11, "prev_seconds"] == 18


def test_a_second_ping_asks_for_nothing(client: GameClient, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    client.ping(GAME_ID)
    again = client.ping(GAME_ID)
    assert (again.changed, again.scored, len(again.new_shots), service.rows_scored()) == (False, 0, 0, 3)


def test_an_answer_that_was_taken_is_not_read_again_until_something_else_is_different(
    tmp_path: Path, client: GameClient, feed: FeedServer, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.show(game(*SHOTS))
    first = client.ping(GAME_ID).report

    def seconds() -> int:
        """As stored of a shot, of which the feed says 12."""
        with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
            (stored,) = connection.execute("SELECT seconds FROM shots WHERE event_id = 812").fetchone()
            connection.execute("UPDATE shots SET seconds = 13 WHERE event_id = 812")
        return int(stored)

    assert seconds() == 12
    again = client.ping(GAME_ID)
    assert (again.changed, again.report.pinged_at > first.pinged_at, seconds()) == (False, True, 13)
    service.client.download_registry_model("bundled", "xg-distance")
    assert (client.ping(GAME_ID).scored, seconds()) == (3, 12)
    client.ping(GAME_ID)
    assert seconds() == 13
    with monkeypatch.context() as other_code:
        other_code.setattr("livegame.client.code_fingerprint", lambda: "other code")
        client.ping(GAME_ID)
    assert seconds() == 12
    client.ping(GAME_ID)
    assert seconds() == 12, "this is what the other code took"
    client.ping(GAME_ID)
    assert seconds() == 13
    feed.show(game(*SHOTS, seconds_left=754))
    client.ping(GAME_ID)
    assert seconds() == 12


def test_only_new_shots_are_asked_for_wherever_they_stand(
    client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    client.ping(GAME_ID)
    late = play(7, "shot-on-goal", 20, x=70, y=0)  # a lower number, in the middle
    feed.show(game(SHOTS[0], SHOTS[1], late, SHOTS[2], SHOTS[3]))
    assert client.ping(GAME_ID).new_shots["event_id"].tolist() == [7]
    assert service.rows_scored() == 4


def test_a_swap_scores_once_more_and_the_way_back_nothing(
    client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    first = client.ping(GAME_ID).report
    service.client.download_registry_model("bundled", "xg-distance")
    second = client.ping(GAME_ID)
    assert (second.scored, service.rows_scored()) == (3, 6)
    assert second.report.model != first.model
    assert xg(second.report) != xg(first)
    service.client.rollback()
    back = client.ping(GAME_ID)
    assert (back.scored, service.rows_scored()) == (0, 6)
    assert back.report.model == first.model
    assert xg(back.report) == pytest.approx(xg(first), abs=1e-9)


def test_pings_at_the_same_instant_ask_once(tmp_path: Path, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    clients = [make_client(tmp_path, feed.url, service.url) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda client: client.ping(GAME_ID), clients))
    assert service.rows_scored() == 3


def test_swaps_while_games_are_pinged_never_score_a_shot_twice_for_a_model(
    tmp_path: Path, feed: FeedServer, service: Service
) -> None:
    names = ["xg-distance", "xg-distance-angle", "xg-default"]
    stop = threading.Event()

    def swap() -> None:
        turn = 0
        while not stop.is_set():
            service.client.download_registry_model("bundled", names[turn % 3])
            turn += 1

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        client = make_client(tmp_path, feed.url, service.url)
        for last in range(2, 5):
            feed.show(game(*SHOTS[:last]))
            for _ in range(3):
                client.ping(GAME_ID)
    finally:
        stop.set()
        swapper.join()
    last_report = client.report(GAME_ID)
    assert last_report is not None
    by_model = [client.report(GAME_ID, model) for model in last_report.models]
    stored = sum(report.shots["probability"].notna().sum() for report in by_model if report is not None)
    assert service.rows_scored() == stored


def test_shots_wait_for_a_service_that_is_down_and_are_never_left_out(
    tmp_path: Path, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    client = make_client(tmp_path, feed.url, "http://127.0.0.1:9")
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        client.ping(GAME_ID)
    report = client.report(GAME_ID)
    assert report is not None
    assert (report.pending, report.model, xg(report)) == (3, None, 0)
    ping = make_client(tmp_path, feed.url, service.url).ping(GAME_ID)
    assert (ping.scored, len(ping.new_shots), ping.report.pending) == (3, 0, 0)


def test_a_feed_cut_off_half_way_changes_nothing(client: GameClient, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    before = client.ping(GAME_ID).report
    path = f"/v1/gamecenter/{GAME_ID}/play-by-play"
    feed.answer(path, feed.answers[path][2][:-100])
    with pytest.raises(FeedMalformed):
        client.ping(GAME_ID)
    after = client.report(GAME_ID)
    assert after is not None
    assert after.shots.equals(before.shots)


def test_a_goal_taken_back_and_a_shot_that_left_and_returned(
    client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    client.ping(GAME_ID)
    saved = play(300, "shot-on-goal", 55, x=82, y=3)
    feed.show(game(*SHOTS[:3], saved))
    ping = client.ping(GAME_ID)
    assert [(c.event_id, c.what) for c in ping.corrections] == [(300, "outcome")]
    assert ping.report.home.counted.goals == 0
    total = xg(ping.report)
    feed.show(game(*SHOTS[:3]))
    ping = client.ping(GAME_ID)
    assert statuses(ping) == {812: "scored", 11: "scored", 300: "retracted"}
    assert xg(ping.report) < total
    feed.show(game(*SHOTS[:3], saved))
    ping = client.ping(GAME_ID)
    assert xg(ping.report) == pytest.approx(total, abs=1e-9)
    assert service.rows_scored() == 3


def test_moved_coordinates_keep_the_prediction_and_mark_the_shot(
    client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    before = client.ping(GAME_ID).report
    feed.show(game(*SHOTS[:3], play(300, "goal", 55, x=60, y=30)))
    ping = client.ping(GAME_ID)
    assert statuses(ping)[300] == "amended"
    assert xg(ping.report) == pytest.approx(xg(before), abs=1e-9)
    assert service.rows_scored() == 3
    assert [(c.event_id, c.what) for c in ping.corrections] == [(300, "amended")]


def test_a_shot_with_missing_inputs_waits_for_them(client: GameClient, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS[:3], play(300, "goal", 55, x=None, y=None)))
    ping = client.ping(GAME_ID)
    assert (ping.scored, ping.report.pending, statuses(ping)[300]) == (2, 1, "pending")
    assert ping.report.shots.set_index("event_id").loc[300, "missing"] == "coordinates"
    feed.show(game(*SHOTS))
    ping = client.ping(GAME_ID)
    assert (ping.scored, ping.report.pending, statuses(ping)[300]) == (1, 0, "scored")
    assert ping.corrections == ()  # it was never scored with anything else
    assert service.rows_scored() == 3


def test_when_the_game_is_official_a_shot_is_scored_with_what_there_is(client: GameClient, feed: FeedServer) -> None:
    untyped = play(300, "goal", 55, x=82, y=3, shot_type=None)
    feed.show(game(*SHOTS[:3], untyped))
    assert client.ping(GAME_ID).report.pending == 1
    feed.show(game(*SHOTS[:3], untyped, state=GameState.OVER, period=3, seconds_left=0))
    over = client.ping(GAME_ID).report
    assert (over.pending, over.is_over, over.status) == (1, True, "Final, not official")
    feed.show(game(*SHOTS[:3], untyped, state=GameState.FINAL, period=3, seconds_left=0))
    assert client.ping(GAME_ID).report.pending == 0


def test_what_is_told_of_a_shot_after_the_horn_is_what_it_is_scored_with(client: GameClient, feed: FeedServer) -> None:
    horn = {"period": 3, "seconds_left": 0}
    feed.show(game(*SHOTS[:3], play(300, "goal", 55, x=None, y=None), state=GameState.OVER, **horn))
    client.ping(GAME_ID)
    feed.show(game(*SHOTS, state=GameState.FINAL, **horn))
    late = client.ping(GAME_ID)
    assert (late.scored, late.corrections, late.report.pending) == (1, (), 0)


def test_a_shot_of_somebody_who_is_not_on_the_roster_has_his_number(client: GameClient, feed: FeedServer) -> None:
    unknown = play(301, "goal", 70, shooter_id=8499998, goalie_id=8499999)
    feed.show(game(*SHOTS, unknown, players={}))
    report = client.ping(GAME_ID).report
    assert report.by_goalie[["goalie", "shots", "goals"]].values.tolist() == [["Player 8499999", 1, 1]]
    assert "Player 8499998" in set(report.by_shooter["shooter"])
    assert report.goals.iloc[-1][["shooter", "goalie"]].tolist() == ["Player 8499998", "Player 8499999"]
    named = {8499998: Player("Late Comer", HOME), 8499999: Player("Emergency Goalie", AWAY)}
    feed.show(game(*SHOTS, unknown, players=named))  # the roster comes late
    ping = client.ping(GAME_ID)
    assert (ping.corrections, ping.scored) == ((), 0)
    assert ping.report.by_goalie["goalie"].tolist() == ["Emergency Goalie"]


@pytest.mark.parametrize("table", ["predictions", "shots"])
def test_what_somebody_deletes_is_asked_for_again_though_the_feed_has_nothing_new(
    tmp_path: Path, client: GameClient, feed: FeedServer, table: str
) -> None:
    feed.show(game(*SHOTS, state=GameState.FINAL, period=3, seconds_left=0, home=Team(HOME, "CAR", "Carolina", 1)))
    before = xg(client.ping(GAME_ID).report)
    assert client.ping(GAME_ID).scored == 0
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("DELETE FROM predictions WHERE event_id = 300")
        if table == "shots":
            connection.execute("DELETE FROM shots WHERE event_id = 300")
    again = client.ping(GAME_ID)
    assert (again.scored, again.report.pending, xg(again.report)) == (1, 0, before)


def test_shootout_attempts_never_count(client: GameClient, feed: FeedServer, service: Service) -> None:
    shootout = play(900, "goal", 0, period=5, period_type="SO", situation="1010")
    feed.show(game(*SHOTS, shootout, home=Team(HOME, "CAR", "Carolina Hurricanes", 2)))
    report = client.ping(GAME_ID).report
    assert (report.home.counted.goals, report.home.score, service.rows_scored()) == (1, 2, 3)


def test_games_that_have_no_plays(client: GameClient, feed: FeedServer, service: Service) -> None:
    feed.show(game(state=GameState.NOT_STARTED, period=0))
    ping = client.ping(GAME_ID)
    assert (ping.report.status, len(ping.report.shots), ping.changed) == ("Not started", 0, False)
    assert service.rows_scored() == 0


def test_whoever_waits_too_long_is_told(client: GameClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livegame.client.LOCK_TIMEOUT_S", 0.2)
    with game_lock(tmp_path, GAME_ID, 1), pytest.raises(GameBusy, match="another process"):
        client.ping(GAME_ID)


def test_who_waits_while_others_ping_takes_what_they_stored(
    client: GameClient, tmp_path: Path, feed: FeedServer
) -> None:
    feed.show(game(*SHOTS))
    first = client.ping(GAME_ID)
    counter = tmp_path / "locks" / f"{GAME_ID}.pings"
    with pytest.raises(FeedMalformed):
        feed.answer(f"/v1/gamecenter/{GAME_ID}/play-by-play", b"<html>")
        client.ping(GAME_ID)
    assert counter.stat().st_size == 1, "only what ended well counts"
    asked = len(feed.requests)
    with ThreadPoolExecutor(1) as pool, game_lock(tmp_path, GAME_ID, 1):
        waiting = pool.submit(client.ping, GAME_ID)
        for completed in range(2, 100):
            time.sleep(0.1)
            assert completed > 3 or not waiting.done(), "the ping that was under way may have read the feed before"
            if waiting.done():
                break
            counter.write_bytes(b"." * completed)
        ping = waiting.result(0)
    assert (ping.changed, len(feed.requests)) == (False, asked)
    assert xg(ping.report) == pytest.approx(xg(first.report))


def model_of(column: str, population: str | None = None) -> ModelDescription:
    """A model with one column, as the service describes it."""
    return ModelDescription(
        id="x/y:1@sha256:0",
        workspace="x",
        model="y",
        version="1",
        digest="0" * 64,
        features=[ColumnDescription(column, "number", nullable=False)],
        sklearn_version=LibraryVersions(None, "1"),
        loaded_at="2024-01-01T00:00:00.000+00:00",
        golden_row=GoldenRow({column: 1}, 0.5),
        population=population,
        metrics=None,
        trained_on=None,
        warnings=[],
    )


def test_other_peoples_names_are_mapped_and_unknown_ones_refused(tmp_path: Path) -> None:
    wanted = model_of("shot_distance")
    with pytest.raises(UnknownFeatures, match="shot_distance"):
        ModelInputs.from_model(wanted, {})
    path = tmp_path / "map.json"
    path.write_text('{"shot_distance": "distance"}')
    inputs = ModelInputs.from_model(wanted, read_feature_map(path))
    assert inputs.inputs_of({"distance": 20}) == {"distance": 20}
    assert inputs.inputs_of({"distance": None}) is None  # the model cannot take a null
    assert (list(inputs.columns), inputs.as_row({"distance": 20})) == (["shot_distance"], [20])
    path.write_text('{"shot_distance": "no such feature"}')
    with pytest.raises(FeatureMapError, match="no such feature"):
        read_feature_map(path)
    path.write_text("[1]")
    with pytest.raises(FeatureMapError, match="JSON object"):
        read_feature_map(path)
    with pytest.raises(FeatureMapError, match="cannot read"):
        read_feature_map(tmp_path / "none.json")


def test_a_model_of_shots_on_goal_is_not_asked_for_misses() -> None:
    rows = game_rows(game(*SHOTS))
    assert list(ModelInputs.from_model(model_of("distance"), {}).unscored(rows, scored={812})) == [11, 300]
    assert list(ModelInputs.from_model(model_of("distance", "on-goal"), {}).unscored(rows, scored=set())) == [
        812,
        300,
    ]


def test_what_the_model_can_never_answer_is_asked_anew_when_the_league_corrects_it(
    tmp_path: Path, feed: FeedServer
) -> None:
    frame = shots().replace({"shot_type": {"tip": "snap"}})[["distance", "shot_type"]]
    encode = make_column_transformer((OneHotEncoder(handle_unknown="error"), ["shot_type"]), remainder="passthrough")
    bundle(tmp_path / "models", make_pipeline(encode, LogisticRegression()).fit(frame, goals(shots())))
    with bundled_models(tmp_path / "models"), running_service(tmp_path / "serving") as service:
        client = make_client(tmp_path, feed.url, service.url)
        feed.show(game(FACEOFF, play(812, "shot-on-goal", 12, shot_type="bat"), play(11, "goal", 30)))
        with pytest.raises(ServingError, match="is not a category that the model knows"):
            client.ping(GAME_ID)
        feed.show(game(FACEOFF, play(812, "shot-on-goal", 12, shot_type="slap"), play(11, "goal", 30)))
        assert (client.ping(GAME_ID).scored, service.rows_scored()) == (2, 2)
