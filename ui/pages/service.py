"""The Service page: the prediction service's state, its active model and challengers, the last swaps and its log."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

import pandas as pd
import streamlit as st

from ui.clients import active_model, connect
from ui.parts import challengers, model_card
from ui.parts.html_table import Column, Html, Row, draw_table, joined
from ui.words import count, plain, sentence
from xgserve.client import LEVELS, Following, ModelDescription, ServingClient, ServingError

LOG_ROWS: Final = 100
SWAPS: Final = 20


def main() -> None:
    """Draw the page."""
    serving = connect().serving
    st.title("Prediction service", anchor=False)
    try:
        _state(serving)
        with st.container(key="model_and_swaps"):
            left, right = st.columns((4, 5), gap="large")
        with left:
            model = _model(serving)
        with right:
            challengers.draw(serving)
            _swaps(serving)
            if model is not None:
                st.subheader("Columns it needs", anchor=False)
                model_card.columns(model)
        st.fragment(_log)(serving)
    except ServingError as error:
        _show_error(error)


def _show_error(error: ServingError) -> None:
    st.error(
        plain(
            f"{sentence(error.message)} Start it with make serve, or see docker-compose ps. Stored games and their"
            " ratings can still be viewed; new attempts are saved, and rated as soon as the service answers."
        ),
        icon=":material/cloud_off:",
    )


def _state(serving: ServingClient) -> None:
    ready = serving.ready()
    checks = {name: getattr(ready.checks, name) for name in ("model", "database", "stored_model")}
    with st.container(horizontal=True):
        st.badge("ready" if ready.ready else "not ready", color="green" if ready.ready else "red")
        for name, check in checks.items():
            text = plain(name.replace("_", " "))
            st.badge(text, icon=":material/check:" if check.ok else ":material/close:", color="gray")
        st.caption(plain(serving.base_url))
    for check in checks.values():
        if not check.ok:
            st.warning(plain(str(check.problem)))
    if ready.following is not None:
        _following(ready.following)


def _following(following: Following) -> None:
    """Show which stage of the registry the service follows, and what keeps it from that."""
    version = f", now {following.version}" if following.version else ""
    asked = f"; asked at {following.asked_at[:19].replace('T', ' ')} UTC" if following.asked_at else ""
    st.caption(plain(f"Follows {following.what}{version}{asked}."))
    if following.overruled:
        st.info(plain(f"Another model was chosen. It stays until {following.what} is another version."))
    if following.problem is not None:
        st.warning(plain(sentence(following.problem)))


def _model(serving: ServingClient) -> ModelDescription | None:
    st.subheader("Active model", anchor=False)
    model, problem = active_model(serving)
    if model is None:
        st.info(plain(f"{sentence(str(problem))} Choose a model in the sidebar."))
        return None
    st.markdown(f"**{plain(model.id)}**")
    model_card.facts(model)
    return model


def _swaps(serving: ServingClient) -> None:
    st.subheader("Last swaps", anchor=False)
    swaps = serving.activations(SWAPS)
    if not swaps:
        st.caption("No swaps are on record.")
        return
    columns = (
        Column("When (UTC)", is_number=False),
        Column("Model", is_number=False),
        Column("From", is_number=False),
        Column("Digest", is_number=False, is_wide=True),
        Column("Request", is_number=False, is_wide=True),
    )
    rows = [
        Row(
            (
                _moment(swap.at),
                f"{swap.workspace}/{swap.model}:{swap.version}",
                swap.source,
                swap.digest[:12],
                swap.request_id or "",
            )
        )
        for swap in swaps
    ]
    with st.container(key="swaps"):
        draw_table("Which model was made active, and when", columns, rows)


def _log(serving: ServingClient) -> None:
    st.subheader("Log", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        level = st.selectbox("Minimum level", LEVELS, index=1, width=130, key="log_level")
        text = st.text_input("Contains", key="log_text", type="search", width=240)
        request = st.text_input("Request ID", key="log_request", type="search", width=200)
        with_reads = st.toggle(
            "Reads too", key="log_reads", help="GET requests that succeeded, as this page makes them"
        )
        st.button("Refresh", icon=":material/refresh:")
    asked: dict[str, str | int] = {"limit": LOG_ROWS, "level": str(level), "reads": "yes" if with_reads else "no"}
    asked |= {name: value.strip() for name, value in (("q", text), ("request_id", request)) if value and value.strip()}
    try:
        rows = serving.logs(**asked, **_older(asked))
    except ServingError as error:
        _show_error(error)
        return
    if rows.empty:
        st.caption("No log rows match.")
    else:
        _log_table(rows)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{count(len(rows), 'row')}, newest first, as from `GET /logs`.")
        if len(rows) == LOG_ROWS and st.button("Older rows"):
            st.session_state.log_before = (asked, int(rows["id"].iloc[-1]))
            st.rerun(scope="fragment")
        if _older(asked) and st.button("Newest rows"):
            st.session_state.log_before = None
            st.rerun(scope="fragment")


def _older(asked: dict[str, str | int]) -> dict[str, int]:
    """Return where the next older rows begin, as long as the filters stay the same."""
    remembered = st.session_state.get("log_before")
    return {"before": remembered[1]} if remembered and remembered[0] == asked else {}


def _log_table(rows: pd.DataFrame) -> None:
    columns = (
        Column("Time (UTC)", is_number=False),
        Column("Level", is_number=False),
        Column("Message", is_number=False),
        Column("Request", is_number=False, is_wide=True),
    )
    cells = [
        Row((_moment(row["at"].isoformat()), row["level"], _message(row), row["request_id"] or ""))
        for row in rows.astype(object).where(rows.notna(), None).to_dict("records")
    ]
    with st.container(key="log_rows"):
        draw_table("The service's log", columns, cells, is_tall=True)


def _message(row: Mapping[Any, Any]) -> str:
    """Return a row's message, with the exception to be unfolded."""
    if row["exception"] is None:
        return str(row["message"])
    exception = Html(f"<details><summary>Exception</summary><pre>{escape(row['exception'])}</pre></details>")
    return joined(row["message"], exception)


def _moment(at: str) -> str:
    return at[:19].replace("T", "\N{NO-BREAK SPACE}")


if __name__ == "__main__":
    main()
