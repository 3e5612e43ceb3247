"""What either team did while it was leading, tied or trailing."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from livegame.reports.game import SUMMED, GameReport, sums_of
from livegame.reports.sums import GOAL, Sums

_MANY: Final = 2  # leads of this many goals and more are one state


@dataclass(frozen=True, slots=True)
class ScoreState:
    """The play at one score, over the shots that count.

    A shot belongs to the score before it, so that a goal that ties a game was scored by a trailing team.
    """

    lead: int  # goals by which the home team led: negative if it trailed, 2 for two or more
    seconds: int  # of the game
    away: Sums
    home: Sums


def score_states(report: GameReport) -> list[ScoreState]:
    """Return the score states that have occurred, from the away team's largest lead to the home team's.

    All goals change the score, whether they count in the sums or not. The seconds of all states add up to
    `GameReport.played_seconds`.
    """
    shots = report.present[["team", "game_seconds", "counts", *SUMMED]]
    leads: list[int] = []  # before each shot
    changes = [(0, 0)]  # game second, and the home team's lead from then on
    lead = 0
    for second, team, outcome in zip(shots["game_seconds"], shots["team"], shots["outcome"], strict=True):
        leads.append(lead)
        if outcome == GOAL:
            lead += 1 if team == report.home.abbrev else -1
            changes.append((int(second), lead))
    lasted: dict[int, int] = {}
    for (start, at), (end, _) in pairwise([*changes, (report.played_seconds, lead)]):
        lasted[_state(at)] = lasted.get(_state(at), 0) + end - start
    shots = shots.assign(state=[_state(lead) for lead in leads])
    counted = shots[shots["counts"]]
    found = []
    for state in sorted({*lasted, *counted["state"]}):
        away, home = (
            sums_of(counted[(counted["state"] == state) & (counted["team"] == team.abbrev)])
            for team in (report.away, report.home)
        )
        found.append(ScoreState(state, lasted.get(state, 0), away, home))
    return found


def _state(lead: int) -> int:
    return max(-_MANY, min(_MANY, lead))
