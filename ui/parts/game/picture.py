"""The button for a picture of the game, to be posted."""

from functools import partial

import streamlit as st

from db.history import History
from livegame.reports.game import GameReport
from ui.charts.picture import picture_name, picture_of
from ui.colours import Theme


def offer_picture(history: History, report: GameReport, theme: Theme) -> None:
    """Draw the button; the picture is made when it is clicked, and shows what the page shows."""
    st.download_button(
        "Download picture",
        partial(picture_of, history, report, theme),
        picture_name(report),
        "image/png",
        key=f"picture_{report.game_id}",
        on_click="ignore",
        help="One picture to post: score, expected goals, where the shots were taken, and how the game went.",
    )
