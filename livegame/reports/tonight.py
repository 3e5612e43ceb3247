"""All games of a day as lines for people: where each stands, and its numbers, as of one moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import pandas as pd

from db import times
from db.history import History, Moment
from livegame.parsing.common import season_of
from livegame.plays import BEGUN, GameState, GameSummary, Team
from livegame.reports.counting import Count
from livegame.reports.game import GameReport, game_report, stored_status
from livegame.reports.manpower import Now
from livegame.reports.sums import GOAL
from livegame.reports.teams import TeamLine, team_lines
from livegame.reports.win_probability import WinProbability, game_prior, win_now
from livegame.status import short_status

CHANCE: Final = 0.08  # a shot with at least this xG is worth a word
LATELY_S: Final = 300  # of game time
_LONG_AGO: Final = timedelta(hours=8)  # since the start of a game that has ended, whatever the reader's delay
_ORDER: Final = {GameState.LIVE: 0, GameState.NOT_STARTED: 1, GameState.OVER: 2, GameState.FINAL: 2}
_PUT_OFF: Final = 3
_OF_ATTEMPT: Final = ("game_seconds", "period", "time", "team", "shooter", "outcome", "probability")
_KEPT: Final = 512  # games, each under one model as of one ping


@dataclass(frozen=True, slots=True)
class Attempt:
    """A shot that is worth a word."""

    game_s: int  # seconds of the game
    period: int
    time: str  # since the period began
    team: str
    shooter: str | None
    is_goal: bool
    xg: float | None  # None while it is not rated


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the history holds of a game that has begun, as of one ping."""

    away_xg: float  # of the shots that count
    home_xg: float
    pending: int  # shots that count and are not rated yet
    is_rated: bool  # whether a model has rated the game
    away_race: tuple[tuple[int, float], ...]  # seconds of the game, and the team's expected goals from then on
    home_race: tuple[tuple[int, float], ...]
    goals: tuple[tuple[int, bool], ...]  # seconds of the game, and whether the home team scored
    length_s: int  # of the game so far
    latest: Attempt | None  # what just happened
    now: Now | None  # who is on the ice, if it is being played and known
    win: WinProbability | None
    is_behind: bool  # whether the next ping can have shots rated


@dataclass(frozen=True, slots=True)
class Line:
    """One game of a day."""

    game_id: int
    start_time: str  # UTC, ISO 8601
    start_is_known: bool
    state: GameState
    short_status: str  # where it stands
    away: Team
    home: Team
    has_score: bool  # False before the start, and while a delay hides it
    numbers: Numbers | None
    pinged_at: str | None
    away_season: TeamLine | None = None  # before the game
    home_season: TeamLine | None = None

    @property
    def is_live(self) -> bool:
        """Whether the game is being played."""
        return self.state is GameState.LIVE

    @property
    def is_over(self) -> bool:
        """Whether the game has ended."""
        return self.state in (GameState.OVER, GameState.FINAL)


class Evening:
    """Reads the lines of a day's games; one ping's numbers are computed once for all readers. Threads may share it."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._numbers = lru_cache(_KEPT)(self._read_numbers)

    def lines(
        self,
        games: Sequence[GameSummary],
        count: Count,
        moment: Moment | None = None,
        models: Mapping[int, str | None] | None = None,
        default_model: str | None = None,
    ) -> list[Line]:
        """Return the games as of a moment of the wall clock: live ones first, then next, finished, and put off.

        All that a line says of a pinged game is from the history. `models` are those that a reader wants to see games
        by, `default_model` the one for teams' seasons, by default that of the latest game.

        Raises:
            DatabaseError: the history cannot be read.
        """
        rows = self._history.games_at([game.game_id for game in games], moment)
        seasons: dict[int, Mapping[str, TeamLine]] = {}
        lines = []
        for game in games:
            row = rows.get(game.game_id)
            line = (
                _listed(game, moment)
                if row is None or _is_outdated(row, game, moment)
                else self._stored(row, count, models)
            )
            if line.state is GameState.NOT_STARTED:
                season = season_of(game.game_id)
                if season not in seasons:
                    seasons[season] = self._teams(default_model, season)
                line = _with_season(line, seasons[season])
            lines.append(line)
        return sorted(lines, key=lambda line: (_ORDER.get(line.state, _PUT_OFF), line.start_time, line.game_id))

    def _teams(self, model: str | None, season: int) -> dict[str, TeamLine]:
        """Return each team's season by its abbreviation, by default under the model of the latest game."""
        chosen = model or next((known["model"] for known in self._history.models()), None)
        return {line.team: line for line in team_lines(self._history, chosen, season)} if chosen else {}

    def _stored(self, row: Mapping[str, Any], count: Count, models: Mapping[int, str | None] | None) -> Line:
        if row["state"] not in BEGUN:
            return _line(row, None)
        model = (models or {}).get(row["game_id"])
        return _line(row, self._numbers(row["game_id"], model, count, row["pinged_at"]))

    def _read_numbers(self, game_id: int, model: str | None, count: Count, pinged_at: str) -> Numbers | None:
        """Return a game's numbers as of the ping of this time; None if it was deleted meanwhile."""
        report = game_report(self._history, game_id, model, count)
        if report is None or report.pinged_at != pinged_at:  # not the last ping
            report = game_report(self._history, game_id, model, count, Moment(wall=pinged_at))
        if report is None:
            return None
        return _numbers(report, win_now(report, game_prior(self._history, report)))


