"""Plays to features: the one definition of every feature, for training, live pings and backfill.

A shot's features depend on the plays before it and on nothing after, so that they are the same live and after the
game. All coordinates are turned so that the shooting team attacks the net at x = 89.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

from livegame.features.rink import Directions, angle_to_net, distance_to_net, home_attacks_if, signed_angle_to_net
from livegame.features.situations import PowerPlayClock, Situation, situation_of
from livegame.plays import PENALTY_SHOT_SITUATIONS, Game, Play, Shot

REBOUND_SECONDS: Final = 3
# What moves the puck. Penalties are left out: a delayed one is clocked at the goal that ended the delay, so it would
# tell a model of the goal.
CONTEXT_KINDS: Final = frozenset(
    {"faceoff", "hit", "giveaway", "takeaway", "blocked-shot", "missed-shot", "shot-on-goal"}
)
_ATTEMPT_KINDS: Final = frozenset({"blocked-shot", "missed-shot", "shot-on-goal"})  # without those that end play
_ATTEMPTS: Final = _ATTEMPT_KINDS | {"goal"}


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature frame."""

    name: str
    kind: Literal["number", "category"]
    unit: str
    formula: str
    source: str  # fields of the present feed, or other features


FEATURES: Final = (
    Feature("period", "number", "", "the period's number; overtime is 4", "the play's periodDescriptor.number"),
    Feature("period_seconds", "number", "s", "time since the period began", "timeInPeriod"),
    Feature("game_seconds", "number", "s", "(period - 1) x 1200 + period_seconds", "period, period_seconds"),
    Feature(
        "x",
        "number",
        "ft",
        "along the ice from centre; the attacked goal line is at 89",
        "details.xCoord, turned by zoneCode and homeTeamDefendingSide; where they leave it open, by earlier attempts",
    ),
    Feature(
        "y",
        "number",
        "ft",
        "across the ice from its middle line, positive to the attacker's left",
        "details.yCoord, turned as x",
    ),
    Feature("offset", "number", "ft", "|y|", "y"),
    Feature("distance", "number", "ft", "hypot(89 - x, y)", "x, y"),
    Feature("angle", "number", "deg", "atan2(|y|, 89 - x); beyond 90 is behind the net", "x, y"),
    Feature("shot_type", "category", "", "as the league names it: wrist, snap, slap, tip-in ...", "details.shotType"),
    Feature(
        "prev_type",
        "category",
        "",
        "kind of the last faceoff, hit, giveaway, takeaway or attempt since play was stopped; none of a penalty shot",
        "typeDescKey of the plays before",
    ),
    Feature(
        "prev_play",
        "category",
        "",
        "prev_type after its side, such as own faceoff, opposing hit",
        "prev_type, prev_same_team",
    ),
    Feature("prev_x", "number", "ft", "its place, turned with the shot's team", "as x"),
    Feature("prev_y", "number", "ft", "its place, turned with the shot's team", "as y"),
    Feature(
        "prev_offset",
        "number",
        "ft",
        "|prev_y|, negative where it lies on the other side of the ice than the shot",
        "prev_y, y",
    ),
    Feature("prev_seconds", "number", "s", "time since it", "timeInPeriod of both"),
    Feature("prev_distance", "number", "ft", "from its place to the shot's", "x, y, prev_x, prev_y"),
    Feature(
        "prev_same_team",
        "number",
        "0/1",
        "whether the shooter's team did it",
        "details.eventOwnerTeamId of both; of a block, the shooter's team",
    ),
    Feature("rebound", "number", "0/1", "own attempt at most 3 s before", "prev_type, prev_same_team, prev_seconds"),
    Feature(
        "angle_change",
        "number",
        "deg",
        "|signed angle - signed angle of the attempt before|, 0 if no rebound",
        "x, y, prev_x, prev_y",
    ),
    Feature("speed", "number", "ft/s", "prev_distance / max(prev_seconds, 1)", "prev_distance, prev_seconds"),
    Feature(
        "power_play_seconds",
        "number",
        "s",
        "since the shooter's team went on the power play; 0 when it is on none",
        "situationCode of all plays so far",
    ),
    Feature("friendly_skaters", "number", "", "skaters of the shooter's team, goalie not counted", "situationCode"),
    Feature("opposing_skaters", "number", "", "skaters of the other team, goalie not counted", "situationCode"),
    Feature(
        "strength_state",
        "category",
        "",
        "friendly v opposing skaters, such as 5v4; PS for a penalty shot",
        "situationCode",
    ),
    Feature("empty_net", "number", "0/1", "whether the attacked net has no goalie", "situationCode"),
    Feature("extra_attacker", "number", "0/1", "whether the shooter's own net has no goalie", "situationCode"),
    Feature(
        "score_difference",
        "number",
        "goals",
        "of the shooter's team before the shot",
        "the goals among the plays before",
    ),
    Feature("is_home", "number", "0/1", "whether the home team shoots", "details.eventOwnerTeamId, homeTeam.id"),
)
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)


