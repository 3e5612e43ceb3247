"""Whether a model can be trusted: its level by season, a verdict in a sentence, and the reliability diagram."""

from typing import Final

import pandas as pd
import streamlit as st

from livegame.reports.calibration import Calibration, SeasonLevel
from ui.charts.model import reliability
from ui.words import count, plain, season_name

_COLOUR: Final = "#3b82c4"
_LEARNED: Final = {True: "learned from", False: "never seen", None: "unknown"}


def draw(found: Calibration) -> None:
    """Draw the verdict, the seasons and the diagram, from top to bottom."""
    st.markdown(f"**{plain(verdict(found))}**")
    if found.level.is_off:
        st.warning(plain(notice(found)), icon=":material/warning:")
    st.table(pd.DataFrame([_season_line(season) for season in found.seasons]), border="horizontal", hide_index=True)
    text = diagram_words(found)
    st.vega_lite_chart(spec=reliability(found, _COLOUR), height=300, alt=text)
    st.caption(plain(text))


def verdict(found: Calibration) -> str:
    """In one sentence how far the expected goals are off, and on which shots."""
    level = found.level
    which = {
        True: f"On {level.shots:,} shots of seasons it learned from",
        False: f"On {level.shots:,} unseen shots",
        None: f"On {level.shots:,} shots",
    }[found.is_learned]
    if level.excess is None or level.excess_from is None or level.excess_to is None:
        return f"{which} it expected {level.xg:.1f} goals and there were {level.goals}: too few to judge it."
    amount = f"{abs(level.excess):.1%}".replace("%", " %")
    text = "as many goals as there were" if amount == "0.0 %" else f"{amount} too {_side(level.excess)} goals"
    luck = ", which luck explains" if level.excess_from <= 0 <= level.excess_to else ""
    return f"{which} it expected {text}{luck} (95 %: {_interval(level.excess_from, level.excess_to)})."


def notice(found: Calibration) -> str:
    """What to make of a level that luck does not explain."""
    side = "high" if found.level.z > 0 else "low"
    advice = (
        "It is so even on seasons that it learned from."
        if found.is_learned
        else "A model that has learned from newer games would be nearer."
    )
    return f"Its level is too {side}, by more than luck explains. {advice}"


def diagram_words(found: Calibration) -> str:
    """What the diagram shows, on which shots, in a few sentences."""
    base, level = found.base_log_loss, found.level
    sense = "means it knows something" if level.log_loss < base else "would mean that it knows something"
    seen = {
        True: "The model has seen these shots: on new ones it will do less well. ",
        False: "Only seasons that it never saw count here. ",
        None: "Its card does not say which seasons it learned from; on those it looks better than it is. ",
    }[found.is_learned]
    return (
        f"{seen}Goals per expected goal, by xG; bars show 95 %. In {found.steps_explained} of"
        f" {count(len(found.steps), 'group')} luck explains the difference from 1. Log loss is {level.log_loss:.4f};"
        f" lower than {base:.4f} (always guessing the average) {sense}."
    )


def _season_line(of: SeasonLevel) -> dict[str, str]:
    level = of.level
    interval = (
        f" ({1 + level.excess_from:.2f}\u2013{1 + level.excess_to:.2f})"
        if level.excess_from is not None and level.excess_to is not None
        else ""
    )
    return {
        "Season": season_name(of.season),
        "Training": _LEARNED[of.is_learned],
        "xG per goal (95\u00a0%)": "" if level.excess is None else f"{1 + level.excess:.3f}{interval}",
        "Goals": f"{level.goals:,}",
        "Log loss": f"{level.log_loss:.4f}",
    }


def _side(excess: float) -> str:
    return "many" if excess > 0 else "few"


def _interval(low: float, high: float) -> str:
    """An interval of excesses: "3.1 to 8.3 % too many", "1.0 % too few to 2.0 % too many"."""
    if (low > 0) == (high > 0):
        first, last = sorted((abs(low), abs(high)))
        return f"{100 * first:.1f} to {100 * last:.1f} % too {_side(low)}"
    return f"{-100 * low:.1f} % too few to {100 * high:.1f} % too many"
