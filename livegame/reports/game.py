"""One game as the history holds it, ready to be shown: every number of the page and of the command line."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from db.history import History, ManpowerRow, Moment
from livegame.features.features import FEATURE_NAMES
from livegame.pace import is_due, is_stale, pause_s
from livegame.plays import BEGUN, GameState
from livegame.reports.at_clock import before_first_ping, played_seconds, row_at
from livegame.reports.attempts import (
    AttemptCounts,
    Counted,
    attempts_frame,
    attempts_of,
    blocked_frame,
    counted_attempts,
)
from livegame.reports.counting import EMPTY_NET, Count, strength_of
from livegame.reports.frames import frame_of
from livegame.reports.manpower import Now, PowerPlay, manpower_until, power_plays, what_is_on
from livegame.reports.sums import GOAL, PENDING, RETRACTED, Rows, Sums, by_goalie, by_shooter, sum_up
from livegame.status import short_status, status_line

# What identifies and describes a shot, in front of its features.
SHOT_COLUMNS: Final = (
    *("event_id", "time", "team", "shooter", "shooter_id", "goalie", "goalie_id"),
    *("outcome", "status", "missing", "situation", "strength", "reason"),
)
_IDS: Final = {"shooter_id": "Int64", "goalie_id": "Int64"}  # whole numbers, though some shots have none
_OF_PINGS: Final = ("pinged_at", "stale_at", "fingerprint", "time_stamp")  # of a game's row: they show nothing of it


@dataclass(frozen=True, slots=True)
class TeamTotals:
    """One team's sums: expected goals beside actual ones, over the same unblocked attempts in regulation and overtime.

    `score` is the scoreboard's, which adds a goal for a shootout won.
    """

    name: str
    abbrev: str
    is_home: bool
    score: int
    counted: Sums  # the shots that count
    empty_net: Sums  # the shots at an empty net, whether they count or not
    others: Sums  # the remaining shots that do not count
    attempts: AttemptCounts  # all, whether they count or not


@dataclass(frozen=True, slots=True)
class Unrated:
    """How many shots are pending, and why."""

    complete: int  # reported in full: the model has not rated them yet, or cannot
    incomplete: int
    missing: tuple[str, ...]  # what the league has not reported of the incomplete ones


@dataclass(frozen=True, slots=True)
class GameReport:
    """One game as the history holds it, under one model."""

    game_id: int
    title: str
    date: str  # the league's, ISO 8601
    start_time: str  # UTC, ISO 8601
    state: GameState
    status: str
    model: str | None
    models: tuple[str, ...]  # all that have scored this game
    count: Count  # which shots are in all the sums below
    population: str | None  # the shots that the model scores: unblocked or on-goal
    latest_model: str | None  # the model of the last complete ping
    is_asked: bool  # whether the last ping was complete and with this model, so that nothing is left to score
    pinged_at: str
    played_seconds: int  # of game time, up to the last ping, or to the moment if that is earlier
    length_s: int  # of game time, up to the last ping that the moment knows of
    known_state: GameState  # as `state`, but also where the game's clock is cut: whether the game goes on after that
    was_followed: bool  # whether a ping saw it while it was played
    goal_marks: tuple[tuple[int, bool], ...]  # the second of each goal until then, and whether the home team scored it
    away: TeamTotals
    home: TeamTotals
    shots: pd.DataFrame  # one row for each shot: SHOT_COLUMNS, the features, the team's running_xg, probability last
    present: pd.DataFrame  # those not retracted, with whether each `counts` and the running_xg of those that do
    by_shooter: pd.DataFrame  # as in the history's views of the same names, of the shots that count
    by_goalie: pd.DataFrame
    goals: pd.DataFrame  # of `goal_log`
    corrections: pd.DataFrame
    attempts: pd.DataFrame  # those that count, blocked ones too: columns as in the view `attempts_by_team`
    blocked: pd.DataFrame  # blocked attempts: see `blocked_frame`
    manpower: tuple[ManpowerRow, ...]  # stretches of regulation and overtime
    problems: str | None  # what could not be read, or cannot be true, in the feed's latest answer
    row: Mapping[str, Any]  # of the game in the history, as of the moment
    start_is_known: bool = True  # if False, the time of day in `start_time` is a placeholder
    moment: Moment | None = None  # all this is as of then, but `latest`; None: as of the last ping
    latest: Mapping[str, Any] = field(default_factory=dict)  # the game's row as of the last ping, which pings follow

    @property
    def content(self) -> str:
        """A text that changes whenever anything shown of the game does; a ping that found nothing new leaves it."""
        shots = pd.util.hash_pandas_object(self.shots, index=False).sum()
        row = {name: value for name, value in self.row.items() if name not in _OF_PINGS}
        parts = (
            self.count,
            self.model,
            self.models,
            self.is_asked,
            shots,
            pd.util.hash_pandas_object(self.attempts, index=False).sum(),
            len(self.corrections),
            self.manpower,
            self.length_s,
            row,
        )
        return " ".join(map(str, parts))

    @property
    def short_status(self) -> str:
        """Where the game stands, in a few characters."""
        return stored_status(self.row, short_status)

    @property
    def is_over(self) -> bool:
        """Whether the game has ended; corrections may still follow."""
        return self.state in (GameState.OVER, GameState.FINAL)

    @property
    def is_awaited(self) -> bool:
        """Whether more pings are worthwhile: for plays, a start time, or early corrections."""
        return pause_s(self.latest) is not None or self.is_catching_up

    def is_due(self, every_s: float) -> bool:
        """Return whether a ping is due, at most every `every_s` seconds, and seldom while the game is far away."""
        return is_due(self.latest, every_s) or (self.is_catching_up and is_stale(self.latest, every_s))

    @property
    def has_begun(self) -> bool:
        """Whether play has begun."""
        return self.state in BEGUN or not self.shots.empty

    @property
    def power_plays(self) -> tuple[PowerPlay, ...]:
        """The power plays of both teams, in order."""
        return power_plays(self.manpower)

    @property
    def now(self) -> Now | None:
        """Who is on the ice; None unless the game is under way, in a shootout, and while the league reports nothing."""
        if self.state is not GameState.LIVE or self.row["period_type"] == "SO":
            return None
        return what_is_on(self.manpower, self.played_seconds)

    @property
    def shares(self) -> tuple[float, float]:
        """The away and the home team's share of all expected goals; one half each before the first."""
        away, home = self.away.counted.xg, self.home.counted.xg
        share = away / (away + home) if away + home else 0.5
        return share, 1 - share

    @property
    def is_catching_up(self) -> bool:
        """Whether the next ping can have pending shots rated."""
        is_waited_for = (
            self.latest["fingerprint"] is None and self.model == self.latest["model"]
        )  # others score no more
        return is_waited_for and bool(self.unrated.complete)

    @property
    def unrated(self) -> Unrated:
        """The pending shots of both teams, whether they count or not."""
        missing = self.present.loc[self.present["status"] == PENDING, "missing"]
        owed = missing.dropna()
        names = sorted({name for listed in owed for name in listed.split(", ")})
        return Unrated(len(missing) - len(owed), len(owed), tuple(names))

    @property
    def counted(self) -> pd.DataFrame:
        """The rows of `present` that count."""
        return self.present[self.present["counts"]]

    @property
    def pending(self) -> int:
        """Shots of both teams that are known but not scored yet."""
        return self.away.counted.pending + self.home.counted.pending

    @property
    def corrected(self) -> int:
        """The number of stored shots that the league has changed and not changed back."""
        event_ids = set(self.shots.loc[self.shots["status"].isin(["retracted", "amended"]), "event_id"])
        if len(self.corrections):
            outcomes = self.corrections[self.corrections["what"] == "outcome"]
            ends = outcomes.groupby("event_id").agg(before=("before", "last"), after=("after", "first"))  # newest first
            event_ids |= set(ends.index[ends["before"] != ends["after"]])
        return len(event_ids)


