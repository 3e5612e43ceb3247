"""One picture of a game, to be posted: score, expected goals, where the shots were taken, and how the game went.

It is made of the charts of the page, as SVG, and drawn without a browser, a network or fonts of the machine.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final, Literal

import pandas as pd

from db.history import History
from livegame.plays import GameState
from livegame.reports.game import GameReport, TeamTotals
from livegame.reports.odds import odds_of
from livegame.reports.win_probability import WinProbability, game_prior, win_curve, win_now
from ui.charts.race import xg_race
from ui.charts.shot_map import half_rink
from ui.charts.shots import STAR
from ui.charts.timeline import LEFT, RIGHT, game_end, periods
from ui.charts.win import win_curve_chart
from ui.colours import TeamColours, Theme, team_colours
from ui.game_words import competition_words
from ui.situation_words import situation_words
from ui.words import COUNTED, chance_words, date_words, model_name, status_words

WIDTH: Final = 1200
HEIGHT: Final = 1500  # four to five: the tallest that most chats show without cutting
PROGRAM: Final = "live-xg"
FONT: Final = "Liberation Sans"  # what vl-convert brings along
_MARGIN: Final = 56
_INNER: Final = WIDTH - 2 * _MARGIN
_ENLARGED: Final = 1.64  # the page's charts, so that their words are 18 pixels high or more
_LIVE: Final = "#e03c3c"
_ARROWS: Final = str.maketrans(
    "\N{BLACK LEFT-POINTING TRIANGLE}\N{BLACK RIGHT-POINTING TRIANGLE}",
    "\N{BLACK LEFT-POINTING POINTER}\N{BLACK RIGHT-POINTING POINTER}",
)  # FONT has only these
_GRID: Final = "#8a8f9870"

Anchor = Literal["start", "middle", "end"]


def picture_name(report: GameReport) -> str:
    """Return the name of the picture's file: "2023-11-24_NSH-STL_xg.png"."""
    away, home = (re.sub(r"\W", "", team.abbrev) for team in (report.away, report.home))  # it names no folder
    return f"{report.date}_{away}-{home}_xg.png"


def picture_of(history: History, report: GameReport, theme: Theme) -> bytes:
    """Return the picture of a game as it stands in the report, as PNG of WIDTH x HEIGHT pixels.

    Raises:
        DatabaseError: the history cannot be read.
    """
    import vl_convert  # a JavaScript engine, which pages need for nothing else

    prior = game_prior(history, report)
    colours = team_colours(report.away.abbrev, report.home.abbrev, theme)
    svg = picture_svg(report, win_now(report, prior), win_curve(report, prior), colours)
    return bytes(vl_convert.svg_to_png(svg, scale=1.0))


def picture_svg(report: GameReport, win: WinProbability | None, curve: pd.DataFrame, colours: TeamColours) -> str:
    """Return the picture of a game as it stands in the report, as SVG; `curve` is the `win_curve`, perhaps empty."""
    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{colours.paper}"/>',
        *_when(report, colours),
        *_score(report, colours),
        *_expected(report, colours),
        *_figures(report, win, colours),
        *_rinks(report, colours, y=474, height=540),
        *_timelines(report, curve, colours, y=1050, height=384),
        *_foot(report, colours),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' font-family="{FONT}">{"".join(parts)}</svg>'
    )


def _when(report: GameReport, colours: TeamColours) -> Iterator[str]:
    yield _text(_MARGIN, 66, f"{date_words(report.date)} · {competition_words(report)}", 24, colours.ink, faded=True)
    is_live = report.state is GameState.LIVE
    status = status_words(report.status)
    yield _text(WIDTH - _MARGIN, 66, status, 28, _LIVE if is_live else colours.ink, "end", bold=True)


def _score(report: GameReport, colours: TeamColours) -> Iterator[str]:
    for team, colour, x, anchor in _sides(report, colours):
        inwards = 1 if anchor == "start" else -1
        yield f'<rect x="{x if inwards == 1 else x - 14}" y="106" width="14" height="120" fill="{colour}"/>'
        yield _text(x + inwards * 34, 176, team.abbrev, 84, colours.ink, anchor, bold=True)
        yield _text(x + inwards * 36, 220, team.name, 27, colours.ink, anchor)
    yield _text(WIDTH / 2 - 46, 206, str(report.away.score), 128, colours.ink, "end", bold=True)
    yield _text(WIDTH / 2, 192, "\N{EN DASH}", 80, colours.ink, "middle", faded=True)
    yield _text(WIDTH / 2 + 46, 206, str(report.home.score), 128, colours.ink, "start", bold=True)
    if report.now is not None and report.state is GameState.LIVE:
        yield _text(WIDTH / 2, 252, situation_words(report, report.now), 25, colours.ink, "middle")


def _expected(report: GameReport, colours: TeamColours) -> Iterator[str]:
    shares = report.shares
    for (team, _, x, anchor), share in zip(_sides(report, colours), shares, strict=True):
        inwards = 1 if anchor == "start" else -1
        yield _text(x, 320, f"{team.counted.xg:.2f}", 64, colours.ink, anchor, bold=True)
        yield _text(x + inwards * 150, 318, chance_words(share), 28, colours.ink, anchor, faded=True)
    yield _text(WIDTH / 2, 318, "expected goals (xG)", 28, colours.ink, "middle")
    away = round(_INNER * shares[0])
    yield f'<rect x="{_MARGIN}" y="340" width="{away}" height="26" fill="{colours.away}"/>'
    yield f'<rect x="{_MARGIN + away}" y="340" width="{_INNER - away}" height="26" fill="{colours.home}"/>'
    yield f'<rect x="{_MARGIN + away - 2}" y="340" width="4" height="26" fill="{colours.paper}"/>'


