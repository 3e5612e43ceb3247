"""What the page has to say about the last thing that was done: kept over reruns, one for each place."""

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from ui.texts import plain


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the reader, and how good the news is."""

    kind: Literal["success", "info", "warning", "error"]
    text: str


def keep(place: str, notice: Notice, about: str = "") -> None:
    """Remember the notice of a place until the next one; `about` is what the place showed then."""
    st.session_state[f"notice_{place}"] = (notice, about)


def show(place: str, about: str = "", *, in_passing: bool = False) -> None:
    """Draw the notice of a place, if it has one about what it shows now.

    Good news need little room where they come often (`in_passing`).
    """
    notice, told_of = st.session_state.get(f"notice_{place}", (None, ""))
    if notice is None or told_of != about:
        return
    if in_passing and notice.kind in ("success", "info"):
        st.badge(plain(notice.text), color="green" if notice.kind == "success" else "gray")
    else:
        {"success": st.success, "info": st.info, "warning": st.warning, "error": st.error}[notice.kind](
            plain(notice.text)
        )
