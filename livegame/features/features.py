"""Plays to features: the one definition of every feature, for training, live pings and backfill.

A shot's features depend on the plays before it and on nothing after, so they are the same live and after the game.
All coordinates are turned so that the shooting team attacks the net at x = 89.
"""

import math
from typing import Annotated, Final, Literal, NamedTuple, get_type_hints

from livegame.features.directions import Directions, home_attacks_if
from livegame.features.situations import PowerPlayClock, situation_of, strength_state
from livegame.plays import PENALTY_SHOT_SITUATIONS, Game, Play, Shot
from livegame.rink import angle_to_net, distance_to_net, signed_angle_to_net

REBOUND_SECONDS: Final = 3
# Plays that move the puck. Penalties are left out: a delayed one is clocked at the goal that ended the delay, so it
# would leak the goal to a model.
CONTEXT_KINDS: Final = frozenset(
    {"faceoff", "hit", "giveaway", "takeaway", "blocked-shot", "missed-shot", "shot-on-goal"}
)
_ATTEMPT_KINDS: Final = frozenset({"blocked-shot", "missed-shot", "shot-on-goal"})  # goals end play
_ATTEMPTS: Final = _ATTEMPT_KINDS | {"goal"}


class Feature(NamedTuple):
    """What one field of `ShotFeatures` means; `name` and `kind` are those of the field itself."""

    unit: str
    formula: str
    source: str  # fields of the gamecenter feed, or other features
    name: str = ""
    kind: Literal["number", "category"] = "number"


# fmt: off
class ShotFeatures(NamedTuple):
    """The features of one shot. An unknown number is NaN, an unknown category None."""

    period: Annotated[int, Feature("", "the period's number; overtime is 4", "the play's periodDescriptor.number")]
    period_seconds: Annotated[int, Feature("s", "time since the period began", "timeInPeriod")]
    game_seconds: Annotated[int, Feature("s", "(period - 1) x 1200 + period_seconds", "period, period_seconds")]
    x: Annotated[float, Feature(
        "ft", "along the ice from centre; the attacked goal line is at 89",
        "details.xCoord, turned by zoneCode and homeTeamDefendingSide; where they leave it open, by earlier attempts")]
    y: Annotated[float, Feature(
        "ft", "across the ice from its middle line, positive to the attacker's left", "details.yCoord, turned as x")]
    offset: Annotated[float, Feature("ft", "|y|", "y")]
    distance: Annotated[float, Feature("ft", "hypot(89 - x, y)", "x, y")]
    angle: Annotated[float, Feature("deg", "atan2(|y|, 89 - x); beyond 90 is behind the net", "x, y")]
    shot_type: Annotated[str | None, Feature(
        "", "as the league names it: wrist, snap, slap, tip-in ...", "details.shotType")]
    prev_type: Annotated[str | None, Feature(
        "",
        "kind of the last faceoff, hit, giveaway, takeaway or attempt since play was stopped; none of a penalty shot",
        "typeDescKey of the plays before")]
    prev_play: Annotated[str | None, Feature(
        "", "prev_type after its side, such as own faceoff, opposing hit", "prev_type, prev_same_team")]
    prev_x: Annotated[float, Feature("ft", "its place, turned with the shot's team", "as x")]
    prev_y: Annotated[float, Feature("ft", "its place, turned with the shot's team", "as y")]
    prev_offset: Annotated[float, Feature(
        "ft", "|prev_y|, negative where it lies on the other side of the ice than the shot", "prev_y, y")]
    prev_seconds: Annotated[float, Feature("s", "time since it", "timeInPeriod of both")]
    prev_distance: Annotated[float, Feature("ft", "from its place to the shot's", "x, y, prev_x, prev_y")]
    prev_same_team: Annotated[int, Feature(
        "0/1", "whether the shooter's team did it", "details.eventOwnerTeamId of both; of a block, the shooter's team")]
    rebound: Annotated[int, Feature(
        "0/1", "own attempt at most 3 s before", "prev_type, prev_same_team, prev_seconds")]
    angle_change: Annotated[float, Feature(
        "deg", "|signed angle - signed angle of the attempt before|, 0 if no rebound", "x, y, prev_x, prev_y")]
    speed: Annotated[float, Feature("ft/s", "prev_distance / max(prev_seconds, 1)", "prev_distance, prev_seconds")]
    power_play_seconds: Annotated[int, Feature(
        "s", "since the shooter's team went on the power play; 0 when it is on none",
        "situationCode of all plays so far")]
    friendly_skaters: Annotated[float, Feature(
        "", "skaters of the shooter's team, goalie not counted", "situationCode")]
    opposing_skaters: Annotated[float, Feature("", "skaters of the other team, goalie not counted", "situationCode")]
    strength_state: Annotated[str | None, Feature(
        "", "friendly v opposing skaters, such as 5v4; PS for a penalty shot", "situationCode")]
    empty_net: Annotated[float, Feature("0/1", "whether the attacked net has no goalie", "situationCode")]
    extra_attacker: Annotated[float, Feature("0/1", "whether the shooter's own net has no goalie", "situationCode")]
    score_difference: Annotated[int, Feature(
        "goals", "of the shooter's team before the shot", "the goals among the plays before")]
    is_home: Annotated[int, Feature("0/1", "whether the home team shoots", "details.eventOwnerTeamId, homeTeam.id")]
