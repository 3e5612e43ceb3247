"""One line of what just happened: the newest attempts, or the biggest chances of a game that is over."""

from collections.abc import Hashable, Mapping
from html import escape
from typing import Any, Final

from livegame.reports.chances import biggest, newest
from livegame.reports.game import GameReport
from ui.charts.shots import described
from ui.colours import TeamColours

_SHOWN: Final = 5


def latest_line(report: GameReport, colours: TeamColours) -> str:
    """Return the line as HTML, of the same height however much there is to say; a screen reader reads what is new."""
    title, shots = ("Biggest chances", biggest) if report.is_over else ("Just now", newest)
    rows = described(shots(report, _SHOWN), report)
    items = "".join(
        _item(row, colours.home if row["team"] == report.home.abbrev else colours.away)
        for row in rows.to_dict("records")
    )
    return (
        f'<section class="xg-latest" aria-label="{title}"><b>{title}</b>'
        f'<ol aria-live="{"off" if report.is_over else "polite"}">{items}</ol></section>'
    )


def _item(row: Mapping[Hashable, Any], colour: str) -> str:
    xg = row["probability"]
    rated = f"{xg:.2f}" if isinstance(xg, float) and xg == xg else "not rated yet"
    outcome = escape(str(row["result"]).lower())
    outcome = f"<b>{outcome}</b>" if row["outcome"] == "goal" else outcome
    words = escape(f"{row['when']} {row['shooter']} {rated}")
    team = f'<i style="background: {colour}"></i><span class="xg-hidden">{escape(str(row["team"]))} </span>'
    return f"<li>{team}{words} {outcome}</li>"
