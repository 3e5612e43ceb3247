"""A champion and a challenger on the same shots: which count, what comes out, and what is said of it."""

import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from db.history import GameRow, GameUpdate, History, Prediction, Scores, ShotRow
from livegame.reports.bootstrap import Estimate
from livegame.reports.calibration import calibration
from livegame.reports.challenge import Challenge, Verdict, challenge, compare_pairs, sentence
from livegame.reports.counting import Count
from tests.livegame.reports.shots import ONE, OTHER

OLD, NEW = 20212022, 20222023
GAME = GameRow(
    1, NEW, 2, "2022-11-28T18:00:00Z", 12, "CAR", "Carolina Hurricanes", 1, 15, "WSH", "Washington Capitals", 0,
    "final", 3, "REG", 0, in_intermission=False, game_date="2022-11-28",
)  # fmt: skip
FEATURES = {"friendly_skaters": 5, "opposing_skaters": 5, "strength_state": "5v5", "extra_attacker": 0}


@dataclass
class Stored:
    """A history of games whose shots are random, each rated by both models."""

    path: Path
    random: np.random.Generator
    trained_on: dict[str, Sequence[int] | None]

    def __post_init__(self) -> None:
        self.history = History(self.path)

    def add(self, game_id: int, shots: int = 40, models: Sequence[str] = (ONE, OTHER), **stands: object) -> None:
        """Store a game of this id, whose chances depend on the id; every ninth shot is at an empty net."""
        game = replace(GAME, game_id=game_id, **stands)  # type: ignore[arg-type]
        chance = self.random.beta(1, 9, shots)
        rows = [
            ShotRow(
                number, number, 1, number, True, None, None,
                "goal" if self.random.random() < chance[number] else "missed-shot",
                penalty_shot=False, empty_net=number % 9 == 0, features=FEATURES, missing=None,
            )
            for number in range(shots)
        ]  # fmt: skip
        for model in models:
            noise = self.random.normal(0, 0.5 if model == ONE else 0.2, shots)
            xg = 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + noise)))
            rated: list[Prediction] = [(row.event_id, float(xg[row.event_id]), {}) for row in rows]
            scores = Scores(model, "unblocked", rated, trained_on=self.trained_on[model])
            self.history.record_all([GameUpdate(game, rows, scores=scores)])


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return Stored(tmp_path / "history.db", np.random.default_rng(7), {ONE: [OLD], OTHER: []})


def raw(path: Path, conditions: str = "") -> pd.DataFrame:
    """Return the shots that must count, by a query of its own over the tables."""
    with closing(sqlite3.connect(path)) as connection:
        return pd.read_sql_query(
            f"""
            SELECT game_id, outcome = 'goal' AS is_goal, a.probability AS one, b.probability AS other
            FROM games JOIN shots USING (game_id) JOIN predictions a USING (game_id, event_id)
            JOIN predictions b USING (game_id, event_id)
            WHERE a.model = '{ONE}' AND b.model = '{OTHER}' AND retracted_at IS NULL AND state = 'final'
                AND game_type IN (2, 3) AND season <> {OLD} {conditions}
            """,
            connection,
        )


def test_figures_equal_those_recomputed_from_the_tables(stored: Stored) -> None:
    for number in range(60):
        stored.add(2022020001 + number)
    stored.add(2022020100, state="over")  # not official yet
    stored.add(2022010001, game_type=1)  # preseason
    stored.add(2021020001, season=OLD)  # the champion was trained on it
    stored.add(2022020200, models=[ONE])
    for count, conditions in ((Count.ALL, ""), (Count.NO_EMPTY_NET, "AND NOT empty_net")):
        found = challenge(stored.history, ONE, OTHER, count=count)
        shots = raw(stored.path, conditions)
        assert found is not None
        assert (found.games, found.shots, found.goals) == (60, len(shots), shots["is_goal"].sum())
        for figures, xg in ((found.champion, shots["one"]), (found.challenger, shots["other"])):
            assert figures.log_loss.value == pytest.approx(log_loss(shots["is_goal"], xg))
            assert figures.auc is not None
            assert figures.auc.value == pytest.approx(roc_auc_score(shots["is_goal"], xg))
            assert figures.xg_per_goal is not None
            assert figures.xg_per_goal.value == pytest.approx(xg.sum() / shots["is_goal"].sum())
        gains = [np.where(shots["is_goal"], -np.log(xg), -np.log(1 - xg)) for xg in (shots["one"], shots["other"])]
        gain = gains[0] - gains[1]
        assert found.gain.value == pytest.approx(gain.mean())
        games = pd.DataFrame({"gain": gain}).groupby(shots["game_id"]).mean()["gain"]  # all have as many shots
        mean, error = float(games.mean()), float(games.std(ddof=1)) / math.sqrt(60)
        interval = (mean - 1.96 * error, mean + 1.96 * error)
        assert (found.gain.low, found.gain.high) == pytest.approx(interval, abs=0.4 * error)
        assert found.games_to_tell == pytest.approx(60 * (2.8016 * error / mean) ** 2, rel=1e-3)


