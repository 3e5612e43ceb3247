"""The sidebar: which model serves, which could, and changing it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from livegame.errors import UnknownFeatures
from livegame.features.features import FEATURES
from livegame.scoring.inputs import ModelInputs
from ui.clients import active_model
from ui.kept_model import follow
from ui.parts.notices import Notice, keep, show
from ui.words import POPULATIONS, count, model_name, number, offer_label, plain, season_name
from xgserve.client import ServingClient, ServingError

LIST_KEPT_S = 60
CARD_KEPT_S = 15
CARD_KEPT_WITHOUT_SERVICE_S = 60
_PLACE = "model"
_FIELDS = (("workspace", "Workspace", "bundled"), ("model", "Model", "xg-default"), ("version", "Version", "newest"))

_METRICS = {
    "shots": "Attempts",
    "goals": "Goals",
    "xg": "xG",
    "xg_per_goal": "xG per goal",
    "log_loss": "Log loss",
    "auc": "AUC",
    "brier": "Brier score",
}
_MEANINGS = {feature.name: feature.formula for feature in FEATURES}


def choose_model(serving: ServingClient, feature_map: Mapping[str, str]) -> None:
    """Draw the form that gets a model, and do what it asks for."""
    picked, start = st.session_state.setdefault("picked", (0, {}))
    with st.form("get_model", border=False):
        wanted = [
            st.text_input(label, start.get(field, ""), key=f"{field}_{picked}", placeholder=example).strip()
            for field, label, example in _FIELDS
        ]
        get = st.form_submit_button("Get model", type="primary", width="stretch")
    back = st.button("Roll back", width="stretch", help="Return to the model that was active before this one.")
    if get:
        _get_model(serving, feature_map, *wanted)
    elif back:
        _roll_back(serving)


def serving_now(serving: ServingClient, *, with_card: bool) -> None:
    """Draw the card of the model that serves now, or why there is none, and what came of the last swap; keep it true.

    Other readers swap models as well. A service that does not answer is asked less often.
    """
    model, _ = active_model(serving)
    st.fragment(_serving_now, run_every=CARD_KEPT_S if model else CARD_KEPT_WITHOUT_SERVICE_S)(
        serving, with_card=with_card
    )


def _serving_now(serving: ServingClient, *, with_card: bool) -> None:
    model, problem = active_model(serving)
    if model is None:
        st.error(plain(problem), icon=":material/cloud_off:")
    else:
        st.markdown(f"**{plain(model_name(model['id']))}** is active")
        for warning in model["warnings"]:
            st.warning(plain(warning))
        if with_card:
            with st.expander("Model card"):
                card(model)
    show(_PLACE)


def card(model: Mapping[str, Any]) -> None:
    """Draw all that the service tells of a model."""
    facts(model)
    columns(model)


def facts(model: Mapping[str, Any]) -> None:
    """Draw what a model is, what it learned from, and how good its card says it is."""
    seasons = model.get("trained_on")
    learned = "not recorded" if seasons is None else ", ".join(map(season_name, sorted(seasons))) or "no season"
    st.markdown(
        f"Version: {plain(model['version'])}  \n"
        f"Digest: `{model['digest'][:12]}`  \n"
        f"Rates: {plain(POPULATIONS.get(model['population'] or 'unblocked', model['population']))}  \n"
        f"Learned from: {plain(learned)}  \n"
        f"scikit-learn: {plain(model['sklearn_version']['artifact'] or 'not recorded')}  \n"
        f"Loaded: {plain(model['loaded_at'][:19].replace('T', ' '))} UTC"
    )
    _quality(model["metrics"] or {})


def columns(model: Mapping[str, Any]) -> None:
    """Draw the columns that a model wants."""
    st.dataframe(_features(model["features"]), hide_index=True, height=220, alt="The columns that the model wants.")
    st.caption(count(len(model["features"]), "column"))


def pick_model(serving: ServingClient) -> None:
    """Draw the list of what can be loaded now; picking one fills the form."""
    try:
        entries = _entries(serving)
    except ServingError as error:
        st.caption(f"Models cannot be listed: {plain(error.message)}")
        return
    problems = [entry["problem"] for entry in entries if "problem" in entry]
    listed = {offer_label(entry): entry for entry in entries if "problem" not in entry}
    st.selectbox(
        "Models to choose from",
        list(listed),
        index=None,
        key="pick",
        placeholder=f"Choose one of {len(listed)}",
        on_change=_fill_form,
        args=(listed,),
    )
    if problems:
        st.caption(f"Not all of them: {plain('; '.join(problems))}")


def _fill_form(listed: Mapping[str, Mapping[str, Any]]) -> None:
    if offer := listed.get(st.session_state.pick or ""):
        st.session_state.picked = (st.session_state.picked[0] + 1, offer)


@st.cache_data(ttl=LIST_KEPT_S, show_spinner="Listing models ...")
def _entries(_serving: ServingClient) -> list[dict[str, Any]]:
    """The service's list, asked for once in a while for all readers. Raises ServingError."""
    return _serving.models()


