"""The page's address: the choices that a reader takes along from one page to the next."""

import re
import time
from typing import Final

import streamlit as st

GAME_PAGE: Final = "game.py"
_READERS: Final = ("day", "delay")  # what counts is kept with its switch, `ui.parts.game.controls.choose_count`
_OF_GAME: Final = ("game", "model")  # of the game that was open last
# by the page's path; "" is Tonight
_KEPT: Final = {"": _READERS, "game": (*_OF_GAME, *_READERS), "history": ("delay",)}
# The browser must have moved to the page's path by then, or its way back leads to the former path with these choices.
_MOVED_S: Final = 0.06


def arrive(page: str) -> None:
    """Put into the address what the reader chose before on other pages; `page` is this one's path.

    Games once had the address "/?game=...": a reader who comes by such a link gets the Game page with all that it says.
    """
    if page == "" and "game" in st.query_params and "page_before" not in st.session_state:
        st.switch_page(GAME_PAGE, query_params=st.query_params.to_dict())
    before = st.session_state.get("page_before")
    st.session_state.page_before = page
    if before == page:
        return
    st.session_state.came_from_tonight = before == ""
    kept, said = _kept(), st.query_params.to_dict()
    is_other_game = said.get("game", kept.get("game")) != kept.get("game")
    names = [name for name in _KEPT.get(page, ()) if not (is_other_game and name in _OF_GAME)]
    taken_along = {name: kept[name] for name in names if name in kept and name not in said}
    if taken_along:
        time.sleep(_MOVED_S)
        st.query_params.from_dict(said | taken_along)


def is_just_opened() -> bool:
    """Return once whether the reader has opened this page's game from Tonight."""
    return bool(st.session_state.pop("came_from_tonight", False)) and "game" in st.query_params


def remember(page: str) -> None:
    """Remember what this page's address says, for `arrive`."""
    kept = _kept()
    for name in _KEPT[page]:
        if name in st.query_params:
            kept[name] = st.query_params[name]
        else:
            kept.pop(name, None)


def to_game(game_id: int) -> dict[str, str]:
    """Return what the address of a game says when it is opened from this page."""
    said = st.query_params.to_dict()
    return {"game": str(game_id)} | {name: said[name] for name in _READERS if name in said}


def link_to_game(game_id: int) -> str:
    """Return the address of a game relative to this page's; a choice that is no plain word or number is left out."""
    said = to_game(game_id).items()
    return "game?" + "&".join(f"{name}={value}" for name, value in said if re.fullmatch(r"[\w.-]+", value, re.ASCII))


def _kept() -> dict[str, str]:
    kept: dict[str, str] = st.session_state.setdefault("kept_address", {})
    return kept