def test_retracted_shot_is_left_out_and_amended_one_keeps_its_first_prediction(stored: Stored) -> None:
    stored.add(2022020001, shots=10)
    before = raw(stored.path)
    (first,) = stored.history.games()
    game = replace(GAME, game_id=first["game_id"])
    with closing(sqlite3.connect(stored.path)) as connection:
        outcomes = dict(connection.execute("SELECT event_id, outcome FROM shots"))
    rows = [
        ShotRow(n, n, 1, n, True, None, None, outcomes[n], False, False, FEATURES | {"extra_attacker": n == 1}, None)
        for n in range(9)
    ]  # the tenth was taken back
    stored.history.record_all([GameUpdate(game, rows)])
    found = challenge(stored.history, ONE, OTHER)
    assert found is not None
    assert (found.shots, len(before)) == (9, 10)
    assert found.champion.xg == pytest.approx(before["one"][:9].sum())


def test_only_seen_seasons_are_compared_without_a_verdict(stored: Stored) -> None:
    for number in range(30):
        stored.add(2021020001 + number, season=OLD)
    found = challenge(stored.history, ONE, OTHER)
    assert found is not None
    assert (found.games, found.learned, found.verdict) == (30, (ONE,), Verdict.LEARNED)
    assert sentence(found).startswith("No verdict: us/champion:1.0.0 was trained on these seasons")
    stored.add(2022020001)
    found = challenge(stored.history, ONE, OTHER)
    assert found is not None
    assert (found.games, found.learned) == (1, ())
    found = challenge(stored.history, ONE, OTHER, season=OLD)
    assert found is not None
    assert (found.games, found.learned) == (30, (ONE,))


def test_model_of_unknown_training_seasons_is_named(stored: Stored) -> None:
    stored.trained_on[OTHER] = None
    stored.add(2022020001)
    found = challenge(stored.history, ONE, OTHER)
    assert found is not None
    assert (found.learned, found.unknown) == ((), (OTHER,))


def test_models_without_a_common_shot_are_not_compared(stored: Stored) -> None:
    assert challenge(stored.history, ONE, OTHER) is None
    stored.add(2022020001, models=[ONE])
    stored.add(2022020002, models=[OTHER])
    assert challenge(stored.history, ONE, OTHER) is None


def test_only_the_latest_games_are_compared(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 5):
        stored.add(2022020000 + number, shots=number, start_time=f"2022-11-{number:02d}T18:00:00Z")
    monkeypatch.setattr("livegame.reports.challenge.LATEST_GAMES", 2)
    found = challenge(stored.history, ONE, OTHER)
    assert found is not None
    assert (found.games, found.shots) == (2, 3 + 4)


def test_calibration_has_the_steps_of_the_history(stored: Stored) -> None:
    for number in range(20):
        stored.add(2022020001 + number)
    found = challenge(stored.history, ONE, OTHER)
    whole = calibration(stored.history, OTHER)
    assert found is not None
    assert whole is not None
    pd.testing.assert_frame_equal(found.challenger.steps, whole.steps, check_dtype=False)


