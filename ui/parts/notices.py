"""Notices about the last action, kept over reruns, one per place on the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Final, Literal, get_args

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from db import times
from ui import moment
from ui.words import plain

GOOD_NEWS_S: Final = 30  # how long a success stays
Kind = Literal["note", "success", "info", "warning", "error"]
_KINDS: Final = get_args(Kind)  # from the least to the most urgent


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the reader, and its severity."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A notice, what it is about, when it was made, and whether it waits for the reader's delay."""

    notice: Notice
    about: str
    made_at: datetime
    is_news: bool

    def shown_at(self) -> datetime:
        """Return when this reader is shown it."""
        return self.made_at + timedelta(seconds=moment.delay_s() if self.is_news else 0)


def keep(place: str, notice: Notice, about: str = "", *, is_news: bool = False) -> None:
    """Keep a place's notice until the next one, a success only briefly; `about` is what the place showed.

    News of a game is shown once the reader's delay is over.
    """
    now = times.utc_now()
    longest = timedelta(seconds=moment.LONGEST_DELAY_S + GOOD_NEWS_S)
    before = [one for one in _all(place) if now - one.made_at < longest]
    latest = _all(place)[-1:] if not before else []
    st.session_state[f"notice_{place}"] = [*latest, *before, _Kept(notice, about, now, is_news)]


def kept(place: str, about: str = "") -> Notice | None:
    """Return a place's notice, if it is about what the place shows now."""
    now = times.utc_now()
    due = [one for one in _all(place) if one.shown_at() <= now]
    if not due:
        return None
    last = max(due, key=_Kept.shown_at)
    is_old = last.notice.kind in ("note", "success") and now - last.shown_at() > timedelta(seconds=GOOD_NEWS_S)
    return last.notice if last.about == about and not is_old else None


def _all(place: str) -> list[_Kept]:
    found: list[_Kept] = st.session_state.get(f"notice_{place}", [])
    return found


def show(place: str, about: str = "") -> None:
    """Draw the place's notice, if it has one about what it shows."""
    if notice := kept(place, about):
        {"success": st.success, "warning": st.warning, "error": st.error}.get(notice.kind, st.info)(plain(notice.text))


class NoticeLine:
    """A line of notices in the colour of the most urgent; it takes the same room when it is empty.

    It starts with its last text about the same thing, so that it does not blink when the page is drawn again.
    """

    def __init__(self, place: str, about: str = "", where: DeltaGenerator | None = None) -> None:
        """Draw it, in the container `where` if given."""
        self._key = f"line_{place}"
        said, said_about = st.session_state.get(self._key, ("", ""))
        self._about = about
        self._element = (where or st).html(said if said and said_about == about else _line(()))

    def say(self, notices: Sequence[Notice]) -> None:
        """Replace what the line says."""
        said = _line(notices)
        st.session_state[self._key] = (said, self._about)
        self._element.html(said)


def _line(notices: Sequence[Notice]) -> str:
    worst = max((_KINDS.index(notice.kind) for notice in notices), default=0)
    text = "".join(f'<span class="xg-notice xg-{notice.kind}">{escape(notice.text)}</span> ' for notice in notices)
    return f'<div class="xg-said xg-{_KINDS[worst]}" role="status">{text or "&nbsp;"}</div>'
