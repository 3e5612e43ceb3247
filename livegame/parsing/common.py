"""Rules that both feeds share: limits, defaults for what is missing, and contradictions within a game."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from msgspec.structs import replace

from livegame.parsing.readers import FeedProblems, Unreadable
from livegame.plays import Game, GameState, Play, Player, Shot

GAME_IDS: Final = (1_900_000_000, 2_099_999_999)
MAX_PERIOD: Final = 20  # the longest game so far took nine
MAX_SCORE: Final = 99
MAX_PENALTY_MINUTES: Final = 60
MAX_LEFT_S: Final = 24 * 3600  # before the first face-off the clock may count down to it
SIDES: Final = ("left", "right")
# The order of plays: in 2018-19 the feed's own order jumps, even between periods.
BY_CLOCK: Final = attrgetter("period", "seconds")


def season_of(game_id: int) -> int:
    """Return the season that a game's id begins with, such as 20212022."""
    first_year = game_id // 1_000_000
    return first_year * 10_000 + first_year + 1


def season_start(game_id: int) -> str:
    """Return a placeholder (UTC) for an unreadable start, so that the game can be sorted by date."""
    return f"{game_id // 1_000_000}-10-01T12:00:00Z"


def game_type_of(game_id: int) -> int:
    """Return the league's number for the game type, from the id: 2 is the regular season, 3 the playoffs."""
    return game_id // 10_000 % 100


def full_name(place: str, nickname: str) -> str:
    """Join a team's place and nickname; words in both appear once: "Utah" and "Utah Hockey Club"."""
    first, second = place.split(), nickname.split()
    low, high = ([word.casefold() for word in words] for words in (first, second))
    if _holds(high, low):
        return nickname
    if _holds(low, high):
        return place
    shared = max(n for n in range(len(low) + 1) if low[len(low) - n :] == high[:n])
    return " ".join((*first, *second[shared:]))


def _holds(words: Sequence[str], others: Sequence[str]) -> bool:
    return any(words[start : start + len(others)] == others for start in range(len(words) - len(others) + 1))


def team_of(players: Mapping[int, Player], player_id: int | None) -> int | None:
    """Return the id of a player's team, if known."""
    player = players.get(player_id or 0)
    return player.team_id if player else None


def blocked_by(
    players: Mapping[int, Player], shooter_id: int | None, blocker_id: int | None, *, by_teammate: bool
) -> dict[str, Any]:
    """Return the fields of a `BlockedAttempt` beside those of any play; rosters tell who blocked a team-mate."""
    teams = team_of(players, shooter_id), team_of(players, blocker_id)
    same = None not in teams and teams[0] == teams[1]
    return {"shooter_id": shooter_id, "blocker_id": blocker_id, "by_teammate": by_teammate or same}


def missing_inputs(x: float | None, *, has_type: bool) -> tuple[str, ...]:
    """Return `Shot.missing` for a shot with this coordinate."""
    return (*(("coordinates",) if x is None else ()), *(() if has_type else ("shot_type",)))


def goals_of(plays: Iterable[Play], team_id: int) -> int:
    """Return a team's goals before any shootout, in place of an unreadable score."""
    return sum(play.kind == "goal" and play.team_id == team_id and play.period_type != "SO" for play in plays)


def guessed_state(plays: Iterable[Play], field: str, value: Any, problems: FeedProblems) -> GameState:
    """Guess and note a game's unknown state; a game treated as live is read again."""
    state = GameState.FINAL if any(play.kind == "game-end" for play in plays) else GameState.LIVE
    problems.note(f"{Unreadable(field, value)}; treated as {state}")
    return state


def checked(game: Game, problems: FeedProblems) -> Game:
    """Return the game with its contradictions resolved or noted, and with all problems found in the answer."""
    if game.state is GameState.NOT_STARTED and any(isinstance(play, Shot) for play in game.plays):
        problems.note("the feed says that the game has not begun, but it has shots; treated as live")
        game = replace(game, state=GameState.LIVE)
    if game.state is GameState.FINAL:  # during a game, goals and score may not agree yet
        _note_lost_goals(game, problems)
    return replace(game, problems=problems.texts)


def _note_lost_goals(game: Game, problems: FeedProblems) -> None:
    home, away = game.home, game.away
    scores = {team.team_id: team.score for team in (home, away)}
    goals = {team_id: goals_of(game.plays, team_id) for team_id in scores}
    if any(play.period_type == "SO" for play in game.plays) and home.score != away.score:
        goals[max(scores, key=lambda team_id: scores[team_id])] += 1  # the shootout won
    if goals != scores:
        problems.note(
            f"the score is {away.abbrev} {away.score}, {home.abbrev} {home.score}, but the plays hold"
            f" {goals[away.team_id]} and {goals[home.team_id]} goals: the league has lost some of the game"
        )
