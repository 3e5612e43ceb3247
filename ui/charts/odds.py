"""How many goals the chances of a game usually give, beside the real ones."""

from typing import Any, Final

import altair as alt
import pandas as pd

from livegame.reports.game import GameReport
from livegame.reports.odds import Odds
from ui.charts.shots import STAR, abbrevs, layered, team_colour
from ui.colours import TeamColours

LEAST_SHOWN: Final = 0.005  # probability of a number of goals below which the axis may end


def goal_odds(report: GameReport, odds: Odds, colours: TeamColours) -> dict[str, Any]:
    """Return how likely each number of goals was for either team, with the number that it scored."""
    sides = ((report.away, odds.away_goals), (report.home, odds.home_goals))
    likely = (int((goals > LEAST_SHOWN).nonzero()[0].max()) for _, goals in sides)
    shown = max([5, *likely, *(team.counted.goals for team, _ in sides)])
    rows = [
        (team.abbrev, number, float(goals[number]) if number < len(goals) else 0.0, number == team.counted.goals)
        for team, goals in sides
        for number in range(shown + 1)
    ]
    frame = pd.DataFrame(rows, columns=["team", "goals", "chance", "real"])
    base = alt.Chart(frame).encode(
        x=alt.X("goals:O", title="goals", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("team:N", sort=abbrevs(report)),
        tooltip=[
            alt.Tooltip("team:N", title="Team"),
            alt.Tooltip("goals:O", title="Goals"),
            alt.Tooltip("chance:Q", title="How often", format=".1%"),
        ],
    )
    bars = base.mark_bar(cornerRadiusEnd=2).encode(
        y=alt.Y("chance:Q", axis=None),
        color=team_colour(report, colours),
        opacity=alt.condition("datum.real", alt.value(1.0), alt.value(0.45)),
    )
    stars = (
        base.transform_filter("datum.real")
        .mark_point(shape=STAR, size=90, filled=True, opacity=1, yOffset=-9)
        .encode(y="chance:Q", color=team_colour(report, colours))
    )
    return layered([bars, stars])


def no_odds() -> dict[str, Any]:
    """Return an empty chart for the place of `goal_odds`."""
    return layered([alt.Chart(pd.DataFrame({"goals": []})).mark_bar()])