def game_report(
    history: History,
    game_id: int,
    model: str | None = None,
    count: Count = Count.ALL,
    moment: Moment | None = None,
) -> GameReport | None:
    """Read a game's report from the history as of a moment, by default now; None if it was not pinged by then.

    `model` is the one to report on if it has scored the game; by default that of the last complete ping. All sums cover
    the shots that `count` takes.

    Raises:
        DatabaseError: the history cannot be read.
    """
    stored = history.read_game(game_id, model, moment)
    if stored is None and moment is not None and moment.wall is not None:
        moment = before_first_ping(history, game_id, moment.wall)
        stored = history.read_game(game_id, model, moment)
    if stored is None:
        return None
    length = played_seconds(stored.game, stored.last_shot_s)
    if moment is not None and moment.game_s is not None and moment.game_s >= length:
        moment = None if moment.wall is None else Moment(wall=moment.wall)  # that is the whole game
    second = None if moment is None else moment.game_s
    game = stored.game if second is None else row_at(stored.game, stored.goals, second)
    played = length if second is None else second
    rows = [row for row in stored.shots if row["status"] != RETRACTED]
    counted = [row for row in rows if count.takes(row["situation"])]

    state = GameState(game["state"])
    shots = _shots_frame(stored.shots)
    present = _present_frame(shots, rows, count)
    attempts = counted_attempts(stored.attempts, Count.ALL)
    is_at_end = second is not None and bool(game["in_intermission"])  # the next period's first face-off has this second
    stretches = [row for row in stored.manpower if row.start_s < played or not is_at_end]
    return GameReport(
        game_id=game_id,
        title=f"{game['away_name']} at {game['home_name']}",
        date=game["game_date"],
        start_time=game["start_time"],
        state=state,
        status=stored_status(game),
        model=stored.model,
        models=stored.models,
        count=count,
        population=stored.population,
        latest_model=game["model"],
        is_asked=game["fingerprint"] is not None and stored.model == game["model"],
        pinged_at=game["pinged_at"],
        played_seconds=played,
        length_s=length,
        known_state=GameState(stored.game["state"]),
        was_followed=stored.was_followed,
        goal_marks=stored.goal_marks,
        away=_team_totals(game, "away", rows, attempts, count),
        home=_team_totals(game, "home", rows, attempts, count),
        shots=shots,
        present=present,
        by_shooter=pd.DataFrame(by_shooter(counted)),
        by_goalie=pd.DataFrame(by_goalie(counted)),
        goals=pd.DataFrame(stored.goals),
        corrections=pd.DataFrame(stored.corrections),
        attempts=attempts_frame(counted_attempts(stored.attempts, count)),
        blocked=blocked_frame(stored.blocked, stored.attempts, count),
        manpower=manpower_until(stretches, played),
        problems=game["problems"],
        row=game,
        start_is_known=bool(game["start_is_known"]),
        moment=moment,
        latest=history.game_row(game_id) or game if moment else game,
    )


