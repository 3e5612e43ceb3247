"""The title of the browser's tab, which says how things stand."""

from typing import Final

import streamlit as st

_STATE: Final = "tab_titles"


def title_before(page: str, name: str) -> str:
    """Return the last title of a page, by its path, so that it does not change while the page is drawn again."""
    titles: dict[str, str] = st.session_state.setdefault(_STATE, {})
    return titles.get(page, f"{name} · Live xG")


def set_title(page: str, title: str) -> None:
    """Set the title of a page, by its path."""
    st.session_state.setdefault(_STATE, {})[page] = title
    st.set_page_config(page_title=title)
