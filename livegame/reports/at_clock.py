"""How a game stood at a second of its own clock, by what is known of it today."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from db.history import History, Moment
from livegame.plays import BEGUN, PERIOD_SECONDS, REGULATION_PERIODS, GameState, overtime_length

_LONG_OVER: Final = timedelta(hours=12)  # since the start; every game has ended by then


def played_seconds(game: Mapping[str, Any], last_shot: int) -> int:
    """Return how many seconds a game had been played when it was pinged.

    `game` is its row in the history, `last_shot` the second of its last shot; 0 if it has none.
    """
    state = GameState(game["state"])
    if game["period"] == 0 or state not in BEGUN:
        return last_shot
    is_over = state is not GameState.LIVE
    overtime = overtime_length(game["overtime_seconds"], game["game_type"])
    sudden_death = game["period_type"] == "OT"
    if is_over and sudden_death and last_shot > REGULATION_PERIODS * PERIOD_SECONDS:
        return last_shot  # the goal that ended it: feeds differ in what the clock says then
    if game["period_type"] == "SO":
        return REGULATION_PERIODS * PERIOD_SECONDS + overtime
    length = overtime if sudden_death else PERIOD_SECONDS
    left = 0 if is_over or game["in_intermission"] else min(int(game["seconds_left"]), length)
    return max((int(game["period"]) - 1) * PERIOD_SECONDS + length - left, last_shot)


def row_at(game: Mapping[str, Any], goals: Sequence[Mapping[str, Any]], game_s: int) -> dict[str, Any]:
    """Return a game's row as of an earlier second of its clock; `goals` are those up to then, in play order.

    A period's last second is the intermission after it. The goal for a shootout won comes at the end only.
    """
    period = max(-(-game_s // PERIOD_SECONDS), 1)
    is_overtime = period > REGULATION_PERIODS
    length = overtime_length(game["overtime_seconds"], game["game_type"]) if is_overtime else PERIOD_SECONDS
    left = max(period * PERIOD_SECONDS - game_s - (PERIOD_SECONDS - length), 0)
    scores = {"away_score": goals[-1]["away_score"], "home_score": goals[-1]["home_score"]} if goals else {}
    return {
        **game,
        "away_score": 0,
        "home_score": 0,
        **scores,
        "state": GameState.LIVE.value,
        "period": period,
        "period_type": "OT" if is_overtime else "REG",
        "seconds_left": left,
        "in_intermission": left == 0,
        "ended_at": None,
        "has_end": 0,
    }


def before_first_ping(history: History, game_id: int, wall: str) -> Moment:
    """Return a moment that shows nothing newer than `wall`, though the game was first pinged later.

    The game's clock runs no faster than the wall clock, so it had reached at least the second that is returned.
    """
    first_seen = history.first_seen(game_id)
    if first_seen is None:
        return Moment(wall=wall)
    first = history.read_game(game_id, moment=Moment(wall=first_seen))
    if first is None:
        return Moment(wall=wall)
    at = datetime.fromisoformat(wall)
    has_begun = GameState(first.game["state"]) in BEGUN
    is_long_ago = at - datetime.fromisoformat(first.game["start_time"]) > _LONG_OVER
    if not has_begun or is_long_ago:
        return Moment(wall=first_seen)
    gap_s = math.ceil((datetime.fromisoformat(first_seen) - at).total_seconds())
    return Moment(max(played_seconds(first.game, first.last_shot_s) - gap_s, 0), first_seen)
