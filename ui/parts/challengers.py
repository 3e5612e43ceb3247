"""The challengers: the models that are loaded beside the active one. Each can be promoted or dropped."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.parts import sidebar
from ui.parts.notices import Notice, keep, show
from ui.words import model_name, plain
from xgserve.client import ServingClient, ServingError

_PLACE = "challengers"


def draw(serving: ServingClient) -> None:
    """Draw the list of challengers. Raises ServingError."""
    st.subheader("Challengers", anchor=False)
    found = serving.challengers()
    for model in found.challengers:
        with _row(model.id):
            st.markdown(plain(model_name(model.id)), help=plain(model.id), width="stretch")
            with st.container(horizontal=True, width="content"):
                st.button(
                    "Promote",
                    key=f"promote_{model.id}",
                    on_click=_promote,
                    args=(serving, model.id),
                    help="Make it the active model. The present one is dropped; Roll back returns to it.",
                )
                _drop_button(serving, model.id)
    for missing in found.missing:
        with _row(missing.id):
            st.warning(plain(f"{model_name(missing.id)} is not loaded: {missing.problem}"), width="stretch")
            _drop_button(serving, missing.id)
    show(_PLACE)
    taken = len(found.challengers) + len(found.missing)
    st.caption(
        "This service takes no challengers (XG_MAX_CHALLENGERS is 0)."
        if found.max == 0
        else f"{taken} of at most {found.max}. Each rates every new attempt as well, without being shown; the History"
        " page compares them. Load one in the sidebar."
    )


def _row(model_id: str) -> DeltaGenerator:
    return st.container(horizontal=True, vertical_alignment="center", key=f"challenger_{model_id}")


def _drop_button(serving: ServingClient, model_id: str) -> None:
    st.button("Drop", key=f"drop_{model_id}", on_click=_drop, args=(serving, model_id))


def _promote(serving: ServingClient, model_id: str) -> None:
    try:
        answer = serving.promote(model_id)
    except ServingError as error:
        keep(_PLACE, Notice("error", error.message))
    else:
        sidebar.activated(answer.model.id, "is active now")


def _drop(serving: ServingClient, model_id: str) -> None:
    try:
        serving.drop_challenger(model_id)
    except ServingError as error:
        keep(_PLACE, Notice("error", error.message))
    else:
        sidebar.forget()
        keep(_PLACE, Notice("success", f"{model_name(model_id)} was dropped."))
