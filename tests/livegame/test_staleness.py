"""Answers that are older than what is stored, or cut short, change nothing; real corrections work at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from db.history import Recorded
from livegame.client import GameClient
from livegame.parsing.parse import parse_game
from livegame.plays import Game, GameState, Play, Team
from livegame.recordings.files import read_recording
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, HOME, FeedServer, as_feed, game, play
from tests.helpers import make_client, record, reported

FEW = tuple(play(n, "shot-on-goal", 20 * n, x=60, y=n) for n in range(1, 6))
MANY = tuple(play(n, "shot-on-goal", 20 * n, x=60, y=n) for n in range(1, 31))
FINAL: dict[str, Any] = {"state": GameState.FINAL, "period": 3, "seconds_left": 0}
END = play(99, "game-end", 1200, period=3)
Show = Callable[[Game | dict[str, Any]], Recorded]


@pytest.fixture
def client(tmp_path: Path, feed: FeedServer, service: Service) -> GameClient:
    return make_client(tmp_path, feed.url, service.url)


@pytest.fixture
def show(client: GameClient, feed: FeedServer) -> Show:
    def showing(shown: Game | dict[str, Any]) -> Recorded:
        feed.show(shown)
        return client.ping(GAME_ID)

    return showing


def present(client: GameClient, ping: Recorded) -> list[int]:
    return reported(client, ping).present["event_id"].tolist()


@pytest.mark.parametrize(
    ("stored", "older"),
    [
        (game(*FEW, seconds_left=500), game(*FEW[:3], seconds_left=600)),
        (game(*FEW, seconds_left=500), game(*FEW, seconds_left=501)),
        (game(*FEW, period=2, seconds_left=1200), game(*FEW[:3], period=1, seconds_left=5)),
        (game(*FEW, in_intermission=True, seconds_left=900), game(*FEW[:4], seconds_left=0)),
        (game(*FEW, in_intermission=True, seconds_left=900), game(*FEW[:4], in_intermission=True, seconds_left=920)),
        (game(*FEW, seconds_left=500), game(state=GameState.NOT_STARTED, period=1, seconds_left=1200)),
        (game(*FEW, seconds_left=500), game(seconds_left=500)),  # nothing in it
        (game(*FEW, seconds_left=500), game(seconds_left=400)),
        (game(*MANY, seconds_left=500), game(*MANY[:15], seconds_left=400)),  # cut short
        (game(*FEW, END, **FINAL), game(*FEW[:4], period=3, seconds_left=2)),
        (game(*FEW, END, **FINAL), game(*FEW[:4], **FINAL | {"state": GameState.OVER})),
        (game(*FEW, END, **FINAL), game(*FEW, END, period=3, seconds_left=0)),
    ],
)
def test_older_answer_changes_nothing(client: GameClient, show: Show, stored: Game, older: Game) -> None:
    first = reported(client, show(stored))
    ping = show(older)
    assert (ping.is_older, ping.changed) == (True, False)
    now = reported(client, ping)
    assert now.present["event_id"].tolist() == first.present["event_id"].tolist()
    assert (now.status, now.away, now.home) == (
        first.status,
        first.away,
        first.home,
    )
    assert reported(client, ping).corrections.empty
    again = show(stored)
    assert (again.is_older, again.changed) == (False, False)
    later = play(98, "shot-on-goal", 1000)
    assert show(game(*stored.plays, later, **{**FINAL, "state": stored.state})).scored == 1


def test_old_answers_in_between_cause_no_second_scoring(show: Show, service: Service) -> None:
    for number in (3, 1, 4, 2, 5, 0, 5):
        show(game(*FEW[:number], seconds_left=1000 - 100 * number))
    assert service.rows_scored() == 5


@pytest.mark.parametrize("seconds_left", [500, 490])
def test_correction_with_same_or_later_clock_is_recorded_at_once(
    client: GameClient, show: Show, seconds_left: int
) -> None:
    show(game(*FEW[:4], play(5, "goal", 100), seconds_left=500))
    ping = show(game(*FEW[:3], play(5, "shot-on-goal", 100), seconds_left=seconds_left))
    assert {(4, "retracted"), (5, "outcome")} <= {(c.event_id, c.what) for c in ping.corrections}
    assert present(client, ping) == [1, 2, 3, 5]


def test_clock_set_back_is_believed_with_the_next_play(client: GameClient, show: Show) -> None:
    show(game(*FEW, seconds_left=500))
    assert show(game(*FEW[:4], seconds_left=520)).is_older
    ping = show(game(*FEW[:4], play(6, "stoppage", 101), seconds_left=520))
    assert (ping.is_older, present(client, ping), reported(client, ping).status) == (
        False,
        [1, 2, 3, 4],
        "Period 1 - 08:40 left",
    )


def test_clock_set_back_is_believed_once_it_has_caught_up(client: GameClient, show: Show) -> None:
    show(game(*FEW, seconds_left=500))
    assert show(game(*FEW, seconds_left=505)).is_older
    assert reported(client, show(game(*FEW, seconds_left=499))).status == "Period 1 - 08:19 left"


def test_goal_awarded_late_retracts_the_plays_since(client: GameClient, show: Show) -> None:
    show(game(*MANY, seconds_left=500))
    goal = play(90, "goal", 405)
    ping = show(game(*MANY[:20], goal, seconds_left=795))
    assert (ping.is_older, ping.new) == (False, (90,))
    assert present(client, ping) == [*range(1, 21), 90]


def test_wrong_final_gives_way_when_the_game_resumes(client: GameClient, show: Show) -> None:
    show(game(*FEW, seconds_left=500))
    show(game(*FEW, seconds_left=500, state=GameState.FINAL))
    assert reported(client, show(game(*FEW, seconds_left=520))).is_over
    ping = show(game(*FEW, seconds_left=499))
    assert (ping.is_older, reported(client, ping).status) == (False, "Period 1 - 08:19 left")
    show(game(*FEW, seconds_left=0, state=GameState.FINAL))
    assert not reported(client, show(game(*FEW, play(6, "faceoff", 700), seconds_left=480))).is_over


@pytest.mark.parametrize("state", [GameState.FINAL, GameState.OVER])
def test_wrong_end_in_an_intermission_gives_way_at_once(client: GameClient, show: Show, state: GameState) -> None:
    show(game(*FEW[:4], in_intermission=True, seconds_left=900))
    show(game(*FEW, in_intermission=True, seconds_left=0, state=state))  # with a play that is new, too
    assert show(game(*FEW[:4], in_intermission=True, seconds_left=890)).is_older
    assert show(game(*FEW, in_intermission=True, seconds_left=905)).is_older
    ping = show(game(*FEW, in_intermission=True, seconds_left=880))
    assert (ping.is_older, reported(client, ping).status) == (False, "Intermission after period 1 - 14:40 left")
    show(game(*FEW, END, **FINAL | {"state": state}))
    assert show(game(*FEW, END, period=3, seconds_left=2)).is_older  # that one was an end


def test_plays_missing_from_a_final_answer_are_kept_and_reported_until_it_is_whole(
    client: GameClient, show: Show
) -> None:
    show(game(*MANY, seconds_left=500))
    ping = show(game(*MANY[:10], **FINAL))
    assert (reported(client, ping).state, present(client, ping)) == (GameState.FINAL, [*range(1, 31)])
    assert ping.problems == ("the plays are cut short: 20 that were there before are missing, and are kept",)
    assert reported(client, ping).problems == ping.problems[0]
    assert present(client, show(game(*MANY[:10], **FINAL))) == [*range(1, 31)]
    whole = show(game(*MANY, END, **FINAL))
    assert (reported(client, whole).problems, present(client, whole), whole.changed) == (None, [*range(1, 31)], False)


def test_whole_final_answer_is_believed_however_different(client: GameClient, show: Show) -> None:
    show(game(*MANY, seconds_left=500))
    ping = show(game(*MANY[:10], END, **FINAL))
    assert (present(client, ping), len(ping.corrections)) == ([*range(1, 11)], 20)
    assert reported(client, ping).problems is None


def test_few_plays_missing_from_a_final_answer_are_retracted(show: Show) -> None:
    show(game(*FEW, END, **FINAL))
    assert [c.what for c in show(game(*FEW[:3], END, **FINAL)).corrections] == ["retracted", "retracted"]


def test_plays_with_unreadable_ids_are_not_taken_for_missing(client: GameClient, show: Show) -> None:
    show(game(*MANY, seconds_left=500))
    feed = as_feed(game(*MANY, seconds_left=490))
    for raw in feed["plays"][5:]:
        raw["eventId"] = None
    ping = show(feed)
    assert (ping.is_older, present(client, ping)) == (False, [*range(1, 31)])
    assert len(show(game(*MANY[:28], seconds_left=480)).corrections) == 2


@pytest.mark.parametrize(
    "wrong", [{"clock": {}}, {"clock": {"secondsRemaining": "late"}}, {"periodDescriptor": 3}, {"gameState": "HALT"}]
)
def test_unreadable_clock_makes_no_answer_older(client: GameClient, show: Show, wrong: dict[str, Any]) -> None:
    show(game(*FEW, seconds_left=500))
    assert not show(as_feed(game(*FEW, seconds_left=490)) | wrong).is_older
    ping = show(game(*FEW, seconds_left=480))
    assert (ping.is_older, reported(client, ping).status) == (False, "Period 1 - 08:00 left")
    assert show(game(*FEW[:4], seconds_left=485)).is_older


@pytest.mark.parametrize("wrong", [{"clock": {}}, {"gameState": "HALT"}])
def test_older_answer_is_recognised_after_an_unreadable_clock(show: Show, wrong: dict[str, Any]) -> None:
    show(game(*MANY, seconds_left=500))
    show(as_feed(game(*MANY, seconds_left=490)) | wrong)
    for older in (
        game(*MANY[:25], seconds_left=510),
        game(seconds_left=1200, state=GameState.NOT_STARTED),
        game(seconds_left=480),
        as_feed(game(*MANY[:25], seconds_left=510)) | {"clock": {}},
    ):
        assert show(older).is_older
    assert show(game(*MANY[:29], seconds_left=480)).corrections[0].what == "retracted"


def test_correction_without_any_clock_is_recorded(show: Show) -> None:
    for number in (4, 5, 3):
        assert not show(as_feed(game(*FEW[:number])) | {"clock": {}}).is_older
    show(game(*FEW[:3], seconds_left=700))
    assert show(game(*FEW[:3], seconds_left=710)).is_older


def legacy(plays: int, stamp: str) -> dict[str, Any]:
    """Return the legacy feed's answer at that time of the first period, with this many shots."""
    raws = [
        {
            "result": {"eventTypeId": "SHOT", "secondaryType": "Wrist Shot"},
            "about": {"eventId": n, "period": 1, "periodType": "REGULAR", "periodTime": f"00:{n:02d}"},
            "coordinates": {"x": 60.0, "y": 1.0},
            "team": {"id": HOME},
        }
        for n in range(1, plays + 1)
    ]
    teams = {"home": {"id": HOME, "triCode": "CAR", "name": "C"}, "away": {"id": AWAY, "triCode": "WSH", "name": "W"}}
    return {
        "gamePk": GAME_ID,
        "metaData": {"timeStamp": stamp},
        "gameData": {
            "status": {"abstractGameState": "Live", "statusCode": "3"},
            "teams": teams,
            "datetime": {"dateTime": "2021-11-28T18:00:00Z"},
        },
        "liveData": {
            "plays": {"allPlays": raws},
            "linescore": {"currentPeriod": 1, "currentPeriodTimeRemaining": "10:00"},
        },
    }


