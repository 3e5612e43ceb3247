"""Notices about a game's numbers: which model rated them, what is missing, what the league changed."""

import streamlit as st

from livegame.reports.game import GameReport
from ui.game_words import correction_words, waiting_words
from ui.parts.notices import Notice
from ui.shown_model import newer_model
from ui.words import clock_words, league_words, model_name
from xgserve.client import ModelDescription


def notices_of(report: GameReport) -> list[Notice]:
    """Return the notices that do not depend on the active model."""
    asked = st.query_params.get("model")
    notices = []
    if report.moment is not None and report.moment.game_s is not None:
        notices.append(Notice("info", f"As it stood at {clock_words(report.moment.game_s)}."))
    if asked and asked != report.model:
        by = f"; these numbers are by {model_name(report.model)}" if report.model else ""
        notices.append(Notice("warning", f"No model {asked!r} has rated this game{by}."))
    if newer := newer_model(report):
        notices.append(Notice("info", f"A newer model has rated this game: {model_name(newer)}."))
    if text := waiting_words(report):
        notices.append(Notice("warning", text))
    if report.problems:
        notices.append(Notice("warning", f"In the league's feed: {league_words(report.problems)}."))
    if text := correction_words(report):
        notices.append(Notice("note", text))
    return notices


def model_notices(report: GameReport, model: ModelDescription | None) -> list[Notice]:
    """Return which model rated the shots, and what to do if it is not the active one, `model`."""
    active = "" if model is None else model.id
    if report.model is None:
        rate = f" Ping the game to have it rated by {model_name(active)}." if active else ""
        return [Notice("info", f"Not rated yet.{rate}")]
    rated = Notice("note", f"Rated by {model_name(report.model)}.")
    if active in ("", *report.models):
        return [rated]
    return [rated, Notice("info", f"{model_name(active)} is active now; ping the game to have it rated by it, too.")]
