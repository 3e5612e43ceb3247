"""Chooses the model whose numbers a reader sees: the one that the page opened the game with, even after a swap."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import streamlit as st

from livegame.plays import GameSummary
from livegame.reports.game import GameReport

_STATE: Final = "shown_models"


@dataclass
class _Shown:
    """What one reader's session remembers."""

    by_game: dict[str, str] = field(default_factory=dict)
    loaded: str | None = None  # the model that this reader loaded last; shown for each game that it has rated
    followed: set[str] = field(default_factory=set)  # games shown by it, or switched by the reader since


def model_for(game: str) -> str | None:
    """Return the model that the address names, else the one that this reader was shown; None for the latest."""
    return st.query_params.get("model") or _shown().by_game.get(game)


def models_of(games: Iterable[GameSummary]) -> dict[int, str | None]:
    """Return the model by which this reader was shown each game, if any."""
    by_game = _shown().by_game
    return {game.game_id: by_game.get(str(game.game_id)) for game in games}


def keep_model(report: GameReport) -> bool:
    """Keep showing the game by the model of this report; return whether to draw it again by another one.

    True once, as soon as the model that this reader loaded has rated the game.
    """
    shown, game = _shown(), str(report.game_id)
    if report.model is None or "model" in st.query_params:
        return False
    shown.by_game.setdefault(game, report.model)
    if shown.loaded not in report.models or game in shown.followed:
        return False
    shown.followed.add(game)
    shown.by_game[game] = str(shown.loaded)
    return shown.loaded != report.model


def newer_model(report: GameReport) -> str | None:
    """Return the model that rates the game now, if the reader is shown another one without having chosen it."""
    is_newer = report.latest_model not in (None, report.model)
    return report.latest_model if is_newer and "model" not in st.query_params else None


def switch_to(model: str, game_id: int) -> None:
    """Show this game by this model from now on."""
    shown, game = _shown(), str(game_id)
    shown.by_game[game] = model
    shown.followed.add(game)


def follow(model: str) -> None:
    """Show games by this model, which the reader has loaded, as soon as it has rated them."""
    shown = _shown()
    shown.loaded = model
    shown.followed.clear()
    st.query_params.pop("model", None)


def _shown() -> _Shown:
    found: _Shown = st.session_state.setdefault(_STATE, _Shown())
    return found
