"""The goals of a game, each with the score after it and how long the goal before it was ago."""

from dataclasses import dataclass

import pandas as pd

from livegame.plays import PERIOD_SECONDS
from livegame.reports.game import GameReport


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal in regulation or overtime."""

    period: int
    time: str  # in the period
    team: str
    is_home: bool
    scorer: str | None
    away_score: int  # with this goal
    home_score: int
    xg: float | None  # None if it is not rated yet
    strength: str
    shot_type: str | None
    distance: float | None  # feet
    goalie: str | None
    after_s: int  # seconds of play since the goal before, or since the game began


def goals_of(report: GameReport) -> list[Goal]:
    """Return the goals in their order, counted or not."""
    strengths = report.present.set_index("event_id")["strength"]
    found, before = [], 0
    for row in report.goals.to_dict("records"):
        at = (row["period"] - 1) * PERIOD_SECONDS + row["seconds"]
        goal = Goal(
            period=row["period"],
            time=row["time"],
            team=row["team"],
            is_home=bool(row["is_home"]),
            scorer=_text(row["shooter"]),
            away_score=row["away_score"],
            home_score=row["home_score"],
            xg=_number(row["probability"]),
            strength=strengths[row["event_id"]],
            shot_type=_text(row["shot_type"]),
            distance=_number(row["distance"]),
            goalie=_text(row["goalie"]),
            after_s=at - before,
        )
        found.append(goal)
        before = at
    return found


def since_last_goal(report: GameReport) -> int:
    """Return the seconds of play since the last goal, or since the game began."""
    return report.played_seconds - sum(goal.after_s for goal in goals_of(report))


def _number(value: float | None) -> float | None:
    return None if pd.isna(value) else value


def _text(value: str | float | None) -> str | None:
    return value if isinstance(value, str) else None
