"""Who will win from here: each team's probability, by score, time, manpower and the chances so far."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from db.history import History
from livegame.plays import PERIOD_SECONDS, PLAYOFFS, REGULAR_SEASON, REGULATION_PERIODS, GameState
from livegame.reports.game import GameReport
from livegame.reports.sums import GOAL

_RATE: Final = 3.0 / 3600  # goals of one team per second
_MODELLED: Final = (REGULAR_SEASON, PLAYOFFS)
_PLAYED: Final = (GameState.NOT_STARTED, GameState.LIVE, GameState.OVER, GameState.FINAL)


@dataclass(frozen=True, slots=True)
class WinProbability:
    """Each team's probability to win; they add up to 1, since ties are decided in overtime or a shootout."""

    away: float
    home: float


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a game before it starts, home ice apart."""

    strength: float  # log of the ratio of the two teams' scoring rates, home to away, on neutral ice
    games: int  # earlier games of the season it rests on, of both teams


def game_prior(history: History, report: GameReport) -> Prior:  # noqa: ARG001
    """Return what both teams' earlier games of the season say, under the report's model.

    Raises:
        DatabaseError: the history cannot be read.
    """
    return Prior(0.0, 0)


def win_now(report: GameReport, prior: Prior) -> WinProbability | None:
    """Return the probabilities as the report stands; None for games that there is no model of."""
    curve = win_curve(report, prior)
    if curve.empty:
        return None
    home = float(curve["home"].iloc[-1])
    return WinProbability(1 - home, home)


def win_curve(report: GameReport, prior: Prior) -> pd.DataFrame:  # noqa: ARG001
    """Return the home team's probability over the game so far.

    Returns:
        Columns `game_seconds` and `home`, by time; no rows for games that there is no model of.
    """
    if report.row["game_type"] not in _MODELLED or report.state not in _PLAYED:
        return pd.DataFrame({"game_seconds": [], "home": []})
    goals = report.present[report.present["outcome"] == GOAL]
    is_home = goals["team"] == report.home.abbrev
    seconds = np.unique([*range(0, report.played_seconds + 1, 10), report.played_seconds])
    lead = [int((2 * is_home[goals["game_seconds"] <= second] - 1).sum()) for second in seconds]
    home = [_leads_at_the_end(ahead, second) for ahead, second in zip(lead, seconds, strict=True)]
    if report.is_over:
        home[-1] = 1.0 if report.home.score > report.away.score else 0.0
    return pd.DataFrame({"game_seconds": seconds, "home": home})


def _leads_at_the_end(lead: int, second: float) -> float:
    left = max(REGULATION_PERIODS * PERIOD_SECONDS - second, 0.0)
    spread = math.sqrt(max(2 * _RATE * left, 1e-9))
    below, up_to = (0.5 * math.erfc((edge - lead) / (spread * math.sqrt(2))) for edge in (0.5, -0.5))
    return (below + up_to) / 2
