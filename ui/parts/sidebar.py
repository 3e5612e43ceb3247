"""The sidebar: which model is active, which others can be loaded, and loading one."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from livegame.errors import UnknownFeatures
from livegame.scoring.inputs import ModelInputs
from ui.clients import active_model
from ui.parts import model_card
from ui.parts.notices import Notice, keep, show
from ui.shown_model import follow
from ui.words import model_name, offer_label, plain
from xgserve.client import ModelEntry, RegistryProblem, ServingClient, ServingError

LIST_KEPT_S: Final = 60
CARD_KEPT_S: Final = 15
CARD_KEPT_WITHOUT_SERVICE_S: Final = 60
_PLACE: Final = "model"
_FIELDS: Final = {"workspace": "bundled", "model": "xg-default", "version": "newest"}  # with an example each


def choose_model(serving: ServingClient, feature_map: Mapping[str, str]) -> None:
    """Draw the form and the button that change the model, and carry out the change."""
    picked, start = st.session_state.setdefault("picked", (0, None))
    with st.form("get_model", border=False):
        wanted = [
            st.text_input(
                field.title(), getattr(start, field, ""), key=f"{field}_{picked}", placeholder=example
            ).strip()
            for field, example in _FIELDS.items()
        ]
        get = st.form_submit_button("Get model", type="primary", width="stretch")
        challenge = st.form_submit_button(
            "Load as challenger", width="stretch", help="Load it beside the active model, to be compared with it."
        )
    back = st.button("Roll back", width="stretch", help="Return to the model that was active before this one.")
    if (get or challenge) and not (wanted[0] and wanted[1]):
        keep(_PLACE, Notice("error", "Enter a workspace and a model, or choose one from the list."))
    elif get:
        _get_model(serving, feature_map, *wanted)
    elif challenge:
        _load_challenger(serving, feature_map, *wanted)
    elif back:
        _roll_back(serving)


def show_active_model(serving: ServingClient, *, with_card: bool) -> None:
    """Draw the active model's card, or why there is none, and the outcome of the last swap; keep them up to date.

    Other readers swap models as well. A service that does not answer is asked less often.
    """
    model, _ = active_model(serving)
    st.fragment(_active_model, run_every=CARD_KEPT_S if model else CARD_KEPT_WITHOUT_SERVICE_S)(
        serving, with_card=with_card
    )


def _active_model(serving: ServingClient, *, with_card: bool) -> None:
    model, problem = active_model(serving)
    if model is None:
        st.error(plain(problem), icon=":material/cloud_off:")
    else:
        st.markdown(f"**{plain(model_name(model.id))}** is active")
        for warning in model.warnings:
            st.warning(plain(warning))
        if with_card:
            with st.expander("Model card"):
                model_card.facts(model)
                model_card.columns(model)
    show(_PLACE)


def pick_model(serving: ServingClient) -> None:
    """Draw the list of models that can be loaded now; picking one fills the form."""
    try:
        found = offers(serving)
    except ServingError as error:
        st.caption(f"The models cannot be listed: {plain(error.message)}")
        return
    problems = [entry.problem for entry in found if isinstance(entry, RegistryProblem)]
    listed = {offer_label(entry): entry for entry in found if isinstance(entry, ModelEntry)}
    st.selectbox(
        "Available models",
        list(listed),
        index=None,
        key="pick",
        placeholder=f"Choose one of {len(listed)}",
        on_change=_fill_form,
        args=(listed,),
    )
    if problems:
        st.caption(f"The list is incomplete: {plain('; '.join(problems))}")


def _fill_form(listed: Mapping[str, ModelEntry]) -> None:
    if offer := listed.get(st.session_state.pick or ""):
        st.session_state.picked = (st.session_state.picked[0] + 1, offer)


@st.cache_data(ttl=LIST_KEPT_S, show_spinner="Listing models ...")
def offers(_serving: ServingClient) -> list[ModelEntry | RegistryProblem]:
    """Return the service's list, cached for all readers. Raises ServingError."""
    return _serving.models()


def _get_model(
    serving: ServingClient, feature_map: Mapping[str, str], workspace: str, model: str, version: str
) -> None:
    asked = f"{workspace}/{model}:{version or 'newest'}"
    try:
        with st.spinner(f"Getting {plain(asked)} ...", show_time=True):
            answer = serving.download_registry_model(workspace, model, version or None)
            forget()
            ModelInputs.from_model(serving.model(), feature_map)
    except ServingError as error:
        active = error.details.get("active")
        stays = f" {model_name(active['id'])} is still active." if active else ""
        keep(_PLACE, Notice("error", f"{asked} was not loaded: {error.message}.{stays}"))
    except UnknownFeatures as error:
        keep(_PLACE, Notice("error", f"{error} {_undo(serving)}"))
    else:
        activated(answer.model.id, f"is active, from {answer.source}")


def _load_challenger(
    serving: ServingClient, feature_map: Mapping[str, str], workspace: str, model: str, version: str
) -> None:
    asked = f"{workspace}/{model}:{version or 'newest'}"
    try:
        with st.spinner(f"Loading {plain(asked)} ...", show_time=True):
            answer = serving.download_registry_model(workspace, model, version or None, role="challenger")
            forget()
        try:
            ModelInputs.from_model(answer.model, feature_map)
        except UnknownFeatures as error:
            serving.drop_challenger(answer.model.id)
            keep(_PLACE, Notice("error", f"{error} It was dropped again."))
            return
    except ServingError as error:
        keep(_PLACE, Notice("error", f"{asked} was not loaded: {error.message}"))
    else:
        keep(_PLACE, Notice("success", f"{model_name(answer.model.id)} is a challenger, from {answer.source}."))


def activated(model_id: str, how: str) -> None:
    """Note that this reader has made a model the active one: say so, and show games by it."""
    forget()
    follow(model_id)
    keep(_PLACE, Notice("success", f"{model_name(model_id)} {how}."))


def forget() -> None:
    """Drop the service's cached answers: they are out of date."""
    offers.clear()
    active_model.clear()


def _undo(serving: ServingClient) -> str:
    """Roll back a model whose columns we cannot fill; return the outcome in words."""
    try:
        answer = serving.rollback()
        forget()
    except ServingError as error:
        return f"Rolling back failed as well: {error.message}. Get another model."
    return f"Rolled back: {model_name(answer.model.id)} is active again."


def _roll_back(serving: ServingClient) -> None:
    try:
        with st.spinner("Rolling back ..."):
            answer = serving.rollback()
    except ServingError as error:
        keep(_PLACE, Notice("error", error.message))
    else:
        activated(answer.model.id, "is active again")
