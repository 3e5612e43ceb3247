"""Whether a model can be trusted: a verdict in a sentence, its level by season, and the reliability diagram."""

from typing import Final

import streamlit as st

from livegame.reports.calibration import Calibration, SeasonLevel
from ui.charts.model import reliability
from ui.parts.html_table import Column, Row, draw_table
from ui.words import count, decimals, plain, season_name

_COLOUR: Final = "#3b82c4"
_COLUMNS: Final = (
    Column("Season", is_number=False),
    Column("Training", is_number=False),
    Column("xG per goal (95%)"),
    Column("Goals"),
    Column("Log loss"),
)
_TRAINING: Final = {True: "seen", False: "unseen", None: "unknown"}


def draw_calibration(found: Calibration) -> None:
    """Draw the verdict, the level by season and the reliability diagram."""
    st.markdown(f"**{plain(verdict(found))}**")
    if found.level.is_off:
        st.warning(plain(notice(found)), icon=":material/warning:")
    draw_table("Level by season", _COLUMNS, [_season(season) for season in found.seasons])
    text = diagram_words(found)
    st.vega_lite_chart(spec=reliability(found, _COLOUR), height=300, alt=text)
    st.caption(plain(text))


def verdict(found: Calibration) -> str:
    """Return in a sentence how far the expected goals are off, and on which shots."""
    level = found.level
    which = {
        True: f"On {count(level.shots, 'shot')} from its training seasons",
        False: f"On {count(level.shots, 'unseen shot')}",
        None: f"On {count(level.shots, 'shot')}",
    }[found.is_learned]
    if level.excess is None or level.excess_from is None or level.excess_to is None:
        return f"{which} it expected {level.xg:.1f} goals and there were {level.goals}: too few to judge it."
    amount = f"{abs(level.excess):.1%}"
    text = "as many goals as there were" if amount == "0.0%" else f"{amount} too {_side(level.excess)} goals"
    luck = ", which luck explains" if level.excess_from <= 0 <= level.excess_to else ""
    return f"{which} it expected {text}{luck} (95%: {_interval(level.excess_from, level.excess_to)})."


def notice(found: Calibration) -> str:
    """Return what to make of a level that luck does not explain."""
    side = "high" if found.level.z > 0 else "low"
    advice = (
        "This is so even on its training seasons."
        if found.is_learned
        else "A model trained on more recent games would be closer."
    )
    return f"Its xG is too {side}, by more than luck explains. {advice}"


def diagram_words(found: Calibration) -> str:
    """Return what the diagram shows, and for which shots."""
    seen = {
        True: "The model was trained on these shots: on new ones it will do less well. ",
        False: "Unseen seasons only. ",
        None: "Its card does not name its training seasons; on those it looks better than it is. ",
    }[found.is_learned]
    base = f"; always guessing the average gives {found.base_log_loss:.4f}" if found.base_log_loss else ""
    return (
        f"{seen}Goals per expected goal, by xG; bars are 95% intervals. In {found.steps_explained} of"
        f" {count(len(found.steps), 'group')} luck explains the difference from 1. Log loss {found.level.log_loss:.4f}"
        f" (lower is better{base})."
    )


def _season(of: SeasonLevel) -> Row:
    ratio, low, high = of.level.xg_per_goal
    interval = "" if low is None or high is None else f" ({decimals(low)}\N{EN DASH}{decimals(high)})"
    return Row(
        (
            season_name(of.season),
            _TRAINING[of.is_learned],
            "" if ratio is None else f"{decimals(ratio, 3)}{interval}",
            f"{of.level.goals:,}",
            decimals(of.level.log_loss, 4),
        )
    )


def _side(excess: float) -> str:
    return "many" if excess > 0 else "few"


def _interval(low: float, high: float) -> str:
    """Return an interval of excesses in words: "3.1% to 8.3% too many", "1.0% too few to 2.0% too many"."""
    if (low > 0) == (high > 0):
        first, last = sorted((abs(low), abs(high)))
        return f"{first:.1%} to {last:.1%} too {_side(low)}"
    return f"{-low:.1%} too few to {high:.1%} too many"
