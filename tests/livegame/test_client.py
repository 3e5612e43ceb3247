"""Pings with a real feed, service and database: scored once, nothing lost, corrections recorded."""

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
from livegame.features.rows import game_update
from livegame.lock import game_lock
from livegame.plays import GameState, Player, Team
from livegame.reports.game import GameReport
from livegame.scoring.inputs import ModelInputs, read_feature_map
from tests.conftest import Service, running_service
from tests.games import AWAY, GAME_ID, HOME, FeedServer, game, play
from tests.helpers import make_client, reported, statuses
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


def test_ping_of_new_game_scores_and_reports_every_shot(client: GameClient, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    ping = client.ping(str(GAME_ID))
    assert (ping.scored, ping.changed, service.rows_scored()) == (3, True, 3)
    assert ping.new == (812, 11, 300)
    report = reported(client, ping)
    assert (report.title, report.status) == ("Washington Capitals at Carolina Hurricanes", "Period 1 - 12:35 left")
    home, away = report.home.counted, report.away.counted
    assert (home.shots, home.goals, away.shots, away.goals) == (2, 1, 1, 0)
    assert report.shots.columns[-1] == "probability"
    assert report.shots["probability"].between(0, 1).all()
    assert xg(report) == pytest.approx(report.shots["probability"].sum())
    assert report.home.counted.difference == pytest.approx(report.home.counted.xg - 1)
    active = service.client.model()
    assert report.model == active.id


def test_first_new_shot_has_features_of_the_play_before_it(client: GameClient, feed: FeedServer) -> None:
    feed.show(game(*SHOTS[:2]))
    client.ping(GAME_ID)
    feed.show(game(*SHOTS))
    new = reported(client, client.ping(GAME_ID)).shots.set_index("event_id")
    assert new.loc[11, "prev_type"] == "shot-on-goal"
    assert new.loc[11, "prev_seconds"] == 18


def test_second_ping_of_unchanged_game_scores_nothing(client: GameClient, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    client.ping(GAME_ID)
    again = client.ping(GAME_ID)
    assert (again.changed, again.scored, len(again.new), service.rows_scored()) == (False, 0, 0, 3)


def test_recorded_answer_is_read_again_only_under_another_model_code_or_answer(
    tmp_path: Path, client: GameClient, feed: FeedServer, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.show(game(*SHOTS))
    first = reported(client, client.ping(GAME_ID))

    def seconds() -> int:
        """Return the stored seconds of a shot (12 in the feed), then store 13."""
        with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
            (stored,) = connection.execute("SELECT seconds FROM shots WHERE event_id = 812").fetchone()
            connection.execute("UPDATE shots SET seconds = 13 WHERE event_id = 812")
        return int(stored)

    assert seconds() == 12
    again = client.ping(GAME_ID)
    assert (again.changed, reported(client, again).pinged_at > first.pinged_at, seconds()) == (False, True, 13)
    service.client.download_registry_model("bundled", "xg-distance")
    assert (client.ping(GAME_ID).scored, seconds()) == (3, 12)
    client.ping(GAME_ID)
    assert seconds() == 13
    with monkeypatch.context() as other_code:
        other_code.setattr("livegame.scoring.scorer.code_fingerprint", lambda: "other code")
        client.ping(GAME_ID)
    assert seconds() == 12
    client.ping(GAME_ID)
    assert seconds() == 12, "this is what the other code took"
    client.ping(GAME_ID)
    assert seconds() == 13
    feed.show(game(*SHOTS, seconds_left=754))
    client.ping(GAME_ID)
    assert seconds() == 12


def test_new_shot_in_the_middle_is_the_only_one_scored(client: GameClient, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    client.ping(GAME_ID)
    late = play(7, "shot-on-goal", 20, x=70, y=0)  # a lower number, in the middle
    feed.show(game(SHOTS[0], SHOTS[1], late, SHOTS[2], SHOTS[3]))
    assert client.ping(GAME_ID).new == (7,)
    assert service.rows_scored() == 4


def test_swapped_model_scores_each_shot_once_and_rollback_scores_nothing(
    client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    first = reported(client, client.ping(GAME_ID))
    service.client.download_registry_model("bundled", "xg-distance")
    second = client.ping(GAME_ID)
    assert (second.scored, service.rows_scored()) == (3, 6)
    assert reported(client, second).model != first.model
    assert xg(reported(client, second)) != xg(first)
    service.client.rollback()
    back = client.ping(GAME_ID)
    assert (back.scored, service.rows_scored()) == (0, 6)
    assert reported(client, back).model == first.model
    assert xg(reported(client, back)) == pytest.approx(xg(first), abs=1e-9)


def test_simultaneous_pings_score_each_shot_once(tmp_path: Path, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    clients = [make_client(tmp_path, feed.url, service.url) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda client: client.ping(GAME_ID), clients))
    assert service.rows_scored() == 3


def test_swaps_during_pings_never_score_a_shot_twice_per_model(
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


def test_shots_are_stored_as_pending_while_service_is_down_and_scored_later(
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
    assert (ping.scored, len(ping.new), reported(client, ping).pending) == (3, 0, 0)


def test_answer_cut_off_half_way_changes_nothing(client: GameClient, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    before = reported(client, client.ping(GAME_ID))
    path = f"/v1/gamecenter/{GAME_ID}/play-by-play"
    feed.answer(path, feed.answers[path][2][:-100])
    with pytest.raises(FeedMalformed):
        client.ping(GAME_ID)
    after = client.report(GAME_ID)
    assert after is not None
    assert after.shots.equals(before.shots)


def test_goal_taken_back_and_shot_restored_are_corrections_without_scoring(
    client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    client.ping(GAME_ID)
    saved = play(300, "shot-on-goal", 55, x=82, y=3)
    feed.show(game(*SHOTS[:3], saved))
    ping = client.ping(GAME_ID)
    assert [(c.event_id, c.what) for c in ping.corrections] == [(300, "outcome")]
    assert reported(client, ping).home.counted.goals == 0
    total = xg(reported(client, ping))
    feed.show(game(*SHOTS[:3]))
    ping = client.ping(GAME_ID)
    assert statuses(client, ping) == {812: "scored", 11: "scored", 300: "retracted"}
    assert xg(reported(client, ping)) < total
    feed.show(game(*SHOTS[:3], saved))
    ping = client.ping(GAME_ID)
    assert xg(reported(client, ping)) == pytest.approx(total, abs=1e-9)
    assert service.rows_scored() == 3


def test_moved_shot_keeps_its_prediction_and_is_amended(client: GameClient, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    before = reported(client, client.ping(GAME_ID))
    feed.show(game(*SHOTS[:3], play(300, "goal", 55, x=60, y=30)))
    ping = client.ping(GAME_ID)
    assert statuses(client, ping)[300] == "amended"
    assert xg(reported(client, ping)) == pytest.approx(xg(before), abs=1e-9)
    assert service.rows_scored() == 3
    assert [(c.event_id, c.what) for c in ping.corrections] == [(300, "amended")]


def test_shot_with_missing_inputs_is_pending_until_they_arrive(
    client: GameClient, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS[:3], play(300, "goal", 55, x=None, y=None)))
    ping = client.ping(GAME_ID)
    assert (ping.scored, reported(client, ping).pending, statuses(client, ping)[300]) == (2, 1, "pending")
    assert reported(client, ping).shots.set_index("event_id").loc[300, "missing"] == "coordinates"
    feed.show(game(*SHOTS))
    ping = client.ping(GAME_ID)
    assert (ping.scored, reported(client, ping).pending, statuses(client, ping)[300]) == (1, 0, "scored")
    assert ping.corrections == ()  # it was never scored with anything else
    assert service.rows_scored() == 3


def test_shot_with_missing_inputs_is_scored_once_game_is_official(client: GameClient, feed: FeedServer) -> None:
    untyped = play(300, "goal", 55, x=82, y=3, shot_type=None)
    feed.show(game(*SHOTS[:3], untyped))
    assert reported(client, client.ping(GAME_ID)).pending == 1
    feed.show(game(*SHOTS[:3], untyped, state=GameState.OVER, period=3, seconds_left=0))
    over = reported(client, client.ping(GAME_ID))
    assert (over.pending, over.is_over, over.status) == (1, True, "Final, not official")
    feed.show(game(*SHOTS[:3], untyped, state=GameState.FINAL, period=3, seconds_left=0))
    assert reported(client, client.ping(GAME_ID)).pending == 0


def test_inputs_that_arrive_after_the_horn_are_scored(client: GameClient, feed: FeedServer) -> None:
    horn = {"period": 3, "seconds_left": 0}
    feed.show(game(*SHOTS[:3], play(300, "goal", 55, x=None, y=None), state=GameState.OVER, **horn))
    client.ping(GAME_ID)
    feed.show(game(*SHOTS, state=GameState.FINAL, **horn))
    late = client.ping(GAME_ID)
    assert (late.scored, late.corrections, reported(client, late).pending) == (1, (), 0)


def test_player_missing_from_roster_is_named_by_number_until_he_is_listed(client: GameClient, feed: FeedServer) -> None:
    unknown = play(301, "goal", 70, shooter_id=8499998, goalie_id=8499999)
    feed.show(game(*SHOTS, unknown, players={}))
    report = reported(client, client.ping(GAME_ID))
    assert report.by_goalie[["goalie", "shots", "goals"]].values.tolist() == [["Player 8499999", 1, 1]]
    assert "Player 8499998" in set(report.by_shooter["shooter"])
    assert report.goals.iloc[-1][["shooter", "goalie"]].tolist() == ["Player 8499998", "Player 8499999"]
    named = {8499998: Player("Late Comer", HOME), 8499999: Player("Emergency Goalie", AWAY)}
    feed.show(game(*SHOTS, unknown, players=named))  # the roster comes late
    ping = client.ping(GAME_ID)
    assert (ping.corrections, ping.scored) == ((), 0)
    assert reported(client, ping).by_goalie["goalie"].tolist() == ["Emergency Goalie"]


@pytest.mark.parametrize("table", ["predictions", "shots"])
def test_deleted_rows_are_scored_again_though_the_feed_is_unchanged(
    tmp_path: Path, client: GameClient, feed: FeedServer, table: str
) -> None:
    feed.show(game(*SHOTS, state=GameState.FINAL, period=3, seconds_left=0, home=Team(HOME, "CAR", "Carolina", 1)))
    before = xg(reported(client, client.ping(GAME_ID)))
    assert client.ping(GAME_ID).scored == 0
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection, connection:
        connection.execute("DELETE FROM predictions WHERE event_id = 300")
        if table == "shots":
            connection.execute("DELETE FROM shots WHERE event_id = 300")
    again = client.ping(GAME_ID)
    assert (again.scored, reported(client, again).pending, xg(reported(client, again))) == (1, 0, before)


def test_shootout_attempt_never_counts(client: GameClient, feed: FeedServer, service: Service) -> None:
    shootout = play(900, "goal", 0, period=5, period_type="SO", situation="1010")
    feed.show(game(*SHOTS, shootout, home=Team(HOME, "CAR", "Carolina Hurricanes", 2)))
    report = reported(client, client.ping(GAME_ID))
    assert (report.home.counted.goals, report.home.score, service.rows_scored()) == (1, 2, 3)


def test_game_without_plays_is_stored_without_shots(client: GameClient, feed: FeedServer, service: Service) -> None:
    feed.show(game(state=GameState.NOT_STARTED, period=0))
    ping = client.ping(GAME_ID)
    assert (reported(client, ping).status, len(reported(client, ping).shots), ping.changed) == ("Not started", 0, False)
    assert service.rows_scored() == 0


def test_ping_that_waits_too_long_for_the_lock_raises_game_busy(
    client: GameClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegame.client.LOCK_WAIT_S", 0.2)
    with game_lock(tmp_path, GAME_ID, 1), pytest.raises(GameBusy, match="another process"):
        client.ping(GAME_ID)


def test_ping_that_waited_for_two_others_returns_what_they_stored(
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
    assert xg(reported(client, ping)) == pytest.approx(xg(reported(client, first)))


def model_of(column: str, population: str | None = None) -> ModelDescription:
    """A model with one column, as the service describes it."""
    return ModelDescription(
        id="x/y:1@sha256:0",
        workspace="x",
        model="y",
        version="1",
        digest="0" * 64,
        features=[ColumnDescription(column, "number", nullable=False)],
        library=LibraryVersions("scikit-learn", None, "1"),
        served_by="graph",
        agreement=0.0,
        not_compiled=None,
        loaded_at="2024-01-01T00:00:00.000+00:00",
        golden_row=GoldenRow({column: 1}, 0.5),
        population=population,
        metrics=None,
        trained_on=None,
        warnings=[],
    )


def test_feature_map_translates_columns_and_refuses_unknown_ones(tmp_path: Path) -> None:
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


def test_on_goal_model_is_sent_no_misses() -> None:
    rows = game_update(game(*SHOTS))
    assert list(ModelInputs.from_model(model_of("distance"), {}).unscored(rows, scored={812})) == [11, 300]
    assert list(ModelInputs.from_model(model_of("distance", "on-goal"), {}).unscored(rows, scored=set())) == [
        812,
        300,
    ]


def test_request_refused_by_the_model_is_dropped_and_corrected_shots_are_scored(
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
