"""The clients that all pages use, made once per server."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from db.environment import SettingsError
from db.history import History
from livegame.client import GameClient
from livegame.errors import LiveGameError
from livegame.feed import Feed
from livegame.notices.courier import keep_delivering
from livegame.recordings.demo import Demo
from livegame.reports.tonight import Evening
from livegame.scoring.inputs import read_feature_map
from livegame.settings import ClientSettings
from livegame.watch import WATCHED_S, Watch
from ui.words import plain
from xgserve.client import ModelDescription, ServingClient, ServingError

MODEL_KEPT_S = 5
DEMO_WATCHED_S = 5.0  # a replay burdens no server of the league


@dataclass(frozen=True, slots=True)
class Clients:
    """The game client, the service, the history and the feed, what reads and pings a day's games, and settings."""

    game: GameClient
    serving: ServingClient
    history: History
    feed: Feed
    feature_map: dict[str, str]
    demo_game: str
    evening: Evening
    watch: Watch
    demo: Demo | None  # the demo game, which can be replayed, if there is one


def connect() -> Clients:
    """Return the server's clients; if its settings cannot be used, say why and end the page."""
    try:
        return _clients()
    except (SettingsError, LiveGameError) as error:
        st.error(plain(error))
        st.stop()


@st.cache_resource(show_spinner=False)
def _clients() -> Clients:
    settings = ClientSettings.from_env()
    keep_delivering(settings)
    demo = Demo.of(settings)
    client, history = GameClient.from_settings(settings), History(settings.history_db)
    return Clients(
        client,
        ServingClient(settings.serving_url, token=settings.admin_token),
        history,
        Feed(settings.feed_url, settings.user_agent),
        read_feature_map(settings.feature_map),
        settings.demo_game,
        Evening(history),
        Watch(client, DEMO_WATCHED_S if demo else WATCHED_S),
        demo,
    )


@st.cache_data(ttl=MODEL_KEPT_S, show_spinner=False)
def active_model(_serving: ServingClient) -> tuple[ModelDescription | None, str | None]:
    """Return the service's active model, or None and why it is unknown; asked at most every few seconds per server."""
    try:
        model = _serving.model()
    except ServingError as error:
        return None, error.message
    last_active_model().update(id=model.id, trained_on=model.trained_on, challengers=model.challengers)
    return model, None


@st.cache_resource(show_spinner=False)
def last_active_model() -> dict[str, Any]:
    """Return `id` and `trained_on` of the model that was active when the service last answered; send nothing.

    `challengers` are the ids of those that were loaded then.
    """
    return {"id": None, "trained_on": None, "challengers": []}
