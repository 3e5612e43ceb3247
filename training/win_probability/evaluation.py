"""How well win probability is calibrated on games that it has not seen, and what it gains on score and time alone."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression

from livegame.features.situations import situation_of
from livegame.plays import OVERTIME_SECONDS
from livegame.reports.bootstrap import drawn_sums
from livegame.win_probability.chain import END
from livegame.win_probability.parameters import Parameters
from livegame.win_probability.states import State, WinModel
from livegame.win_probability.strength import SeasonSums, game_strength, season_level, season_strength
from training.evaluation import bootstrap_by_game
from training.win_probability.moments import level_before

Numbers = npt.NDArray[np.float64]

FEWEST_GAMES: Final = 30  # a tenth with fewer says nothing
_TENTHS: Final = 10


def undecided(moments: pd.DataFrame) -> pd.DataFrame:
    """Return the moments of games that the score does not decide yet."""
    return moments[(moments["second"] < END) | (moments["lead"] == 0)].reset_index(drop=True)


def home_wins(
    parameters: Parameters,
    moments: pd.DataFrame,
    facts: pd.DataFrame,
    sums: Mapping[int, tuple[SeasonSums, SeasonSums]],
    *,
    score_and_time_alone: bool = False,
) -> Numbers:
    """Return P(home win) at each moment; with `score_and_time_alone`, home ice is all that is known beside those two.

    `facts` must have all games of the season, since its level is taken from them.
    """
    model, levels = WinModel(parameters), level_before(facts)
    found = np.empty(len(moments))
    for game_id, rows in moments.groupby("game_id", sort=False).indices.items():
        of_game = moments.iloc[rows]
        key = int(str(game_id))
        before = season_strength(parameters, *sums[key])
        level = season_level(parameters, int(levels["games"][key]), int(levels["goals"][key]))
        columns = (of_game[name].tolist() for name in ("second", "lead", "situation", "away_until", "home_until"))
        xg = zip(of_game["home_xg"], of_game["away_xg"], strict=True)
        states = [
            State(second, lead)
            if score_and_time_alone
            else State(second, lead, code, away, home, before + game_strength(parameters, *so_far), level)
            for second, lead, code, away, home, so_far in zip(*columns, xg, strict=True)
        ]
        found[rows] = model.home_wins(states, is_playoffs=bool(facts["is_playoffs"][key]))
    return found


def logistic_on_score_and_time(train: pd.DataFrame, test: pd.DataFrame, facts: pd.DataFrame) -> Numbers:
    """Return P(home win) at the moments of `test` by a logistic regression on lead and time left."""
    wins = train["game_id"].map(facts["is_home_win"]).astype(int)
    model = LogisticRegression(C=1e6, max_iter=1000).fit(_score_and_time(train), wins, sample_weight=train["plays"])
    return np.asarray(model.predict_proba(_score_and_time(test))[:, 1])


def _score_and_time(moments: pd.DataFrame) -> Numbers:
    left = (END + OVERTIME_SECONDS - moments["second"]).clip(lower=1).to_numpy() / END
    lead = moments["lead"].to_numpy()
    return np.column_stack([lead, lead / np.sqrt(left), lead * left, left])


def groups(moments: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the masks of the moments that every report shows: all, power plays, pulled goalies, overtime."""
    seen = moments["situation"].map({code: _kind(code) for code in moments["situation"].dropna().unique()})
    in_overtime = (moments["second"] >= END).to_numpy()
    return {
        "all plays": np.ones(len(moments), dtype=bool),
        "power play": (seen == "power play").to_numpy() & ~in_overtime,
        "goalie pulled": (seen == "goalie pulled").to_numpy() & ~in_overtime,
        "overtime": in_overtime,
    }


def _kind(code: str) -> str:
    home, away = situation_of(code, is_home=True), situation_of(code, is_home=False)
    if home is None or away is None:
        return "unknown"
    if home.extra_attacker or away.extra_attacker:
        return "goalie pulled"
    return "power play" if home.is_power_play or away.is_power_play else "even"


def tenths(moments: pd.DataFrame, home: Numbers, wins: Numbers, *, both_teams: bool) -> list[dict[str, Any]]:
    """Return predicted and observed wins by tenth of the predicted probability, each play counting once.

    With `both_teams` each play counts once for each team, with its own probability. The interval is that of the
    observed rate, by a bootstrap of whole games.
    """
    rows = pd.DataFrame({"game": moments["game_id"], "n": moments["plays"], "p": home, "y": wins})
    if both_teams:
        rows = pd.concat([rows, rows.assign(p=1 - rows["p"], y=1 - rows["y"])])
    rows["tenth"] = np.minimum((rows["p"] * _TENTHS).astype(int), _TENTHS - 1)
    rows = rows.assign(p=rows["p"] * rows["n"], y=rows["y"] * rows["n"])
    games, found = rows["game"].unique(), []
    for tenth, of_tenth in rows.groupby("tenth"):
        sums = of_tenth.groupby("game")[["n", "p", "y"]].sum()
        total = sums.sum()
        drawn = drawn_sums(sums.reindex(games, fill_value=0.0))
        off = ((drawn["y"] - drawn["p"]) / drawn["n"]).dropna()  # in few rounds, no game of a rare tenth is drawn
        predicted = float(total["p"] / total["n"])
        low, high = np.clip(predicted + np.quantile(off, [0.025, 0.975]), 0, 1)
        found.append(
            {
                "tenth": int(str(tenth)) + 1,
                "plays": int(total["n"]),
                "games": len(sums),
                "predicted": round(predicted, 4),
                "observed": round(float(total["y"] / total["n"]), 4),
                "low": round(float(low), 4),
                "high": round(float(high), 4),
            }
        )
    return found


def worst(table: list[dict[str, Any]]) -> float:
    """Return how far the worst tenth is off, of those with at least FEWEST_GAMES games."""
    off = [abs(row["observed"] - row["predicted"]) for row in table if row["games"] >= FEWEST_GAMES]
    return round(float(max(off)), 4)


def brier(moments: pd.DataFrame, wins: Numbers, home: Numbers, others: Mapping[str, Numbers]) -> dict[str, Any]:
    """Return the Brier score over all plays beside that of other predictions, with the gain's 95 % interval by game."""
    plays = moments["plays"].to_numpy()
    ours = (home - wins) ** 2
    games = np.repeat(moments["game_id"].to_numpy(), plays)
    found: dict[str, Any] = {"ours": round(float(np.average(ours, weights=plays)), 5)}
    for name, theirs in others.items():
        gain = (theirs - wins) ** 2 - ours
        low, high = bootstrap_by_game(np.repeat(gain, plays), games)
        found[name] = {
            "brier": round(float(np.average(ours + gain, weights=plays)), 5),
            "lower_by": round(float(np.average(gain, weights=plays)), 5),
            "low": round(low, 5),
            "high": round(high, 5),
        }
    return found
