"""The card of a model: what it is, what it was trained on, how good it is, which columns it needs."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from livegame.features.features import FEATURES
from ui.parts.html_table import Column, Row, draw_table
from ui.words import POPULATIONS, count, number, plain, season_name
from xgserve.client import ModelDescription

FEW_COLUMNS: Final = 10  # more of them scroll
_METRICS: Final = {
    "shots": "Attempts",
    "goals": "Goals",
    "xg": "xG",
    "xg_per_goal": "xG per goal",
    "log_loss": "Log loss",
    "auc": "AUC",
    "brier": "Brier score",
}
_MEANINGS: Final = {feature.name: feature.formula for feature in FEATURES}


def facts(model: ModelDescription) -> None:
    """Draw what a model is, what it was trained on, and how good its card says it is."""
    seasons = model.trained_on
    trained_on = "not recorded" if seasons is None else ", ".join(map(season_name, sorted(seasons))) or "no season"
    st.markdown(
        f"Version: {plain(model.version)}  \n"
        f"Digest: `{model.digest[:12]}`  \n"
        f"Rates: {plain(POPULATIONS.get(model.population or 'unblocked', model.population))}  \n"
        f"Trained on: {plain(trained_on)}  \n"
        f"{plain(model.library.name)}: {plain(model.library.artifact or 'not recorded')}  \n"
        f"Served by: {plain(_served_by(model))}  \n"
        f"Loaded: {plain(model.loaded_at[:19].replace('T', ' '))} UTC"
    )
    _quality(model.metrics or {})


def _served_by(model: ModelDescription) -> str:
    if model.served_by == "worker":
        return f"a process of its own, with {model.library.name} ({model.not_compiled})"
    library = f"{model.library.name}'s own probabilities"
    return f"a compiled graph, at most {model.agreement or 0:.0e} away from {library}"


def columns(model: ModelDescription) -> None:
    """Draw the columns that a model needs."""
    features = model.features
    titles = (
        Column("Column", is_number=False),
        Column("Meaning", is_number=False),
        Column("Kind", is_number=False),
        Column("Nullable", is_number=False),
    )
    rows = [
        Row((feature.name, _MEANINGS.get(feature.name, ""), feature.kind, "yes" if feature.nullable else ""))
        for feature in features
    ]
    with st.container(key="model_columns"):
        draw_table("The columns that the model needs", titles, rows, is_tall=len(rows) > FEW_COLUMNS)
    st.caption(count(len(features), "column"))


def _quality(metrics: Mapping[str, Any]) -> None:
    """Draw the metrics of the card, plain numbers first."""
    numbers = {
        _METRICS.get(name, name.replace("_", " ")): number(value)
        for name, value in metrics.items()
        if isinstance(value, int | float)
    }
    if numbers:
        columns = (Column("Metric", is_number=False), Column("Value"))
        draw_table("What its card says of it", columns, [Row(line) for line in numbers.items()])
    for text in (value for value in metrics.values() if isinstance(value, str)):
        st.caption(plain(text))
    if nested := {name: value for name, value in metrics.items() if isinstance(value, dict | list)}:
        with st.popover("All metrics", width="stretch"):
            st.json(nested)
