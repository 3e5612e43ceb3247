"""The theme that a reader sees."""

import streamlit as st

from ui.colours import Theme


def reader_theme() -> Theme:
    """Return the theme of the reader's browser, light while it has not said so yet."""
    return "dark" if st.context.theme.type == "dark" else "light"
