"""Blocked attempts, placed as shots are. They are never scored."""

from typing import Final

from livegame.features.directions import Directions
from livegame.plays import UNBLOCKED_ATTEMPTS, BlockedAttempt, Game

_ATTEMPTS: Final = UNBLOCKED_ATTEMPTS | {"blocked-shot"}


def placed_blocks(game: Game) -> list[tuple[BlockedAttempt, float | None, float | None]]:
    """Return the blocked attempts of regulation and overtime in order, each with x and y of the block in feet.

    Places are turned so that the shooter's team attacks the net at x = 89; None if unknown. Attempts by a team that is
    not in the game are skipped.
    """
    directions, teams = Directions(), (game.home.team_id, game.away.team_id)
    found: list[tuple[BlockedAttempt, float | None, float | None]] = []
    for play in game.plays:
        if play.kind not in _ATTEMPTS or play.period_type == "SO" or play.team_id not in teams:
            continue
        side = 1 if play.team_id == game.home.team_id else -1
        if play.x is not None:
            directions.witness(play.period, play.home_defends, shooter_is_home=side == 1, x=play.x)
        if not isinstance(play, BlockedAttempt):
            continue
        if play.x is None or play.y is None:
            found.append((play, None, None))
            continue
        home_attacks = directions.home_attacks(play.period, play.home_defends)
        sign = (1 if play.x >= 0 else -1) if home_attacks is None else side * home_attacks
        found.append((play, sign * play.x + 0.0, sign * play.y + 0.0))  # not -0.0
    return found