# fmt: on


FEATURES: Final = tuple(
    hint.__metadata__[0]._replace(name=name, kind="category" if hint.__origin__ == str | None else "number")
    for name, hint in get_type_hints(ShotFeatures, include_extras=True).items()
)
FEATURE_NAMES: Final = ShotFeatures._fields


def feature_rows(game: Game) -> list[tuple[Shot, ShotFeatures]]:
    """Return the features of every unblocked attempt in regulation and overtime, in play order.

    Shots by a team that is not in the game are skipped.
    """
    rows = []
    directions, power_play, sequence = Directions(), PowerPlayClock(), _Sequence()
    goals = {game.home.team_id: 0, game.away.team_id: 0}
    for play in game.plays:
        if play.period_type == "SO":
            continue
        power_play.advance(play)
        previous = sequence.advance(play)
        is_home = play.team_id == game.home.team_id
        if play.kind in _ATTEMPTS and play.team_id in goals and play.x is not None:
            directions.witness(play.period, play.home_defends, shooter_is_home=is_home, x=play.x)
        if isinstance(play, Shot) and play.team_id in goals:
            rows.append((play, _features(play, previous, directions, power_play, goals, is_home=is_home)))
            if play.is_goal:
                goals[play.team_id] += 1
    return rows


def stored_features(values: ShotFeatures) -> dict[str, float | int | str | None]:
    """Return features by name, as values that JSON and SQLite's JSON functions preserve.

    Unknown values are None; whole numbers are `int`.
    """
    return {
        name: value if type(value) is not float else int(value) if value.is_integer() else _none_if_nan(value)
        for name, value in zip(FEATURE_NAMES, values, strict=True)
    }


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


class _Sequence:
    """The last play that moved the puck since play was last stopped."""

    def __init__(self) -> None:
        self._last: Play | None = None
        self._period = 0
        self._stopped: int | None = None  # second of the period at which play stopped, until the next face-off

    def advance(self, play: Play) -> Play | None:
        """Add a play; return what moved the puck before it, None if nothing since a stoppage or the period's start."""
        if play.period != self._period:
            self._period, self._last, self._stopped = play.period, None, None
        # Within a second the feed's order is unreliable: the stoppage may be the play's own, most often a goal's.
        if self._stopped is not None and play.seconds > self._stopped:
            self._last = self._stopped = None
        if play.situation in PENALTY_SHOT_SITUATIONS and play.kind in _ATTEMPTS:
            self._last = None  # it starts at centre ice after a whistle, and has no rebound
            return None
        previous = self._last
        if play.kind in CONTEXT_KINDS:
            self._last = play
        elif play.kind == "goal":
            self._last = None
        if play.kind == "faceoff":
            self._stopped = None
        elif play.kind == "stoppage":
            self._stopped = play.seconds
        return previous


