"""Who will win from here: each team's probability, by score, time, manpower and the chances so far."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from db.history import History, ManpowerRow
from livegame.plays import BEGUN, PLAYOFFS, REGULAR_SEASON, GameState
from livegame.reports.counting import FIVE_ON_FIVE
from livegame.reports.game import GameReport
from livegame.reports.sums import GOAL
from livegame.win_probability.states import State, win_model
from livegame.win_probability.strength import SeasonSums, game_strength, season_level, season_strength

STEP_S: Final = 20  # between two points of a curve in which nothing happens
_MODELLED: Final = (REGULAR_SEASON, PLAYOFFS)
_PLAYED: Final = (GameState.NOT_STARTED, *BEGUN)
_SHOOTOUT: Final = "SO"
_UNKNOWN: Final = ManpowerRow(0, 0, None)


@dataclass(frozen=True, slots=True)
class WinProbability:
    """Each team's probability to win; they add up to 1, since ties are decided in overtime or a shootout."""

    away: float
    home: float


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a game before it starts, home ice apart; 0 where nothing is."""

    strength: float = 0.0  # log of the ratio of the two teams' scoring rates, home to away, on neutral ice
    level: float = 0.0  # log of the ratio of this season's scoring to the usual
    games: int = 0  # earlier games of the season that the strength rests on, of both teams


def game_prior(history: History, report: GameReport) -> Prior:
    """Return what was known before a game's date, from the games of its season that the report's model has rated.

    Raises:
        DatabaseError: the history cannot be read.
    """
    league, teams = history.season_before(report.row, report.model)
    sums = {
        row["team_id"]: SeasonSums(row["games"], row["xg"], row["xg_against"], row["goals"], row["goals_against"])
        for row in teams
    }
    parameters = win_model().parameters
    home, away = (sums.get(report.row[name], SeasonSums()) for name in ("home_id", "away_id"))
    return Prior(
        strength=season_strength(parameters, home, away),
        level=season_level(parameters, league["games"], league["goals"]),
        games=home.games + away.games,
    )


def win_now(report: GameReport, prior: Prior) -> WinProbability | None:
    """Return the probabilities as the report stands; None for games that there is no model of."""
    if not _is_modelled(report):
        return None
    home = _decided(report)
    if home is None:
        home = _home_wins(report, prior, [report.played_seconds])[0]
    return WinProbability(1 - home, home)


def win_curve(report: GameReport, prior: Prior) -> pd.DataFrame:
    """Return the home team's probability over the game so far.

    Returns:
        Columns `game_seconds` and `home`, by time: at every shot and change of manpower, just before them, and every
        STEP_S seconds; one row before the start, none for games that there is no model of.
    """
    if not _is_modelled(report):
        return pd.DataFrame({"game_seconds": np.empty(0, int), "home": np.empty(0)})
    end = report.played_seconds
    turns = {*report.present["game_seconds"].astype(int), *(row.start_s for row in report.manpower)}
    before = {second - 1 for second in turns}
    seconds = sorted(second for second in {*range(0, end, STEP_S), *turns, *before, end} if 0 <= second <= end)
    home = _home_wins(report, prior, seconds)
    decided = _decided(report)
    if decided is not None:  # the last point may be the second one at its time, after a shootout
        seconds, home = [*seconds, end], [*home, decided]
    return pd.DataFrame({"game_seconds": seconds, "home": home})


def _is_modelled(report: GameReport) -> bool:
    return report.row["game_type"] in _MODELLED and report.state in _PLAYED


def _decided(report: GameReport) -> float | None:
    """Return 1 or 0 once the game is over, one half in a shootout; else None."""
    lead = report.home.score - report.away.score
    if report.is_over and lead:
        return float(lead > 0)
    return 0.5 if report.row["period_type"] == _SHOOTOUT else None


def _home_wins(report: GameReport, prior: Prior, seconds: Sequence[int]) -> list[float]:
    """Return the home team's probability at some seconds of the game, all of them played."""
    model = win_model()
    shots = report.present
    times = shots["game_seconds"].to_numpy(float)
    signs = np.where(shots["team"] == report.home.abbrev, 1, -1)
    leads = np.cumsum(signs * (shots["outcome"] == GOAL).to_numpy())
    xg = np.where(shots["situation"] == FIVE_ON_FIVE, shots["probability"].fillna(0.0).to_numpy(float), 0.0)
    home_xg, away_xg = np.cumsum(xg * (signs > 0)), np.cumsum(xg * (signs < 0))
    starts = [row.start_s for row in report.manpower]
    states = []
    for second, shot in zip(seconds, np.searchsorted(times, seconds, side="right").tolist(), strict=True):
        row = report.manpower[max(bisect_right(starts, second) - 1, 0)] if starts else _UNKNOWN
        strength, lead = prior.strength, 0
        if shot:
            lead = int(leads[shot - 1])
            strength += game_strength(model.parameters, float(home_xg[shot - 1]), float(away_xg[shot - 1]))
        states.append(State(second, lead, row.situation, row.away_until, row.home_until, strength, prior.level))
    return [float(p) for p in model.home_wins(states, is_playoffs=report.row["game_type"] == PLAYOFFS)]
