"""The goals of a game."""

from html import escape
from typing import Final

import streamlit as st

from livegame.reports.game import GameReport
from livegame.reports.goals import Goal, goals_of, since_last_goal
from ui.colours import TeamColours
from ui.parts.html_table import Column, Html, Row, draw_table, joined, swatch
from ui.words import clock, decimals, period_name, plain, strength_name

SCALE_TO: Final = 0.5  # of the scale beside xG; few goals come from better chances
_COLUMNS: Final = (
    Column("When", is_number=False),
    Column("After", is_wide=True, help="Minutes of play since the goal before"),
    Column("Score", is_number=False, begins_group=True),
    Column("Scorer", is_number=False),
    Column("xG", help=f"The mark shows it on a scale from 0 to {SCALE_TO}"),
    Column("Strength", is_number=False, is_wide=True, begins_group=True),
    Column("Type", is_number=False, is_wide=True),
    Column("Feet", is_wide=True, help="Distance from the net"),
    Column("Goalie", is_number=False, is_wide=True),
)


def draw_goals(report: GameReport, colours: TeamColours) -> None:
    """Draw the table of goals, and how long the last one is ago."""
    goals = goals_of(report)
    if not goals:
        st.caption("No goals." if report.is_over else "No goals yet.")
        return
    draw_table("Goals", _COLUMNS, [_row(report, goal, colours) for goal in goals])
    since = "" if report.is_over else f" The last goal was {clock(since_last_goal(report))} of play ago."
    st.caption(plain(f"All goals, whether the switch at the top counts them or not.{since}"))


def _row(report: GameReport, goal: Goal, colours: TeamColours) -> Row:
    colour = colours.home if goal.is_home else colours.away
    score = f"{report.away.abbrev} {goal.away_score}\N{EN DASH}{goal.home_score} {report.home.abbrev}"
    return Row(
        (
            f"{period_name(goal.period)}\N{NO-BREAK SPACE}{goal.time}",
            clock(goal.after_s),
            joined(swatch(colour), score),
            goal.scorer or "unknown",
            xg_on_a_scale(goal.xg, colour),
            strength_name(goal.strength),
            (goal.shot_type or "").capitalize(),
            "" if goal.distance is None else f"{goal.distance:.0f}",
            goal.goalie or "",
        )
    )


def xg_on_a_scale(xg: float | None, colour: str) -> Html:
    """Return xG as a number, with a mark in the team's colour on a scale up to `SCALE_TO`."""
    if xg is None:
        return Html("not rated yet")
    place = 100 * min(xg / SCALE_TO, 1)
    mark = f'<i style="left: {place:.0f}%; background: {escape(colour)}"></i>'
    return joined(decimals(xg), Html(f'<span class="xg-scale" aria-hidden="true">{mark}</span>'))