def _features(
    shot: Shot,
    previous: Play | None,
    directions: Directions,
    power_play: PowerPlayClock,
    goals: dict[int, int],
    *,
    is_home: bool,
) -> ShotFeatures:
    sign = _attack_sign(shot, directions, is_home=is_home)
    x, y = _turned(shot, sign)
    prev_x, prev_y = _turned(previous, _previous_sign(previous, shot, sign)) if previous else (math.nan, math.nan)
    prev_seconds = shot.seconds - previous.seconds if previous else math.nan
    prev_distance = math.hypot(x - prev_x, y - prev_y)
    same_team = previous is not None and previous.team_id == shot.team_id
    rebound = previous is not None and same_team and previous.kind in _ATTEMPT_KINDS and prev_seconds <= REBOUND_SECONDS
    situation = situation_of(shot.situation, is_home=is_home)
    return ShotFeatures(
        period=shot.period,
        period_seconds=shot.seconds,
        game_seconds=shot.game_seconds,
        x=x,
        y=y,
        offset=abs(y),
        distance=distance_to_net(x, y),
        angle=angle_to_net(x, y),
        shot_type=shot.shot_type,
        prev_type=previous.kind if previous else None,
        prev_play=f"{'own' if same_team else 'opposing'} {previous.kind}" if previous else None,
        prev_x=prev_x,
        prev_y=prev_y,
        prev_offset=_prev_offset(prev_y, y),
        prev_seconds=prev_seconds,
        prev_distance=prev_distance,
        prev_same_team=int(same_team),
        rebound=int(rebound),
        angle_change=abs(signed_angle_to_net(x, y) - signed_angle_to_net(prev_x, prev_y)) if rebound else 0.0,
        speed=prev_distance / max(prev_seconds, 1) if previous else math.nan,
        power_play_seconds=power_play.seconds(shot.game_seconds, is_home=is_home),
        friendly_skaters=situation.friendly_skaters if situation else math.nan,
        opposing_skaters=situation.opposing_skaters if situation else math.nan,
        strength_state=strength_state(shot.situation, is_home=is_home),
        empty_net=int(situation.empty_net) if situation else math.nan,
        extra_attacker=int(situation.extra_attacker) if situation else math.nan,
        score_difference=_score_difference(goals, shot),
        is_home=int(is_home),
    )


def _prev_offset(prev_y: float, y: float) -> float:
    """Return |prev_y|, negative if it and y lie on opposite sides; the middle line counts as either side."""
    if math.isnan(y):
        return math.nan
    return -abs(prev_y) if prev_y * y < 0 else abs(prev_y)


def _attack_sign(shot: Shot, directions: Directions, *, is_home: bool) -> int:
    """Return 1 for a shot at the net at x = 89, -1 for one at x = -89."""
    side = 1 if is_home else -1
    zone = _zone_sign(shot)
    if zone is not None:
        # The offensive zone is recorded reliably. Of shots recorded in the defensive zone, one in thirteen was taken
        # elsewhere, sometimes for the rest of a period.
        decides = shot.zone == "O" if shot.home_defends is None else zone == side * home_attacks_if(shot.home_defends)
        if decides or not directions.is_sure(shot.period, shot.home_defends):
            return zone
    home_attacks = directions.home_attacks(shot.period, shot.home_defends)
    if home_attacks is None:
        return 1 if (shot.x or 0) >= 0 else -1
    return side * home_attacks


def _zone_sign(shot: Shot) -> int | None:
    """Return the sign that the shot's zone, as its shooter sees it, implies; None if neutral or missing."""
    if not shot.x or shot.zone not in ("O", "D"):
        return None
    return (1 if shot.x > 0 else -1) * (1 if shot.zone == "O" else -1)


def _previous_sign(previous: Play, shot: Shot, sign: int) -> int:
    """Return the sign for the play before: the opposite if the feed swapped the ends between the two."""
    if previous.home_defends is None or shot.home_defends is None:
        return sign
    return sign if previous.home_defends == shot.home_defends else -sign


def _turned(play: Play, sign: int) -> tuple[float, float]:
    """Return x and y in feet, for a team that attacks the net at x = 89; NaN if unknown."""
    if play.x is None or play.y is None:
        return math.nan, math.nan
    return sign * play.x + 0.0, sign * play.y + 0.0  # not -0.0, whose angle differs


def _score_difference(goals: dict[int, int], shot: Shot) -> int:
    """Return the shooter's team's goals so far minus the other team's."""
    own = goals[shot.team_id] if shot.team_id is not None else 0
    return own - (sum(goals.values()) - own)
