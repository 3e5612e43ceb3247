"""The room of a grid, and the line above it."""

from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.words import plain

ROW_PX: Final = 35  # of Streamlit's grid, its head as well
BORDERS_PX: Final = 3


def head(game_id: int, text: str) -> None:
    """Draw the line above a table, whose toolbar covers the end of it."""
    with st.container(key=f"head_{game_id}"):
        st.caption(plain(text))


def room(rows: int, height: int | None = None) -> DeltaGenerator:
    """Return the room of a grid with `rows` rows: until its code has loaded, Streamlit draws a grid one row high."""
    return st.container(height=height or ROW_PX * (rows + 1) + BORDERS_PX, border=False)
