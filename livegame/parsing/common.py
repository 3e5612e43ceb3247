"""What both feeds have in common: which values can be, and what stands for those that are not there."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, TypeVar

from livegame.parsing.readers import Problems, Unreadable, cleaned, clock_seconds, text, whole
from livegame.plays import PERIOD_SECONDS, GameState, Play, Player, Shot, Team
from livegame.rink import RINK_LENGTH, RINK_WIDTH

T = TypeVar("T")

GAME_IDS: Final = (1_900_000_000, 2_099_999_999)
YEARS: Final = (1900, 2100)
MAX_PERIOD: Final = 20  # the longest game so far took nine
MAX_SCORE: Final = 99
MAX_LEFT_S: Final = 24 * 3600  # before the first face-off the clock may count down to it
SIDES: Final = ("left", "right")
# What plays are sorted by: in 2018-19 the feed's order jumps, even between periods.
BY_CLOCK: Final = attrgetter("period", "seconds")
MAX_X, MAX_Y = math.ceil(RINK_LENGTH / 2), math.ceil(RINK_WIDTH / 2)


def read_plays(
    raws: Iterable[Any],
    event_id_of: Callable[[Any], int],
    read: Callable[[int, Mapping[str, Any]], T],
    problems: Problems,
) -> tuple[tuple[T, ...], frozenset[int] | None]:
    """What `read` makes of each play, and `Game.unreadable`. Of two plays with one event id, the first counts."""
    plays: dict[int, T] = {}
    unread: set[int | None] = set()
    for number, raw in enumerate(raws, start=1):
        event_id = None
        try:
            event_id = event_id_of(raw)
            if event_id in plays:
                problems.note(f"event {event_id} is there twice; the first counts")
            else:
                plays[event_id] = read(event_id, raw)
        except Unreadable as problem:
            unread.add(event_id)
            problems.note(f"{f'play {number}' if event_id is None else f'event {event_id}'}: {problem}")
    known = frozenset(event_id for event_id in unread if event_id is not None)
    return tuple(plays.values()), None if None in unread else known - plays.keys()


def translated(table: Mapping[str, T], value: Any) -> T | None:
    """Our word for one of a feed's; None for what is none."""
    return table.get(value, table.get(cleaned(value))) if isinstance(value, str) else None


def overtime_by_clock(clocks: Iterable[tuple[Any, Any]]) -> int | None:
    """Seconds of an overtime, by the first of its plays whose clock shows both what is played and what is left.

    `clocks` are these two of each play in overtime, as the feed has them.
    """
    for clock in clocks:
        try:
            played, left = (clock_seconds(value, "clock") for value in clock)
        except Unreadable:
            continue  # what cannot be read of a play is noted where it is read
        if 0 < played + left <= PERIOD_SECONDS:
            return played + left
    return None


def season_of(game_id: int) -> int:
    """The season that a game's id begins with, such as 20212022."""
    first_year = game_id // 1_000_000
    return first_year * 10_000 + first_year + 1


def season_start(game_id: int) -> str:
    """A start for a game whose own cannot be read, so that it has its place in lists by date."""
    return f"{game_id // 1_000_000}-10-01T12:00:00Z"


def moment(value: Any, field: str) -> str:
    """A time in UTC, ISO 8601, as both feeds write it."""
    written = text(value, field)
    try:
        year = datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ").year
    except ValueError:
        raise Unreadable(field, value) from None
    whole(year, field, *YEARS)
    return written


def game_type_of(game_id: int) -> int:
    """The league's number for the kind of game, which its id holds: 2 is the regular season, 3 the playoffs."""
    return game_id // 10_000 % 100


def team_ids(*, home: Mapping[str, Any], away: Mapping[str, Any]) -> tuple[int, int]:
    """The ids of the home and the away team.

    Raises:
        Unreadable: one is not there, or both are the same.
    """
    home_id, away_id = whole(home.get("id"), "the home team's id"), whole(away.get("id"), "the away team's id")
    if home_id == away_id:
        raise Unreadable("the away team's id, as the home team's,", away_id)
    return home_id, away_id


def goals_of(plays: Iterable[Play], team_id: int) -> int:
    """The score, where the feed's own cannot be read; what a shootout adds is not in it."""
    return sum(play.kind == "goal" and play.team_id == team_id and play.period_type != "SO" for play in plays)


def full_name(place: str, nickname: str) -> str:
    """A team's place and nickname as one name; what both say is said once: "Utah" and "Utah Hockey Club"."""
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


def begun_state(state: GameState, plays: Iterable[Play], problems: Problems) -> GameState:
    """The state; a game that is said not to have begun and has shots is live."""
    if state is GameState.NOT_STARTED and any(isinstance(play, Shot) for play in plays):
        problems.note("the game is said not to have begun, but has shots; taken as live")
        return GameState.LIVE
    return state


def lost_goals(plays: Sequence[Play], *, home: Team, away: Team, state: GameState, problems: Problems) -> None:
    """Say so if an official score and the goals among the plays disagree: the league has lost one or the other."""
    if state is not GameState.FINAL:
        return  # of a game that is being played either may come first
    scores = {team.team_id: team.score for team in (home, away)}
    goals = {team_id: goals_of(plays, team_id) for team_id in scores}
    if any(play.period_type == "SO" for play in plays) and scores[home.team_id] != scores[away.team_id]:
        goals[max(scores, key=lambda team_id: scores[team_id])] += 1  # the shootout won
    if goals != scores:
        problems.note(
            f"the score is {away.abbrev} {away.score}, {home.abbrev} {home.score}, but the plays hold"
            f" {goals[away.team_id]} and {goals[home.team_id]} goals: the league has lost some of the game"
        )


def guessed_state(plays: Iterable[Play], field: str, value: Any, problems: Problems) -> GameState:
    """A state for a game whose own we do not know: what is taken for live goes on being read."""
    state = GameState.FINAL if any(play.kind == "game-end" for play in plays) else GameState.LIVE
    problems.note(f"{Unreadable(field, value)}; taken as {state}")
    return state


def whole_place(x: float | None, y: float | None) -> tuple[float | None, float | None]:
    """The coordinates, or none if one is missing: half of them place nothing."""
    return (None, None) if x is None or y is None else (x, y)


def team_of(players: Mapping[int, Player], player_id: int | None) -> int | None:
    """The id of a player's team, where it is known."""
    player = players.get(player_id or 0)
    return player.team_id if player else None


def missing_inputs(x: float | None, *, has_type: bool) -> tuple[str, ...]:
    """`Shot.missing` of a shot with this coordinate."""
    return (*(("coordinates",) if x is None else ()), *(() if has_type else ("shot_type",)))