def _get_model(
    serving: ServingClient, feature_map: Mapping[str, str], workspace: str, model: str, version: str
) -> None:
    if not workspace or not model:
        keep(_PLACE, Notice("error", "Name a workspace and a model, or pick one from the list."))
        return
    asked = f"{workspace}/{model}:{version or 'newest'}"
    try:
        with st.spinner(f"Getting {plain(asked)} ...", show_time=True):
            answer = serving.download_registry_model(workspace, model, version or None)
            _forget()
            ModelInputs.from_model(serving.model(), feature_map)
    except ServingError as error:
        active = error.details.get("active")
        stays = f" {model_name(active['id'])} stays active." if active else ""
        keep(_PLACE, Notice("error", f"{asked} was not loaded: {error.message}.{stays}"))
    except UnknownFeatures as error:
        keep(_PLACE, Notice("error", f"{error} {_undo(serving)}"))
    else:
        follow(answer["model"]["id"])
        keep(_PLACE, Notice("success", f"{model_name(answer['model']['id'])} is active, from {answer['source']}."))


def _forget() -> None:
    """Have the service asked anew: what it has told before is not true any more."""
    _entries.clear()
    active_model.clear()


def _undo(serving: ServingClient) -> str:
    """Go back from a model that we cannot serve with columns; what came of it, in words."""
    try:
        answer = serving.rollback()
        _forget()
    except ServingError as error:
        return f"Going back failed as well: {error.message}. Get another model."
    return f"Rolled back: {model_name(answer['model']['id'])} stays active."


def _roll_back(serving: ServingClient) -> None:
    try:
        with st.spinner("Rolling back ..."):
            answer = serving.rollback()
            _forget()
    except ServingError as error:
        keep(_PLACE, Notice("error", error.message))
    else:
        follow(answer["model"]["id"])
        keep(_PLACE, Notice("success", f"{model_name(answer['model']['id'])} is active again."))


def _quality(metrics: Mapping[str, Any]) -> None:
    """Draw what the card tells of the model's quality: whatever it holds, its plain numbers first."""
    numbers = {
        _METRICS.get(name, name.replace("_", " ")): number(value)
        for name, value in metrics.items()
        if isinstance(value, int | float)
    }
    if numbers:
        st.table(pd.DataFrame({"": list(numbers.values())}, index=list(numbers)), border="horizontal", hide_header=True)
    for text in (value for value in metrics.values() if isinstance(value, str)):
        st.caption(plain(text))
    if nested := {name: value for name, value in metrics.items() if isinstance(value, dict | list)}:
        with st.popover("All figures", width="stretch"):
            st.json(nested)


def _features(features: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Column": [feature["name"] for feature in features],
            "Meaning": [_MEANINGS.get(feature["name"]) for feature in features],
            "Kind": [feature["kind"] for feature in features],
            "Nullable": [feature["nullable"] for feature in features],
        }
    )
