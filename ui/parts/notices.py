"""What the page has to say about the last thing that was done: kept over reruns, one for each place."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal, get_args

import streamlit as st

from ui.words import plain

GOOD_NEWS_S: Final = 30  # what went well is no news for longer
Kind = Literal["note", "success", "info", "warning", "error"]
_KINDS: Final = get_args(Kind)  # from the least to the most urgent


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the reader, and how good the news is."""

    kind: Kind
    text: str


def keep(place: str, notice: Notice, about: str = "") -> None:
    """Remember the notice of a place until the next one, good news for a while; `about` is what the place showed."""
    st.session_state[f"notice_{place}"] = (notice, about, time.monotonic())


def kept(place: str, about: str = "") -> Notice | None:
    """The notice of a place, if it has one about what it shows now."""
    notice, told_of, since = st.session_state.get(f"notice_{place}", (None, "", 0.0))
    is_old = notice is not None and notice.kind in ("note", "success") and time.monotonic() - since > GOOD_NEWS_S
    return notice if told_of == about and not is_old else None


def show(place: str, about: str = "") -> None:
    """Draw the notice of a place, if it has one about what it shows now."""
    if notice := kept(place, about):
        {"success": st.success, "warning": st.warning, "error": st.error}.get(notice.kind, st.info)(plain(notice.text))


class Line:
    """A line that says several things at once, in the colour of the worst of them, and always has its place.

    It begins with what it said last about the same thing, so that a page that is drawn anew does not blink.
    """

    def __init__(self, place: str, about: str = "") -> None:
        self._key = f"line_{place}"
        said, told_of = st.session_state.get(self._key, ("", ""))
        self._about = about
        self._element = st.html(said if said and told_of == about else _line(()))

    def say(self, notices: Sequence[Notice]) -> None:
        """Say this instead."""
        said = _line(notices)
        st.session_state[self._key] = (said, self._about)
        self._element.html(said)


def _line(notices: Sequence[Notice]) -> str:
    worst = max((_KINDS.index(notice.kind) for notice in notices), default=0)
    text = "".join(f'<span class="xg-note xg-{notice.kind}">{escape(notice.text)}</span> ' for notice in notices)
    return f'<div class="xg-said xg-{_KINDS[worst]}" role="status">{text or "&nbsp;"}</div>'