def feature_rows(game: Game) -> list[tuple[Shot, tuple[Any, ...]]]:
    """Features of every unblocked attempt in regulation and overtime, in their order.

    Returns:
        Each shot with its values in the order of `FEATURES`. A number that the feed does not tell is NaN, a category
        None. A shot of a team that is not playing has no features, and is none.
    """
    rows = []
    directions, power_play, context = Directions(), PowerPlayClock(), _Context()
    goals = {game.home.team_id: 0, game.away.team_id: 0}
    for play in game.plays:
        if play.period_type == "SO":
            continue
        power_play.advance(play)
        previous = context.before(play)
        is_home = play.team_id == game.home.team_id
        if play.kind in _ATTEMPTS and play.team_id in goals and play.x is not None:
            directions.witness(play.period, play.home_defends, shooter_is_home=is_home, x=play.x)
        if isinstance(play, Shot) and play.team_id in goals:
            rows.append((play, _features(play, previous, directions, power_play, goals, is_home=is_home)))
            if play.is_goal:
                goals[play.team_id] += 1
    return rows


class _Context:
    """The last play that moved the puck, for as long as play goes on: a stoppage begins anew."""

    def __init__(self) -> None:
        self._last: Play | None = None
        self._period = 0
        self._stopped: int | None = None  # the second of a stoppage since the last face-off

    def before(self, play: Play) -> Play | None:
        """Take note of the next play.

        Returns:
            What moved the puck before it; None when nothing did since the period began or play was stopped.
        """
        if play.period != self._period:
            self._period, self._last, self._stopped = play.period, None, None
        # The order within a second is the feed's: a stoppage there may be the play's own, above all a goal's.
        if self._stopped is not None and play.seconds > self._stopped:
            self._last = self._stopped = None
        if play.situation in PENALTY_SHOT_SITUATIONS and play.kind in _ATTEMPTS:
            self._last = None  # taken from centre ice after a whistle, and there is no rebound of it
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


