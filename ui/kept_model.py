"""Which model's numbers a reader sees of a game: those that the page opened it with, whoever loads another model."""

from dataclasses import dataclass, field
from typing import Final

import streamlit as st

from livegame.reports.game import GameReport

_STATE: Final = "kept_models"


@dataclass
class _Kept:
    """What one reader's session remembers."""

    by_game: dict[str, str] = field(default_factory=dict)
    got: str | None = None  # the model that this reader got last: games are shown under it once it has rated them
    shown_as_got: set[str] = field(default_factory=set)  # the games that were, or that the reader switched since


def model_for(game: str) -> str | None:
    """The model that the address names, else the one that this reader was shown; None for the latest."""
    return st.query_params.get("model") or _kept().by_game.get(game)


def keep_model(report: GameReport) -> bool:
    """Go on showing the game under the model that it is shown under now; whether it is to be another after all.

    It is once the model that this reader got has rated the game.
    """
    kept, game = _kept(), str(report.game_id)
    if report.model is None or "model" in st.query_params:
        return False
    kept.by_game.setdefault(game, report.model)
    if kept.got not in report.models or game in kept.shown_as_got:
        return False
    kept.shown_as_got.add(game)
    kept.by_game[game] = str(kept.got)
    return kept.got != report.model


def newer_model(report: GameReport) -> str | None:
    """The model that rates the game now, where the reader is shown another without having chosen it."""
    is_newer = report.latest_model not in (None, report.model)
    return report.latest_model if is_newer and "model" not in st.query_params else None


def switch_to(model: str, game_id: int) -> None:
    """Show this game under this model from now on."""
    kept, game = _kept(), str(game_id)
    kept.by_game[game] = model
    kept.shown_as_got.add(game)


def follow(model: str) -> None:
    """Show games under this model as soon as it has rated them: this reader got it."""
    kept = _kept()
    kept.got = model
    kept.shown_as_got.clear()
    st.query_params.pop("model", None)


def _kept() -> _Kept:
    found: _Kept = st.session_state.setdefault(_STATE, _Kept())
    return found
