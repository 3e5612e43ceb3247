"""A table of a game, and the line above it."""

from typing import Any

import pandas as pd
import streamlit as st

from ui.words import count, plain


def head(game_id: int, text: str) -> None:
    """Draw the line above a table, whose toolbar covers the end of it."""
    with st.container(key=f"head_{game_id}"):
        st.caption(plain(text))


def table(frame: pd.DataFrame, config: dict[str, Any], height: int | None = None) -> None:
    """Draw a table at the height of its rows, or at a fixed one."""
    st.dataframe(
        frame,
        column_config=config,
        hide_index=True,
        height=height or "content",
        placeholder="-",
        alt=f"Table of {count(len(frame), 'row')}: {', '.join(map(str, frame.columns))}.",
    )
