"""Win probability of stored games: what is known before, during and after them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db.history import History, Scores
from livegame.features.rows import game_update
from livegame.plays import GameState, Play, Team
from livegame.reports.game import GameReport, game_report
from livegame.reports.win_probability import Prior, game_prior, win_curve, win_now
from tests.games import AWAY, GAME_ID, HOME, game, play

MODEL = "us/xg:1.0.0@sha256:000000000001"
NOT_STARTED: dict[str, Any] = {"state": GameState.NOT_STARTED, "period": 0, "seconds_left": 1200}
KNOWN = Prior()


def stored(history: History, *plays: Play, xg: float = 0.1, **stands: Any) -> GameReport:
    """Return the report of a game whose shots all have the same xG."""
    update = game_update(game(*plays, **stands))
    predictions = [(shot.event_id, xg, shot.features) for shot in update.shots]
    history.record_all([replace(update, scores=Scores(MODEL, "unblocked", predictions, fingerprint="all"))])
    report = game_report(history, update.game.game_id)
    assert report is not None
    return report


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history.db")


def home_wins(report: GameReport, prior: Prior = KNOWN) -> float:
    now = win_now(report, prior)
    assert now is not None
    assert now.home + now.away == pytest.approx(1)
    return now.home


@pytest.mark.parametrize("game_type", [1, 4, 9, 12, 19])
def test_game_outside_season_and_playoffs_has_no_win_probability(history: History, game_type: int) -> None:
    report = stored(history, play(1, "goal", 60), game_type=game_type)
    assert win_now(report, KNOWN) is None
    assert win_curve(report, KNOWN).empty


@pytest.mark.parametrize("state", [GameState.POSTPONED, GameState.CANCELLED])
def test_game_that_is_not_played_has_no_win_probability(history: History, state: GameState) -> None:
    assert win_now(stored(history, state=state), KNOWN) is None


def test_before_the_start_it_is_home_ice_and_what_is_known_of_the_teams(history: History) -> None:
    report = stored(history, **NOT_STARTED)
    assert 0.5 < home_wins(report) < 0.57
    assert home_wins(report, Prior(strength=0.2)) > home_wins(report) + 0.03
    assert len(win_curve(report, KNOWN)) == 1


@pytest.mark.parametrize(("away", "home", "chance"), [(1, 2, 1.0), (3, 2, 0.0)])
def test_after_the_end_it_is_certain(history: History, away: int, home: int, chance: float) -> None:
    report = stored(
        history,
        play(1, "shot-on-goal", 60),
        state=GameState.FINAL,
        period=3,
        seconds_left=0,
        away=Team(AWAY, "WSH", "Washington Capitals", away),
        home=Team(HOME, "CAR", "Carolina Hurricanes", home),
    )
    assert home_wins(report) == chance
    assert win_curve(report, KNOWN)["home"].iloc[-1] == chance


def test_leader_of_a_live_game_has_not_won_yet(history: History) -> None:
    ahead = Team(HOME, "CAR", "Carolina Hurricanes", 1)
    assert 0.6 < home_wins(stored(history, play(1, "goal", 60), home=ahead)) < 0.8


def test_shootout_is_even_until_it_is_decided(history: History) -> None:
    report = stored(history, play(1, "shot-on-goal", 60), period=5, period_type="SO", seconds_left=0)
    assert home_wins(report, Prior(strength=0.5)) == 0.5


def test_goal_in_overtime_decides_before_the_game_is_called_over(history: History) -> None:
    goal = play(1, "goal", 100, team=AWAY, period=4, period_type="OT", situation="1331")
    assert home_wins(stored(history, goal, period=4, period_type="OT", seconds_left=200)) == 0


def test_curve_jumps_at_a_goal_and_ends_at_the_present(history: History) -> None:
    report = stored(history, play(1, "faceoff", 0), play(2, "goal", 301), play(3, "shot-on-goal", 400, team=AWAY))
    curve = win_curve(report, KNOWN).set_index("game_seconds")["home"]
    assert curve.index.is_monotonic_increasing
    assert curve.index[0] == 0
    assert curve.index[-1] == report.played_seconds
    assert curve[301] > curve[300] + 0.1
    assert curve.iloc[-1] == pytest.approx(home_wins(report))


def test_goal_that_was_taken_back_counts_no_more(history: History) -> None:
    with_goal = stored(history, play(1, "goal", 100), play(2, "shot-on-goal", 200))
    without = stored(history, play(2, "shot-on-goal", 200))
    assert home_wins(without) < home_wins(with_goal) - 0.1


def test_running_penalty_of_the_home_team_hurts_it(history: History) -> None:
    plays = [play(1, "faceoff", 0), play(2, "penalty", 400), play(3, "faceoff", 400, situation="1541")]
    short = stored(history, *plays, seconds_left=790)
    assert home_wins(short) < home_wins(stored(history, play(1, "faceoff", 0), seconds_left=790)) - 0.01


def test_penalty_whose_clock_has_run_down_hurts_no_more(history: History) -> None:
    plays = [play(1, "faceoff", 0), play(2, "penalty", 400), play(3, "faceoff", 400, situation="1541")]
    over = stored(history, *plays, seconds_left=600)
    assert home_wins(over) == pytest.approx(home_wins(stored(history, play(1, "faceoff", 0), seconds_left=600)))


def test_better_chances_at_five_against_five_help_and_those_at_an_empty_net_do_not(history: History) -> None:
    shots = [play(n, "shot-on-goal", 100 + n) for n in range(1, 11)]
    at_empty_net = [play(n, "shot-on-goal", 100 + n, situation="0651") for n in range(1, 11)]
    nothing = home_wins(stored(history, play(99, "faceoff", 200)))
    assert home_wins(stored(history, *shots, play(99, "faceoff", 200))) > nothing + 0.005
    assert home_wins(stored(history, *at_empty_net, play(99, "faceoff", 200))) == pytest.approx(nothing)


def played(history: History, number: int, day: str, home_shots: int, **more: Any) -> None:
    """Store a finished game of both teams: so many shots and one goal of the home team, two shots of the other."""
    shots = [play(n, "shot-on-goal", 60 * n) for n in range(1, home_shots)] + [play(50, "goal", 900)]
    shots += [play(100 + n, "shot-on-goal", 70 * n, team=AWAY) for n in (1, 2)]
    final = {"state": GameState.FINAL, "period": 3, "seconds_left": 0}
    stored(history, *shots, **{"game_id": GAME_ID - number, "start_time": f"{day}T18:00:00Z", **final, **more})


def test_prior_knows_earlier_games_of_the_season_under_the_model_and_no_others(history: History) -> None:
    for number, day in enumerate(("2021-11-20", "2021-11-22"), start=1):
        played(history, number, day, home_shots=15)
    before = game_prior(history, stored(history, **NOT_STARTED))
    assert before.games == 4
    assert before.strength > 0.02
    assert before.level < 0  # one goal per game
    played(history, 3, "2021-11-28", home_shots=15)  # the same day
    played(history, 4, "2021-11-29", home_shots=15)
    played(history, 5, "2020-11-20", home_shots=15, season=20202021)
    played(history, 6, "2021-11-21", home_shots=15, game_type=4)
    assert game_prior(history, stored(history, **NOT_STARTED)) == before
    other = replace(stored(history, **NOT_STARTED), model="us/other:1.0.0@sha256:000000000002")
    assert (game_prior(history, other).strength, game_prior(history, other).games) == (0, 0)


def test_prior_is_shrunk_the_more_the_fewer_games_there_are(history: History) -> None:
    strengths = []
    for number in range(1, 4):
        played(history, number, f"2021-11-2{number}", home_shots=15)
        strengths.append(game_prior(history, stored(history, **NOT_STARTED)).strength)
    assert 0 < strengths[0] < strengths[1] < strengths[2] < 0.5


def test_without_earlier_games_nothing_is_known(history: History) -> None:
    assert game_prior(history, stored(history, **NOT_STARTED)) == KNOWN
