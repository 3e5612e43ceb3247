"""Who will win from here, over game time: the away team's probability above a line at one half, the home's below."""

import json
from typing import Any, Final

import altair as alt
import pandas as pd

from livegame.plays import PERIOD_SECONDS
from livegame.reports.game import GameReport
from ui.charts.shots import STAR, described, team_colour
from ui.charts.timeline import FONT, backdrop, game_time, over_time, period_names, pointer
from ui.colours import TeamColours
from ui.words import chance_words, clock_words

_BEYOND: Final = {"expr": "width + 8"}
_MARGIN: Final = 0.06


def win_curve_chart(curve: pd.DataFrame, report: GameReport, colours: TeamColours) -> dict[str, Any]:
    """Return `win_curve` as a chart: the line, filled to one half in the leader's colour, with the goals on it."""
    moments = _moments(report, curve)  # one table for all layers, since it is sent to every reader
    x, y, colour = game_time(report), _axis("away", report, colours), team_colour(report, colours)
    line, now = alt.Chart(moments), alt.Chart(_now(report, curve))
    goals = described(report.present[report.present["outcome"] == "goal"], report)
    goals = goals.assign(away=_at(moments, goals["game_seconds"]))
    sides = [
        line.transform_calculate(half="0.5", edge=f"{which}(datum.away, 0.5)")
        .mark_area(opacity=0.3, color=of_team, tooltip=None)
        .encode(x=x, y=_axis("edge", report, colours), y2="half:Q")
        for which, of_team in (("max", colours.away), ("min", colours.home))
    ]
    layers = (
        *backdrop(report, colours),
        *sides,
        line.mark_line(strokeWidth=2, color=colours.ink).encode(x=x, y=y),
        alt.Chart(goals)
        .mark_point(shape=STAR, size=150, opacity=1, strokeWidth=1.5, stroke=colours.paper)
        .encode(x=x, y=y, fill=colour),
        now.mark_point(shape="square", size=70, filled=True, opacity=1, x=_BEYOND, xOffset=4).encode(y=y, color=colour),
        now.mark_text(align="left", x=_BEYOND, dx=12, fontSize=FONT - 1, fontWeight="bold", color=colours.ink).encode(
            y=y, text="words:N"
        ),
        period_names(report, colours),
        *pointer(report, moments, _tooltip(report)),
    )
    return over_time(layers, bottom=22)


def _axis(field: str, report: GameReport, colours: TeamColours) -> alt.Y:
    """Return the axis, with each team's name where it is certain to win."""
    away, home = json.dumps(report.away.abbrev), json.dumps(report.home.abbrev)  # quoted for the expression
    axis = alt.Axis(
        values=[0, 0.5, 1], domain=False, ticks=False, labelFontSize=FONT, labelColor=colours.ink, labelOpacity=0.75,
        gridOpacity=0.5, labelExpr=f"datum.value == 1 ? {away} : datum.value == 0 ? {home} : '50%'",
    )  # fmt: skip
    return alt.Y(f"{field}:Q", title=None, scale=alt.Scale(domain=[0, 1], nice=False), axis=axis)


def _now(report: GameReport, curve: pd.DataFrame) -> pd.DataFrame:
    """Return the more likely winner at the end of the line, as near to the ends of the axis as a name fits."""
    home = float(curve["home"].iloc[-1])
    team, chance = (report.home, home) if home > 0.5 else (report.away, 1 - home)
    words = f"{team.abbrev} {chance_words(chance) if chance < 1 else 'won'}"
    return pd.DataFrame({"team": [team.abbrev], "words": [words], "away": [min(max(1 - home, _MARGIN), 1 - _MARGIN)]})


def _at(moments: pd.DataFrame, seconds: "pd.Series[int]") -> list[float]:
    """Return the away team's probability at some of the curve's seconds."""
    by_second: list[float] = moments.groupby("game_seconds")["away"].first().reindex(seconds).tolist()
    return by_second


def _moments(report: GameReport, curve: pd.DataFrame) -> pd.DataFrame:
    """Return the curve with the score and the words of its tooltip."""
    score = pd.Series("0\N{EN DASH}0", index=curve.index)
    for goal in report.goals.to_dict("records"):
        is_after = curve["game_seconds"] >= (goal["period"] - 1) * PERIOD_SECONDS + goal["seconds"]
        score[is_after] = f"{goal['away_score']}\N{EN DASH}{goal['home_score']}"
    return pd.DataFrame(
        {
            "game_seconds": curve["game_seconds"],
            "away": (1 - curve["home"]).round(3),
            "when": curve["game_seconds"].map(clock_words),
            "away_words": (1 - curve["home"]).map(chance_words),
            "home_words": curve["home"].map(chance_words),
            "score": score,
        }
    )


def _tooltip(report: GameReport) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("away_words:N", title=f"{report.away.abbrev} wins"),
        alt.Tooltip("home_words:N", title=f"{report.home.abbrev} wins"),
        alt.Tooltip("score:N", title=f"{report.away.abbrev}\N{EN DASH}{report.home.abbrev}"),
    ]