def pairs(games: int, gain: float = 0.0, noise: float = 0.05, goals: bool = True) -> Challenge:
    """Compare models on `games` games of 50 shots; the challenger's log loss is lower by about `gain`."""
    random = np.random.default_rng(8)
    size = games * 50
    is_goal = (random.random(size) < 0.1) & goals
    one = np.clip(random.beta(2, 18, size), 0.001, 0.9)
    happened = np.where(is_goal, one, 1 - one) * np.exp(gain + random.normal(0, noise, size))
    other = np.where(is_goal, happened, 1 - happened).clip(0.0001, 0.9999) if noise else one
    frame = pd.DataFrame({"game_id": np.repeat(np.arange(games), 50), "is_goal": is_goal, "one": one, "other": other})
    return compare_pairs(frame, ONE, OTHER)


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (pairs(1), Verdict.FEW_GAMES, "Too early to tell: us/champion:1.0.0 and us/challenger:2.0.0 have both rated"
         " 1 game to the end; at least 30 are needed."),
        (pairs(100, goals=False), Verdict.NO_GOALS, "Too early to tell: there is no goal among 5,000 shots of"
         " 100 games that us/champion:1.0.0 and us/challenger:2.0.0 have both rated."),
        (pairs(100, noise=0.0), Verdict.SAME, "us/champion:1.0.0 and us/challenger:2.0.0 gave the same xG to each of"
         " 5,000 shots of 100 games."),
    ],
)  # fmt: skip
def test_sentence_without_a_difference(found: Challenge, verdict: Verdict, words: str) -> None:
    assert (found.verdict, sentence(found)) == (verdict, words)


def stated(gain: float, low: float, high: float, games_to_tell: float) -> Challenge:
    """Return a comparison of 100 games with these figures."""
    return replace(pairs(100), gain=Estimate(gain, low, high), games_to_tell=games_to_tell)


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (stated(0.0012, 0.0004, 0.002, 50), Verdict.BETTER, "us/challenger:2.0.0 is better than us/champion:1.0.0: its"
         " log loss is lower by 0.0012 (95%: 0.0004 to 0.0020), on 5,000 shots of 100 games."),
        (stated(-0.0012, -0.002, -0.0004, 50), Verdict.WORSE, "us/champion:1.0.0 is better than us/challenger:2.0.0:"
         " its log loss is lower by 0.0012 (95%: 0.0004 to 0.0020), on 5,000 shots of 100 games."),
        (stated(0.0012, -0.0004, 0.0028, 413), Verdict.EARLY, "Too early to tell whether us/champion:1.0.0 or"
         " us/challenger:2.0.0 is better. The log loss of us/challenger:2.0.0 is lower by 0.0012 (95%: \N{MINUS SIGN}"
         "0.0004 to 0.0028), on 5,000 shots of 100 games; if it stays at that, about 310 more games would tell."),
        (stated(-0.00002, -0.0012, 0.0011, 1e6), Verdict.EARLY, "Too early to tell whether us/champion:1.0.0 or"
         " us/challenger:2.0.0 is better. The log loss of us/champion:1.0.0 is lower by 0.00002 (95%: \N{MINUS SIGN}"
         "0.00110 to 0.00120), on 5,000 shots of 100 games; if it stays at that, it would take more than a season of"
         " games to tell."),
    ],
)  # fmt: skip
def test_sentence_says_whether_one_is_better_yet(found: Challenge, verdict: Verdict, words: str) -> None:
    assert (found.verdict, sentence(found)) == (verdict, words)


def test_better_model_is_found_and_noise_is_not() -> None:
    assert pairs(400, gain=0.01).verdict is Verdict.BETTER
    assert pairs(400, gain=-0.01).verdict is Verdict.WORSE
    early = pairs(400, noise=0.001)
    assert early.verdict is Verdict.EARLY
    assert early.more_games > 400  # an interval that holds 0 needs at least twice the games


def test_figures_without_goals_are_left_open() -> None:
    found = pairs(40, goals=False)
    assert (found.champion.auc, found.champion.xg_per_goal, found.auc_gain) == (None, None, None)
    assert math.isfinite(found.gain.value)


def test_versions_of_one_name_are_distinguished_by_their_digests() -> None:
    frame = pd.DataFrame({"game_id": range(40), "is_goal": [True, False] * 20, "one": 0.1, "other": 0.1})
    assert "@sha256:b gave" in sentence(compare_pairs(frame, "us/model:1@sha256:a", "us/model:1@sha256:b"))
