"""The view of two models: one game's totals and attempts by both, and where they disagree most."""

from typing import Any, Final

import pandas as pd
import streamlit as st

from livegame.client import GameClient
from livegame.reports.comparison import compare
from livegame.reports.game import GameReport
from ui.charts.model import disagreement
from ui.charts.shots import moments
from ui.colours import TeamColours
from ui.game_words import xg_and_goals
from ui.parts.table import table
from ui.words import OUTCOMES, model_name, plain

DISAGREEMENTS: Final = 15


def draw_two_models(game: GameClient, report: GameReport, colours: TeamColours) -> None:
    """Draw the comparison of the report's model with another one that has rated the game."""
    others = [model for model in report.models if model != report.model]
    if report.model is None or not others:
        st.info(
            "One model has rated this game so far. Get another one or a challenger in the sidebar, then ping the game"
            " again."
        )
        return
    chosen = st.selectbox(
        f"Compare {model_name(report.model)} with",
        others,
        format_func=model_name,
        key=f"compare_{report.game_id}_{report.model}",
        width=340,
    )
    other = game.report(report.game_id, chosen, report.count, report.moment)
    if other is None:
        return
    shots = compare(report, other)
    names = [model_name(model) for model in (report.model, str(chosen))]
    left, right = st.columns((2, 3), gap="large")
    with left:
        teams = ((report.away, other.away), (report.home, other.home))
        sums = {plain(one.name): [xg_and_goals(team.counted) for team in (one, two)] for one, two in teams}
        st.table(pd.DataFrame(sums, names), border="horizontal")
        spec = disagreement(shots, (report.away.abbrev, report.home.abbrev), colours, names)
        text = f"Each attempt's xG by {names[0]} and by {names[1]}; the table lists the largest disagreements."
        st.vega_lite_chart(spec=spec, height=330, alt=text)
    with right:
        st.markdown("**Largest disagreements**")
        top = shots.head(DISAGREEMENTS)
        frame = pd.DataFrame(
            {
                "Time": moments(top),
                "Team": top["team"],
                "Shooter": top["shooter"],
                "Outcome": top["outcome"].map(OUTCOMES),
                "Feet": top["distance"],
                "one": top["one"],
                "other": top["other"],
                "Difference": top["difference"],
            }
        )
        config: dict[str, Any] = {
            "one": st.column_config.NumberColumn(names[0].partition("/")[2], help=plain(names[0]), format="%.2f"),
            "other": st.column_config.NumberColumn(names[1].partition("/")[2], help=plain(names[1]), format="%.2f"),
            "Difference": st.column_config.NumberColumn(format="%+.2f"),
            "Feet": st.column_config.NumberColumn(format="%.0f", width=50),
        }
        table(frame, config)