def test_dated_answer_is_older_by_its_date(client: GameClient) -> None:
    record(client, parse_game(legacy(5, "20211128_181000")))
    assert record(client, parse_game(legacy(6, "20211128_180959"))).is_older
    ping = record(client, parse_game(legacy(4, "20211128_181001")))
    assert (ping.is_older, len(ping.corrections)) == (False, 1)


@pytest.mark.parametrize("stamp", ["now", "99991231_235959", "20211328_181000"])
def test_invalid_date_makes_no_later_answer_older(client: GameClient, stamp: str) -> None:
    record(client, parse_game(legacy(5, stamp)))
    ping = record(client, parse_game(legacy(6, "20211128_181000")))
    assert (ping.is_older, len(ping.new)) == (False, 1)


@pytest.mark.recordings
def test_recorded_game_shown_in_any_order_ends_as_recorded(
    recordings: Path, client: GameClient, feed: FeedServer
) -> None:
    final = read_recording(recordings / "games" / "new" / "2022020804.json.gz")

    def until(seconds: int) -> Game:
        period, played = seconds // 1200 + 1, seconds % 1200
        plays: tuple[Play, ...] = tuple(p for p in final.plays if (p.period, p.seconds) <= (period, played))
        stands: dict[str, Any] = {"state": GameState.LIVE, "period": period, "seconds_left": 1200 - played}
        home, away = (Team(t.team_id, t.abbrev, t.name, 0) for t in (final.home, final.away))
        return replace(final, plays=plays, home=home, away=away, period_type="REG", **stands)

    for seconds in (600, 300, 1500, 0, 900, 3000, 1500, 3100, 2999):
        feed.show(until(seconds))
        client.ping(final.game_id)
    report = client.report(final.game_id)
    assert report is not None
    assert (report.status, report.corrections.empty) == ("Period 3 - 08:20 left", True)
    feed.show(final)
    assert len(reported(client, client.ping(final.game_id)).present) == len(final.shots)
    feed.show(until(3100))
    assert client.ping(final.game_id).is_older
