"""The rows written to the history, and one stored game as read from it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

SEASON: Final = "season"  # the competition of regular season and playoffs, which season sums cover
Prediction = tuple[int, float, Mapping[str, Any]]  # event id, probability, inputs


@dataclass(frozen=True, slots=True)
class GameRow:
    """A row of `games`, from one answer of the feed."""

    game_id: int
    season: int
    game_type: int
    start_time: str
    home_id: int
    home_abbrev: str
    home_name: str
    home_score: int
    away_id: int
    away_abbrev: str
    away_name: str
    away_score: int
    state: str
    period: int
    period_type: str
    seconds_left: int
    in_intermission: bool
    game_date: str  # the league's, ISO 8601
    problems: str | None = None
    start_is_known: bool = True
    overtime_seconds: int | None = None
    has_end: bool = True
    time_stamp: str | None = None
    events: str | None = None


@dataclass(frozen=True)  # without slots it is pickled twice as fast
class ShotRow:
    """A row of `shots`, from one answer of the feed."""

    event_id: int
    position: int
    period: int
    seconds: int
    is_home: bool
    shooter: str | None
    goalie: str | None
    outcome: str
    penalty_shot: bool
    empty_net: bool
    features: Mapping[str, Any]  # finite numbers, texts and None
    missing: str | None
    shooter_id: int | None = None
    goalie_id: int | None = None
    reason: str | None = None  # of a miss, in the league's words


@dataclass(frozen=True)
class BlockedRow:
    """A row of `blocked_attempts`, from one answer of the feed."""

    event_id: int
    period: int
    seconds: int
    is_home: bool  # whether the shooter is of the home team
    shooter_id: int | None
    shooter: str | None
    blocker_id: int | None
    blocker: str | None
    by_teammate: bool
    x: float | None  # of the block, in feet; the shooter's team attacks the net at x = 89
    y: float | None
    code: str | None  # of the situation: "1551"
    strength: str | None  # as the shooter's team sees it: "5v4", or PS


@dataclass(frozen=True, slots=True)
class ManpowerRow:
    """A row of `manpower`: a stretch of the game in which nothing of this changed. Times are seconds of the game."""

    start_s: int
    end_s: int  # of the last stretch: the last play so far, which may be its first
    situation: str | None  # away goalie, away skaters, home skaters, home goalie: "1551"; None if not reported
    away_until: tuple[int, ...] = ()  # when the away team gets players back, one after the other, without a goal
    home_until: tuple[int, ...] = ()
    power_play: str | None = None  # the team with more skaters, away or home; extra attackers do not count
    power_play_since: int | None = None  # power plays in two stretches are the same one if this is


@dataclass(frozen=True, slots=True)
class Scores:
    """One model's predictions, perhaps none, for the shots of a game that it had not scored."""

    model: str
    population: str
    predictions: Sequence[Prediction]
    fingerprint: str | None = None  # of everything the game's rows were made from; see `History.confirm`
    trained_on: Sequence[int] | None = None  # the seasons that the model learned from, if its card says


@dataclass(frozen=True, slots=True)
class GameUpdate:
    """One answer of the feed as rows, with the scores of its new shots, if there are any yet."""

    game: GameRow
    shots: Sequence[ShotRow]
    manpower: Sequence[ManpowerRow] | None = ()  # None: unchanged
    unreadable: Collection[int] | None = ()  # ids of events that could not be read; None: any event may be one
    scores: Scores | None = None
    challengers: Sequence[Scores] = ()  # by the challengers, for the shots that they had not scored
    stale_at: str | None = None  # until when the feed says that it has nothing newer
    problems: Sequence[str] = ()  # what could not be read of the answer; `game.problems` holds them as one text
    digest: str | None = None  # SHA-256 of the bytes that the rows were read from, if any
    blocked: Sequence[BlockedRow] | None = ()  # None: unchanged
    is_pinged: bool = False  # by a ping; only what pings change is told in notices


@dataclass(frozen=True, slots=True)
class Correction:
    """One change that the league made to a stored shot."""

    event_id: int
    what: str  # retracted, restored, outcome or amended
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an update changed in the history; nothing by default."""

    game_id: int
    new: tuple[int, ...] = ()  # event ids not seen before, in the feed's order
    corrections: tuple[Correction, ...] = ()
    scored: int = 0  # new predictions, without those of challengers
    scored_by_challengers: int = 0
    challenger_problems: tuple[str, ...] = ()  # why challengers could not score their shots
    has_new_problems: bool = False  # whether it has problems that differ from those before
    problems: tuple[str, ...] = ()  # of the update
    is_older: bool = False  # whether the answer was older than what is stored, or cut short, and was not recorded

    @property
    def changed(self) -> bool:
        """Whether shots or predictions in the history changed, other than those of challengers."""
        return bool(self.new or self.corrections or self.scored)

    def followed_by(self, other: "Recorded") -> "Recorded":
        """Return both combined; `other` is what the same answer changed afterwards."""
        return replace(
            other,
            new=self.new + other.new,
            corrections=self.corrections + other.corrections,
            scored=self.scored + other.scored,
            scored_by_challengers=self.scored_by_challengers + other.scored_by_challengers,
            has_new_problems=self.has_new_problems or other.has_new_problems,
        )


@dataclass(frozen=True, slots=True)
class StoredGame:
    """Everything stored of one game under one model, as of one moment; rows are those of the views."""

    game: dict[str, Any]
    model: str | None
    population: str | None  # of the model
    models: tuple[str, ...]  # that of the last complete ping, and all that scored the game, by first use
    goals: list[dict[str, Any]]  # of `goal_log`, in play order
    shots: list[dict[str, Any]]  # of `shot_probabilities`, in play order, with each team's `running_xg`
    last_shot_s: int  # of the game's clock; of the whole game as known then, also where the rest is cut at a second
    was_followed: bool  # whether a ping saw it while it was played, so that it is known when things were first seen
    goal_marks: tuple[tuple[int, bool], ...]  # the second of each goal and whether the home team scored it; as above
    corrections: list[dict[str, Any]]  # of `correction_log`, newest first
    manpower: tuple[ManpowerRow, ...]
    attempts: list[dict[str, Any]]  # of `attempts`: blocked ones too, of no model
    blocked: list[dict[str, Any]]  # of `blocked_attempts`, in play order, without retracted ones