def stored_features(values: tuple[Any, ...]) -> dict[str, float | int | str | None]:
    """One of `feature_rows` by name, as JSON can hold it and SQLite's JSON functions read it back.

    What is not known is None, and whole numbers are `int`.
    """
    return {
        name: value if type(value) is not float else int(value) if value.is_integer() else _known(value)
        for name, value in zip(FEATURE_NAMES, values, strict=True)
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _features(
    shot: Shot,
    previous: Play | None,
    directions: Directions,
    power_play: PowerPlayClock,
    goals: dict[int, int],
    *,
    is_home: bool,
) -> tuple[Any, ...]:
    # in the order of FEATURES
    sign = _attack_sign(shot, directions, is_home=is_home)
    x, y = _turned(shot, sign)
    prev_x, prev_y = _turned(previous, _previous_sign(previous, shot, sign)) if previous else (math.nan, math.nan)
    prev_seconds = shot.seconds - previous.seconds if previous else math.nan
    prev_distance = math.hypot(x - prev_x, y - prev_y)
    same_team = previous is not None and previous.team_id == shot.team_id
    rebound = previous is not None and same_team and previous.kind in _ATTEMPT_KINDS and prev_seconds <= REBOUND_SECONDS
    turn = abs(signed_angle_to_net(x, y) - signed_angle_to_net(prev_x, prev_y)) if rebound else 0.0
    situation = situation_of(shot.situation, is_home=is_home)
    own, other = _sides(goals, shot)
    return (
        shot.period,
        shot.seconds,
        shot.game_seconds,
        x,
        y,
        abs(y),
        distance_to_net(x, y),
        angle_to_net(x, y),
        shot.shot_type,
        previous.kind if previous else None,
        f"{'own' if same_team else 'opposing'} {previous.kind}" if previous else None,
        prev_x,
        prev_y,
        _offset(prev_y, y),
        prev_seconds,
        prev_distance,
        int(same_team),
        int(rebound),
        turn,
        prev_distance / max(prev_seconds, 1) if previous else math.nan,
        power_play.seconds(shot.game_seconds, is_home=is_home),
        situation.friendly_skaters if situation else math.nan,
        situation.opposing_skaters if situation else math.nan,
        _strength(shot, situation),
        int(situation.empty_net) if situation else math.nan,
        int(situation.extra_attacker) if situation else math.nan,
        own - other,
        int(is_home),
    )


def _offset(prev_y: float, y: float) -> float:
    """How far from the middle, below zero on the other side than y; the middle itself counts as either side."""
    if math.isnan(y):
        return math.nan
    return -abs(prev_y) if prev_y * y < 0 else abs(prev_y)


def _attack_sign(shot: Shot, directions: Directions, *, is_home: bool) -> int:
    """1 for a shot at the net at x = 89, -1 for one at x = -89."""
    side = 1 if is_home else -1
    zone = _zone_sign(shot)
    if zone is not None:
        # Shots from the offensive zone are noted as such. Of those noted as from the defensive zone, one in thirteen is
        # not, now and then for the rest of a period.
        known = shot.home_defends
        decides = shot.zone == "O" if known is None else zone == side * home_attacks_if(known)
        if decides or not directions.is_sure(shot.period, shot.home_defends):
            return zone
    home_attacks = directions.home_attacks(shot.period, shot.home_defends)
    if home_attacks is None:
        return 1 if (shot.x or 0) >= 0 else -1
    return side * home_attacks


def _zone_sign(shot: Shot) -> int | None:
    """As `_attack_sign`, from the zone: the shooter's own view of the very place, silent where that is neutral."""
    if not shot.x or shot.zone not in ("O", "D"):
        return None
    return (1 if shot.x > 0 else -1) * (1 if shot.zone == "O" else -1)


def _previous_sign(previous: Play, shot: Shot, sign: int) -> int:
    """What the play before is turned by: the other way where the feed turned the ends round between the two."""
    if previous.home_defends is None or shot.home_defends is None:
        return sign
    return sign if previous.home_defends == shot.home_defends else -sign


def _turned(play: Play, sign: int) -> tuple[float, float]:
    if play.x is None or play.y is None:
        return math.nan, math.nan
    return sign * play.x + 0.0, sign * play.y + 0.0  # never -0.0, whose angle is another one


def _strength(shot: Shot, situation: Situation | None) -> str | None:
    if shot.is_penalty_shot:
        return "PS"
    return f"{situation.friendly_skaters}v{situation.opposing_skaters}" if situation else None


def _sides(goals: dict[int, int], shot: Shot) -> tuple[int, int]:
    own = goals[shot.team_id] if shot.team_id is not None else 0
    return own, sum(goals.values()) - own