def stored_status(game: Mapping[str, Any], words: Callable[..., str] = status_line) -> str:
    """Return where a stored game stands, in one line; `game` is its row, `words` a function of `livegame.status`."""
    return words(
        GameState(game["state"]),
        game["period"],
        game["period_type"],
        game["seconds_left"],
        in_intermission=bool(game["in_intermission"]),
    )


def _team_totals(game: Mapping[str, Any], side: str, rows: Rows, attempts: Counted, count: Count) -> TeamTotals:
    own = [row for row in rows if bool(row["is_home"]) is (side == "home")]
    beside = [row for row in own if not count.takes(row["situation"])]
    return TeamTotals(
        name=game[f"{side}_name"],
        abbrev=game[f"{side}_abbrev"],
        is_home=side == "home",
        score=game[f"{side}_score"],
        counted=sum_up(row for row in own if count.takes(row["situation"])),
        empty_net=sum_up(row for row in own if row["situation"] == EMPTY_NET),
        others=sum_up(row for row in beside if row["situation"] != EMPTY_NET),
        attempts=attempts_of(attempts, is_home=side == "home"),
    )


def _present_frame(shots: pd.DataFrame, rows: Sequence[Mapping[str, Any]], count: Count) -> pd.DataFrame:
    running = {True: 0.0, False: 0.0}
    sums = []
    for row in rows:
        if count.takes(row["situation"]) and row["probability"] is not None:
            running[bool(row["is_home"])] += row["probability"]
        sums.append(running[bool(row["is_home"])])
    counts = [count.takes(row["situation"]) for row in rows]
    present = shots[shots["status"] != RETRACTED]
    return present.assign(running_xg=sums, counts=pd.Series(counts, index=present.index, dtype=bool))


SUMMED: Final = ["status", "outcome", "probability"]  # what `sums_of` needs; picking rows of these alone is quick


def sums_of(shots: pd.DataFrame) -> Sums:
    """Return the sums of some rows of `GameReport.present`."""
    columns = zip(shots["status"], shots["outcome"], shots["probability"], strict=True)
    return sum_up(
        {"status": status, "outcome": outcome, "is_goal": outcome == GOAL, "probability": probability}
        for status, outcome, probability in columns
    )


def _shots_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    named = (row | {"strength": strength_of(row["situation"], row["strength"])} for row in map(dict, rows))
    records = [
        (*(row[column] for column in SHOT_COLUMNS), *_values(row["features"]), row["running_xg"], row["probability"])
        for row in named
    ]
    return frame_of(records, [*SHOT_COLUMNS, *FEATURE_NAMES, "running_xg", "probability"], _IDS)


def _values(features: str) -> tuple[Any, ...]:
    stored = json.loads(features)
    return tuple(stored.get(name) for name in FEATURE_NAMES)
