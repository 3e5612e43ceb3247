"""Manpower through a game: the situation code of each stretch, and when running penalties end by the clock.

The league's code is the truth for who is on the ice. The penalties tell only when each team gets its players back, and
only while they agree with the code: a penalty that the code does not show has no clock here.
"""

import math
from functools import cache
from operator import attrgetter
from typing import Final

from db.history import ManpowerRow
from livegame.features.situations import PowerPlayClock, situation_of, with_players_back
from livegame.parsing.penalties import PenaltyBoxes
from livegame.plays import PENALTY_SHOT_SITUATIONS, PERIOD_SECONDS, Game, Penalty, overtime_length

_FULL: Final = 5  # skaters
_state: Final = attrgetter("situation", "away_until", "home_until", "power_play", "power_play_since")
_TURNS: Final = ("penalty", "goal")  # plays that may change what is known of penalties
_WITH_CALLS: Final = ("penalty", "faceoff", "goal")  # after a penalty is called


def manpower(game: Game) -> tuple[ManpowerRow, ...]:
    """Return the stretches of regulation and overtime, in order and without gaps; the last ends with the last play.

    A new code counts from the first play that shows it. Until then a penalty that ends by the clock brings its player
    back; the power play itself ends with the first play that shows it. The code of a penalty shot changes nothing. A
    penalty that is called counts from the next face-off.
    """
    is_long_overtime = overtime_length(game.overtime_seconds, game.game_type) >= PERIOD_SECONDS
    teams = game.away.team_id, game.home.team_id
    boxes = PenaltyBoxes(away_id=teams[0], home_id=teams[1])
    clock, stretches = PowerPlayClock(), _Stretches()
    code: str | None = None
    period = now = 0
    due = math.inf  # when the next penalty ends
    turns: tuple[str, ...] = _TURNS
    for play in game.plays:
        if play.period_type == "SO":
            continue
        now = play.game_seconds
        is_same = play.situation == code and play.period == period
        if is_same and now < due and play.kind not in turns:  # most plays: nothing to compute
            continue
        period, threes = play.period, play.period_type == "OT" and not is_long_overtime
        stretches.run_to(now)
        boxes.advance(now)
        if isinstance(play, Penalty):
            boxes.call(play)
            turns = _WITH_CALLS
        elif play.kind == "faceoff":
            boxes.face_off(now)
            turns = _TURNS
        clock.advance(play)
        if play.situation is not None and play.situation not in PENALTY_SHOT_SITUATIONS:
            code = play.situation
        until = _until(code, boxes, teams, threes=threes)
        side = None if clock.is_home is None else "home" if clock.is_home else "away"
        power_play = side, None if side is None else clock.since
        stretches.put(ManpowerRow(now, now, code, *until, *power_play))
        due = boxes.next_end
        if play.kind == "goal" and play.situation not in PENALTY_SHOT_SITUATIONS:
            back = boxes.goal(play.team_id, now)
            due = now  # the next play shows what the goal changed; nothing is known before but the rule
            if any(until):
                after = with_players_back(code, *(back.get(team, 0) for team in teams))
                until = _until(after, boxes, teams, threes=threes)
                stretches.put(ManpowerRow(now, now, after, *until, *power_play))
    return stretches.rows(now)


class _Stretches:
    """The stretches so far; the last one is running, and ends where it begins."""

    def __init__(self) -> None:
        self._rows: list[ManpowerRow] = []

    def run_to(self, now: int) -> None:
        """End the penalties that are served by the game second `now`."""
        while self._rows:
            row = self._rows[-1]
            first = min(row.away_until[:1] + row.home_until[:1], default=now + 1)
            if first > now:
                return
            self.put(served(row, first))

    def put(self, row: ManpowerRow) -> None:
        """Start another stretch if anything changes. The last one of a second counts."""
        while self._rows and self._rows[-1].start_s == row.start_s:
            self._rows.pop()
        if not self._rows or _state(row) != _state(self._rows[-1]):
            self._rows.append(row)

    def rows(self, now: int) -> tuple[ManpowerRow, ...]:
        """Return all stretches; the running one ends at the game second `now`, perhaps where it begins."""
        ends = (*(row.start_s for row in self._rows[1:]), now)
        # without plays, there is neither
        return tuple(ManpowerRow(row.start_s, end, *_state(row)) for row, end in zip(self._rows, ends, strict=False))


def served(row: ManpowerRow, now: int) -> ManpowerRow:
    """Return the stretch that begins when penalties of `row` end at the game second `now`.

    The players are back on the ice until a play shows another code.
    """
    away_until = tuple(end for end in row.away_until if end > now)
    home_until = tuple(end for end in row.home_until if end > now)
    back = len(row.away_until) - len(away_until), len(row.home_until) - len(home_until)
    situation = with_players_back(row.situation, *back)
    return ManpowerRow(now, row.end_s, situation, away_until, home_until, row.power_play, row.power_play_since)


def _until(
    code: str | None, boxes: PenaltyBoxes, teams: tuple[int, int], *, threes: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return when the away and the home team get their players back; nothing where the penalties contradict it."""
    away, home = (boxes.of[team] for team in teams)
    short = away.short(threes=threes), home.short(threes=threes)
    if not any(short) or short != _short(code, threes=threes):
        return (), ()
    return away.until(threes=threes), home.until(threes=threes)


@cache  # a few dozen codes, looked up hundreds of times per game
def _short(code: str | None, *, threes: bool) -> tuple[int, int] | None:
    """Return how many players the away and the home team are short by the code; None if it is unknown.

    At 3v3 a penalty gives the other team a player instead (Rule 84).
    """
    away, home = situation_of(code, is_home=False), situation_of(code, is_home=True)
    if away is None or home is None:
        return None
    on_ice = away.friendly_skaters - away.extra_attacker, home.friendly_skaters - home.extra_attacker
    full = max(on_ice) if threes else _FULL
    return full - on_ice[0], full - on_ice[1]
