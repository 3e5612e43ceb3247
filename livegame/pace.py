"""How often a game is pinged: often while it is played, seldom before, and for a while after the end."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from db import times
from livegame.plays import BEGUN, GameState, GameSummary

SELDOM_S: Final = 3600.0  # a postponement or a new start time is noticed within an hour
EARLY_S: Final = 600.0  # before the start: line-ups arrive, and some games start a little early
LINGER_S: Final = 900.0  # after a ping saw the end: wrong states and first corrections of late shots take minutes
_OFFICIAL_S: Final = 3600.0  # after the horn; most games become official within that time
_LATE_S: Final = 3 * 3600.0  # after the start: a longer delay is checked for once an hour
INCOMPLETE_DAYS: Final = 7  # for the rest of a game's plays; what is missing by then never arrives


def pause_s(game: Mapping[str, Any], now: datetime | None = None) -> float | None:
    """Return the minimum seconds between pings of a game, given its row; None if there is nothing to wait for."""
    now = now or times.utc_now()
    state = GameState(game["state"])
    if state is GameState.LIVE:
        return 0.0
    if state is GameState.CANCELLED:
        return None
    if state is GameState.POSTPONED:
        return SELDOM_S
    since_start = (now - datetime.fromisoformat(game["start_time"])).total_seconds()
    if state is GameState.NOT_STARTED:
        if not game["start_is_known"] or since_start > _LATE_S:
            return SELDOM_S
        return min(max(-since_start - EARLY_S, 0.0), SELDOM_S)
    ended_at = game["ended_at"]
    # negative if the clock was set back since: the game ended about now
    since_end = max((now - datetime.fromisoformat(ended_at)).total_seconds(), 0.0) if ended_at else float("inf")
    if since_end < (_OFFICIAL_S if state is GameState.OVER else LINGER_S):
        return 0.0
    is_recent = since_start < timedelta(days=INCOMPLETE_DAYS).total_seconds()
    if is_recent and (state is GameState.OVER or not game["has_end"]):
        return SELDOM_S
    return None


def is_due(game: Mapping[str, Any], at_least_s: float = 0.0, now: datetime | None = None) -> bool:
    """Return whether it is time to ping a stored game again, at most every `at_least_s` seconds."""
    now = now or times.utc_now()
    pause = pause_s(game, now)
    return pause is not None and is_stale(game, max(pause, at_least_s), now)


def is_watched_due(
    game: Mapping[str, Any] | None, listed: GameSummary, at_least_s: float, now: datetime | None = None
) -> bool:
    """Return whether it is time to ping a game that somebody watches on a list of a day's games.

    `game` is its row, None if it was never pinged. Before the start the list itself says all that there is. A finished
    game of the last days that was never pinged is pinged once, for its shots.
    """
    now = now or times.utc_now()
    if listed.state not in BEGUN:
        return False
    if game is None:
        is_recent = now - datetime.fromisoformat(listed.start_time) < timedelta(days=INCOMPLETE_DAYS)
        return is_recent or listed.state is GameState.LIVE
    if GameState(game["state"]) not in BEGUN:
        return is_stale(game, at_least_s, now)  # the list is newer
    return is_due(game, at_least_s, now)


def is_stale(game: Mapping[str, Any], seconds: float, now: datetime | None = None) -> bool:
    """Return whether a stored game's last ping is at least `seconds` old, or in the future."""
    age = ((now or times.utc_now()) - datetime.fromisoformat(game["pinged_at"])).total_seconds()
    return not 0 <= age < seconds