def line_of(report: GameReport) -> Line:
    """Return the line of a game as a report shows it, without its win probability."""
    numbers = _numbers(report, None) if report.state in BEGUN else None
    return _line(report.row, numbers)


def _line(row: Mapping[str, Any], numbers: Numbers | None) -> Line:
    state = GameState(row["state"])
    return Line(
        game_id=row["game_id"],
        start_time=row["start_time"],
        start_is_known=bool(row["start_is_known"]),
        state=state,
        short_status=stored_status(row, short_status),
        away=_team(row, "away"),
        home=_team(row, "home"),
        has_score=state in BEGUN,
        numbers=numbers,
        pinged_at=row["pinged_at"],
    )


def _numbers(report: GameReport, win: WinProbability | None) -> Numbers:
    rated = report.counted.dropna(subset=["probability"])
    races = (
        tuple(zip(own["game_seconds"].astype(int), own["running_xg"].astype(float), strict=True))
        for own in (rated[rated["team"] == team.abbrev] for team in (report.away, report.home))
    )
    away_race, home_race = races
    goals = report.present[report.present["outcome"] == GOAL]
    return Numbers(
        away_xg=report.away.counted.xg,
        home_xg=report.home.counted.xg,
        pending=report.pending,
        is_rated=report.model is not None,
        away_race=away_race,
        home_race=home_race,
        goals=tuple(zip(goals["game_seconds"].astype(int), goals["team"] == report.home.abbrev, strict=True)),
        length_s=report.length_s,
        latest=_latest(report),
        now=report.now,
        win=win,
        is_behind=report.is_catching_up,
    )


def _latest(report: GameReport) -> Attempt | None:
    """Return the last goal if it was lately or the game is over, else the best chance of late, else the last goal."""
    shots = [_attempt(row) for row in report.present[list(_OF_ATTEMPT)].to_dict("records")]
    since = report.length_s - LATELY_S
    goal = next((shot for shot in reversed(shots) if shot.is_goal), None)
    chances = [shot for shot in shots if shot.game_s >= since and (shot.xg or 0.0) >= CHANCE]
    if goal is not None and (report.is_over or not chances or goal.game_s >= since):
        return goal
    return max(chances, key=lambda shot: shot.xg or 0.0, default=None)


def _attempt(row: Mapping[Any, Any]) -> Attempt:
    return Attempt(
        game_s=int(row["game_seconds"]),
        period=int(row["period"]),
        time=row["time"],
        team=row["team"],
        shooter=row["shooter"],
        is_goal=row["outcome"] == GOAL,
        xg=None if pd.isna(row["probability"]) else float(row["probability"]),
    )


def _listed(game: GameSummary, moment: Moment | None) -> Line:
    """Return the line of a game that no ping has seen by then. With a delay the league's list may say too much."""
    has_begun = game.state in BEGUN
    is_hidden = has_begun and moment is not None and not _began_long_ago(game, moment)
    state = GameState.LIVE if is_hidden else game.state
    return Line(
        game_id=game.game_id,
        start_time=game.start_time,
        start_is_known=game.start_is_known,
        state=state,
        short_status="Live" if is_hidden else game.short_status,
        away=game.away,
        home=game.home,
        has_score=has_begun and not is_hidden,
        numbers=None,
        pinged_at=None,
    )


def _is_outdated(row: Mapping[str, Any], game: GameSummary, moment: Moment | None) -> bool:
    """Return whether the league's list knows more of a game than its last ping, which was before its start."""
    return row["state"] not in BEGUN and (moment is None or game.state not in BEGUN)


def _began_long_ago(game: GameSummary, moment: Moment) -> bool:
    then = datetime.fromisoformat(moment.wall) if moment.wall else times.utc_now()
    return then - datetime.fromisoformat(game.start_time) > _LONG_AGO


def _team(row: Mapping[str, Any], side: str) -> Team:
    return Team(row[f"{side}_id"], row[f"{side}_abbrev"], row[f"{side}_name"], row[f"{side}_score"])


def _with_season(line: Line, season: Mapping[str, TeamLine]) -> Line:
    return replace(line, away_season=season.get(line.away.abbrev), home_season=season.get(line.home.abbrev))


def sections(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """Return the lines under their headings, in the order of `Evening.lines`."""
    found: dict[str, list[Line]] = {}
    names = {0: "Live", 1: "Next", 2: "Final", _PUT_OFF: "Postponed or cancelled"}
    for line in lines:
        found.setdefault(names[_ORDER.get(line.state, _PUT_OFF)], []).append(line)
    return found
