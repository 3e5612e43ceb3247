"""A model beside others on the same shots: whether one is better yet, by how much, and how well each is calibrated."""

from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from db.history import History
from livegame.reports.bootstrap import Estimate
from livegame.reports.challenge import LATEST_GAMES, Challenge, challenge, names, sentence
from livegame.reports.counting import Count
from ui.charts.model import gains, reliability_of_two
from ui.clients import last_active_model
from ui.parts.html_table import Column, Row, draw_table
from ui.words import COUNTS, count, model_name, plain

MOST: Final = 3  # models that are compared at first
KEPT_S: Final = 300
_COLOURS: Final = ("#3b82c4", "#d55e00")  # of the champion and of a challenger


def place(champion: str, models: list[str]) -> DeltaGenerator:
    """Draw the heading; return where to draw the comparison, with the room that it will take."""
    others = _others(champion, models)
    found = st.container(key=f"comparison_{len(_at_first(others))}" if others else None)
    found.subheader("Is another model better?", anchor=False)
    return found


def draw(history: History, champion: str, models: list[str], season: int | None, competition: str) -> None:
    """Draw the comparison of one model with others that have rated the same shots."""
    others = _others(champion, models)
    if not others:
        st.caption(
            "One model has rated games so far. Load a challenger in the sidebar, and have it rate the stored games with"
            " scripts/rescore.py (see docs/commands.md)."
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect(
            "Compared with",
            others,
            _at_first(others),
            format_func=_labels(others).__getitem__,
            key=f"compared_with_{champion}",
            placeholder="Choose models",
            width=520,
        )
        counted = st.segmented_control(
            "Which shots count", list(COUNTS), default=Count.ALL, required=True, format_func=COUNTS.__getitem__,
            key="challenge_count", label_visibility="collapsed",
        )  # fmt: skip
    rated = [(row["model"], row["shots"]) for row in history.models()]
    found: dict[str, Challenge] = {}
    for model in chosen:
        pair = _compared(history, champion, model, season, competition, Count(counted), rated)
        if pair is None:
            words = (
                f"{model_name(model)} and {model_name(champion)} have rated no shots of the same finished games here."
            )
            st.markdown(plain(words))
        else:
            found[model] = pair
            st.markdown(f"**{plain(sentence(pair))}**")
    if found:
        with st.container(key="in_detail"):
            _details(champion, found)


@st.cache_data(ttl=KEPT_S, max_entries=50, show_spinner="Comparing ...")
def _compared(
    _history: History,
    champion: str,
    model: str,
    season: int | None,
    competition: str,
    count: Count,
    rated: list[tuple[str, int]],  # noqa: ARG001 - once models have rated more shots, they are compared again
) -> Challenge | None:
    """Compare two models, at most every few minutes while nothing new is rated. Raises DatabaseError."""
    return challenge(_history, champion, model, season, competition, count)


def _others(champion: str, models: list[str]) -> list[str]:
    return [model for model in models if model != champion]


def _at_first(others: list[str]) -> list[str]:
    """Return the loaded challengers, else the models used last."""
    loaded = [model for model in others if model in last_active_model()["challengers"]]
    return (loaded or others)[:MOST]


def _details(champion: str, found: dict[str, Challenge]) -> None:
    shown = next(iter(found))
    left, right = st.columns((4, 5), gap="large")
    with left:
        by_name = {_short(of)[1]: of for of in found.values()}
        text = "How much lower than the champion's the log loss of each is; bars are 95% intervals."
        st.vega_lite_chart(spec=gains(by_name, _COLOURS[0]), height=70 + 34 * len(found), alt=text)
        if len(found) > 1:
            shown = str(
                st.segmented_control(
                    "In detail", list(found), default=shown, required=True, key=f"challenge_shown_{champion}",
                    format_func=lambda model: _short(found[model])[1],
                )
            )  # fmt: skip
        pair = found.get(shown) or next(iter(found.values()))
        columns = (Column("", is_number=False), *map(Column, (*_short(pair), "Difference")))
        draw_table("Figures of both models", columns, figures(pair))
        st.caption(plain(covered(pair)))
    with right:
        colours = dict(zip(_short(pair), _COLOURS, strict=True))
        text = "Goals per expected goal, by xG, of both models; bars are 95% intervals. Closer to 1 is better."
        st.vega_lite_chart(spec=reliability_of_two(pair, colours), height=340, alt=text)
        st.caption(text)


def figures(found: Challenge) -> list[Row]:
    """Return the two models' figures and the difference, each with its 95 % interval, one row per figure."""
    one, other = found.champion, found.challenger
    auc = [_estimate(of.auc, 3) for of in (one, other)]
    ratio = [_estimate(of.xg_per_goal, 3) for of in (one, other)]
    gain = found.gain
    loss = Estimate(-gain.value, None if gain.high is None else -gain.high, None if gain.low is None else -gain.low)
    rows = {
        "Log loss": [_estimate(one.log_loss, 4), _estimate(other.log_loss, 4), _estimate(loss, 4, "+")],
        "AUC": [*auc, _estimate(found.auc_gain, 3, "+")],
        "xG per goal": [*ratio, ""],
        "xG": [f"{one.xg:,.1f}", f"{other.xg:,.1f}", _signed(f"{other.xg - one.xg:+,.1f}")],
    }
    return [Row((name, *cells)) for name, cells in rows.items()]


def covered(found: Challenge) -> str:
    """Return which shots a comparison covers, and what its figures leave open."""
    unknown = " and ".join(model_name(model) for model in found.unknown)
    limit = f" Only the latest {LATEST_GAMES:,} games are compared." if found.games == LATEST_GAMES else ""
    training = "" if found.learned else " Seasons that either was trained on are left out."
    return (
        f"{count(found.shots, 'shot')} of {count(found.games, 'finished game')} that both have rated,"
        f" {count(found.goals, 'goal')}; 95% intervals by resampling whole games, for one look: with one"
        f" every day, they leave 0 by luck more often.{training}{limit}"
        + (f" The training seasons of {unknown} are unknown: on those it looks better than it is." if unknown else "")
    )


def _short(found: Challenge) -> tuple[str, str]:
    """Return the two names without their workspaces, unless they differ by them alone."""
    one, other = names(found)
    short = (one.rpartition("/")[2], other.rpartition("/")[2])
    return short if short[0] != short[1] else (one, other)


def _estimate(of: Estimate | None, decimals: int, sign: str = "") -> str:
    """Return an estimate with its interval: "0.2219 (0.2190-0.2249)", with a dash, or "+0.002 (-0.001 to +0.005)"."""
    if of is None:
        return ""
    value, low, high = ("" if x is None else f"{x:{sign}.{decimals}f}" for x in (of.value, of.low, of.high))
    to = " to " if sign else "\N{EN DASH}"
    return _signed(f"{value} ({low}{to}{high})" if low else value)


def _signed(number: str) -> str:
    """Return a number with a real minus sign."""
    return number.replace("-", "\N{MINUS SIGN}")


def _labels(models: list[str]) -> dict[str, str]:
    """Return the models' names without their workspaces, where that is not ambiguous."""
    short = {model: model_name(model).rpartition("/")[2] for model in models}
    return {model: name if list(short.values()).count(name) == 1 else model for model, name in short.items()}
