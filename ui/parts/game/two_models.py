"""The view of two models: one game's totals and attempts by both, where they disagree most, and rating it by another.

The comparison needs the history alone. What can be loaded is asked last, since a service that hangs delays only that.
"""

from typing import Final

import streamlit as st

from db.connection import DatabaseError
from livegame.errors import LiveGameError
from livegame.lock import LOCK_WAIT_S
from livegame.reports.comparison import compare
from livegame.reports.game import GameReport
from ui.charts.model import disagreement
from ui.charts.shots import moments
from ui.clients import Clients, active_model
from ui.colours import TeamColours
from ui.parts import sidebar
from ui.parts.game.splits import team_groups
from ui.parts.html_table import Column, Row, draw_table, joined, swatch
from ui.parts.notices import Notice, keep, show
from ui.words import OUTCOMES, decimals, model_name, offer_label, plain, sentence, signed
from xgserve.client import ModelEntry, ServingError

DISAGREEMENTS: Final = 15
_PLACE: Final = "two_models"


def draw_two_models(clients: Clients, report: GameReport, colours: TeamColours) -> None:
    """Draw the comparison of the report's model with another one that has rated the game, and the choice of one."""
    others = [model for model in report.models if model != report.model]
    if report.model is None:
        st.info("No model has rated this game yet.")
        return
    if others:
        _comparison(clients, report, colours, others)
    else:
        st.caption("One model has rated this game so far. Choose another one to compare it with.")
    _offer_to_rate(clients, report)


def _comparison(clients: Clients, report: GameReport, colours: TeamColours, others: list[str]) -> None:
    chosen = st.selectbox(
        f"Compare {model_name(str(report.model))} with",
        others,
        format_func=model_name,
        key=f"compare_{report.game_id}_{report.model}",
        width=340,
    )
    other = clients.game.report(report.game_id, chosen, report.count, report.moment)
    if other is None:
        return
    short = [_short(model) for model in (str(report.model), str(chosen))]
    left, right = st.columns((2, 3), gap="large")
    shots = compare(report, other)
    with left:
        st.subheader("Totals", anchor=False)
        _totals(report, other, colours, short)
        spec = disagreement(shots, (report.away.abbrev, report.home.abbrev), colours, short)
        text = f"Each attempt's xG by {short[0]} and by {short[1]}; the table lists the largest disagreements."
        st.vega_lite_chart(spec=spec, height=360, alt=text)
    with right:
        st.subheader("Largest disagreements", anchor=False)
        columns = (
            Column("Difference", help=f"xG by {short[0]} minus xG by {short[1]}"),
            Column(short[0]),
            Column(short[1]),
            Column("Attempt", is_number=False, begins_group=True),
            Column("Outcome", is_number=False, is_wide=True),
            Column("Feet", is_wide=True),
        )
        top = shots.head(DISAGREEMENTS)
        of_team = {report.away.abbrev: colours.away, report.home.abbrev: colours.home}
        rows = [
            Row(
                (
                    signed(row["difference"]),
                    decimals(row["one"]),
                    decimals(row["other"]),
                    joined(swatch(of_team[row["team"]]), f"{when} {row['shooter'] or 'unknown'}"),
                    OUTCOMES[row["outcome"]],
                    f"{row['distance']:.0f}",
                )
            )
            for when, row in zip(moments(top), top.to_dict("records"), strict=True)
        ]
        draw_table("Largest disagreements", columns, rows)


def _totals(one: GameReport, other: GameReport, colours: TeamColours, names: list[str]) -> None:
    columns = (
        Column("", is_number=False),
        *(column for _ in range(2) for column in (Column("xG", begins_group=True), Column("Goals"))),
    )
    sums = [[team.counted for team in (report.away, report.home)] for report in (one, other)]
    rows = [
        Row((name, *(cell for team in both for cell in (decimals(team.xg), str(team.goals)))))
        for name, both in zip(names, sums, strict=True)
    ]
    apart = [signed(first.xg - second.xg) for first, second in zip(*sums, strict=True)]
    rows.insert(0, Row(("Difference", apart[0], "", apart[1], ""), "total"))
    draw_table("Totals by two models", columns, rows, team_groups(one, colours, 1, 2))


def _offer_to_rate(clients: Clients, report: GameReport) -> None:
    """Draw the choice of a further model, which is loaded as a challenger, and rates this game as it is stored."""
    show(_PLACE, str(report.game_id))
    model, problem = active_model(clients.serving)
    if model is None:
        st.caption(plain(sentence(str(problem))))
        return
    try:
        listed = sidebar.offers(clients.serving)
    except ServingError as error:
        st.caption(f"The models cannot be listed: {plain(error.message)}")
        return
    rated = {model_name(by) for by in report.models}
    offers = [
        offer
        for offer in listed
        if isinstance(offer, ModelEntry) and f"{offer.workspace}/{offer.model}:{offer.version}" not in rated
    ]
    if not offers:
        st.caption("Every model that can be loaded has rated this game.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        offer = st.selectbox(
            "Another model", offers, format_func=offer_label, key=f"rate_by_{report.game_id}", width=340
        )
        if st.button(
            "Rate this game with it",
            help="Loads it as a challenger: from now on it rates new attempts as well, and what the page shows by"
            " default stays.",
        ):
            _rate(clients, report.game_id, offer)
            st.rerun()


def _rate(clients: Clients, game_id: int, offer: ModelEntry) -> None:
    name = f"{offer.workspace}/{offer.model}:{offer.version}"
    try:
        with st.spinner(f"Rating with {plain(name)} ..."):
            loaded = [model for model in clients.game.loaded_models() if model_name(model.id) == name]
            model = (
                loaded[0]
                if loaded
                else clients.serving.download_registry_model(
                    offer.workspace, offer.model, offer.version, role="challenger"
                ).model
            )
            sidebar.forget()
            inputs = clients.game.inputs_of(model)
            with clients.game.rescoring():
                clients.game.rescore([game_id], inputs, LOCK_WAIT_S)
    except ServingError as error:
        keep(_PLACE, Notice("error", f"{name} did not rate this game: {error.message}"), str(game_id))
    except (LiveGameError, DatabaseError) as error:
        keep(_PLACE, Notice("error", f"{name} did not rate this game: {error}"), str(game_id))


def _short(model: str) -> str:
    """Return a model's name without its workspace."""
    return model_name(model).partition("/")[2]