def _figures(report: GameReport, win: WinProbability | None, colours: TeamColours) -> Iterator[str]:
    away, home = report.away.attempts, report.home.attempts
    found = [("shots on goal", str(away.on_goal), str(home.on_goal))]
    if away.blocked or home.blocked:  # games stored by earlier versions have none
        found.append(("all attempts", str(away.attempts), str(home.attempts)))
    if (odds := odds_of(report)) is not None:
        found.append(("deserved to win", chance_words(odds.away_win), chance_words(odds.home_win)))
    if win is not None and not report.is_over:
        found.append(("win probability", chance_words(win.away), chance_words(win.home)))
    for number, (name, *both) in enumerate(found):
        middle = _MARGIN + _INNER * (number + 0.5) / len(found)
        yield _text(middle, 412, " \N{EN DASH} ".join(both), 34, colours.ink, "middle", bold=True)
        yield _text(middle, 442, name, 22, colours.ink, "middle", faded=True)


def _rinks(report: GameReport, colours: TeamColours, y: float, height: float) -> Iterator[str]:
    width = _INNER / 2
    for number, team in enumerate((report.away, report.home)):
        head = f"{team.counted.shots} unblocked"
        spec = half_rink(report, team, report.present, colours, head)
        yield _chart(spec, f"rink{number}", _MARGIN + number * width, y, width, height)


def _timelines(report: GameReport, curve: pd.DataFrame, colours: TeamColours, y: float, height: float) -> Iterator[str]:
    """Return the race and, if there is one, the curve of win probability below it, and the periods' names."""
    names = 30
    race = height - names if curve.empty else 0.54 * (height - names)
    yield _text(_MARGIN, y, "Expected goals over time", 22, colours.ink, bold=True)
    key = _MARGIN + 300
    yield f'<path d="{STAR}" transform="translate({key} {y - 7}) scale(11)" fill="{colours.ink}"/>'
    yield _text(key + 18, y, "goals", 20, colours.ink, faded=True)
    yield f'<rect x="{key + 92}" y="{y - 18}" width="22" height="22" fill="{colours.ink}" opacity="0.16"/>'
    yield _text(key + 122, y, "power plays", 20, colours.ink, faded=True)
    yield _chart(xg_race(report, colours), "race", _MARGIN, y + 10, _INNER, race - 10)
    if not curve.empty:
        place = y + race + 30
        yield _text(_MARGIN, place, "Win probability", 22, colours.ink, bold=True)
        yield _chart(win_curve_chart(curve, report, colours), "win", _MARGIN, place + 8, _INNER, height - race - 28)
        return
    left, right = _MARGIN + _ENLARGED * LEFT, _MARGIN + _INNER - _ENLARGED * RIGHT
    found = periods(report)
    for name, middle in zip(found["name"], found["middle"], strict=True):
        x = left + (right - left) * float(middle) / game_end(report)
        yield _text(x, y + height - 4, str(name), 19, colours.ink, "middle", faded=True)


def _foot(report: GameReport, colours: TeamColours) -> Iterator[str]:
    words = [model_name(report.model) if report.model else "not rated", COUNTED[report.count].lower()]
    words.append(f"as of {report.pinged_at[:16].replace('T', ' ')} UTC")
    yield _text(_MARGIN, HEIGHT - 30, " · ".join(words), 20, colours.ink, faded=True)
    yield _text(WIDTH - _MARGIN, HEIGHT - 30, PROGRAM, 24, colours.ink, "end", bold=True)


def _sides(report: GameReport, colours: TeamColours) -> Sequence[tuple[TeamTotals, str, float, Anchor]]:
    return (
        (report.away, colours.away, _MARGIN, "start"),
        (report.home, colours.home, WIDTH - _MARGIN, "end"),
    )


def _text(
    x: float,
    y: float,
    words: str,
    size: int,
    colour: str,
    anchor: Anchor = "start",
    *,
    bold: bool = False,
    faded: bool = False,
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    opacity = ' opacity="0.72"' if faded else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}{opacity}>'
        f"{escape(words)}</text>"
    )


def _chart(spec: dict[str, Any], name: str, x: float, y: float, width: float, height: float) -> str:
    """Return one of the page's charts at a place of the picture, enlarged; `name` keeps its ids apart from others'."""
    import vl_convert

    size = {"width": round(width / _ENLARGED), "height": round(height / _ENLARGED)}
    spec = spec | {"layer": [layer for layer in spec["layer"] if not _is_pointer(layer)]}
    spec.pop("params", None)
    config = spec.get("config", {}) | {"font": FONT, "background": None, "axis": {"gridColor": _GRID}}
    svg = vl_convert.vegalite_to_svg(spec | size | {"config": config, "background": None})
    inner = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", svg.translate(_ARROWS))
    return re.sub(
        r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>",
        rf'<svg x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" \1 overflow="visible">',
        inner,
        count=1,
    )


def _is_pointer(layer: dict[str, Any]) -> bool:
    """Return whether a layer is there for the pointer alone: shown under it, or invisible."""
    follows = any("param" in step["filter"] for step in layer.get("transform", ()) if "filter" in step)
    return follows or layer["mark"].get("opacity") == 0
