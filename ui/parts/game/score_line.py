"""The score line: both teams, the state of the game, and expected beside actual goals."""

from collections.abc import Mapping
from html import escape

from livegame.plays import GameState
from livegame.reports.game import GameReport, TeamTotals
from livegame.reports.odds import Odds
from livegame.reports.teams import TeamLine
from livegame.reports.win_probability import WinProbability
from ui.colours import TeamColours
from ui.game_words import (
    attempts_words,
    beside_words,
    competition_words,
    difference_words,
    no_play_words,
    pending_words,
    season_words,
    xg_and_goals,
)
from ui.parts.game.situation import situation_line
from ui.words import chance_words, date_words, local_time, status_words

# hatched, since many teams' colour is a grey
_TIE = (
    "repeating-linear-gradient(-45deg, color-mix(in srgb, currentColor 55%, transparent) 0 2px,"
    " color-mix(in srgb, currentColor 10%, transparent) 2px 6px)"
)


def score_line(
    report: GameReport,
    colours: TeamColours,
    season: Mapping[str, TeamLine] | None = None,
    win: WinProbability | None = None,
) -> str:
    """Return the score line as HTML; everything that comes from outside is escaped.

    A game without play shows only its start and, if given, the teams' `season` numbers.
    """
    sides = ((report.away, colours.away, "away"), (report.home, colours.home, "home"))
    if report.has_begun:
        away, home = (_team(team, colour, side, _sums(report, team)) for team, colour, side in sides)
    else:
        away, home = (
            _team(team, colour, side, _line("xg-difference", season_words((season or {}).get(team.abbrev))), goals="")
            for team, colour, side in sides
        )
    heading = f'<h1 class="xg-hidden">{escape(report.title)}</h1>'
    middle = _middle(report, colours, win)
    return f'<section class="xg-score" aria-label="Score">{heading}{away}{middle}{home}</section>'


def updated_line(text: str) -> str:
    """Return the line that says when the game was pinged last, as HTML."""
    return _line("xg-label xg-updated", text)


def bar(*parts: tuple[float, str]) -> str:
    """Return a bar of parts, each with its size and colour, as HTML without text."""
    filled = "".join(f'<i style="flex: {size:.3f}; background: {colour}"></i>' for size, colour in parts)
    return f'<span class="xg-bar" aria-hidden="true">{filled}</span>'


def odds_line(report: GameReport, result: Odds | None, colours: TeamColours) -> str:
    """Return how often either team would lead, as HTML of the same height with and without odds."""
    if result is None:
        return '<div class="xg-share">&nbsp;</div><div class="xg-label xg-centred">&nbsp;</div>'
    away, home = escape(report.away.abbrev), escape(report.home.abbrev)
    parts = bar((result.away_win, colours[0]), (result.tie, _TIE), (result.home_win, colours[1]))
    return (
        f'<div class="xg-share"><span>{away} {result.away_win:.0%}</span>{parts}'
        f'<span>{home} {result.home_win:.0%}</span></div><div class="xg-label xg-centred">Tie {result.tie:.0%}</div>'
    )


def _team(team: TeamTotals, colour: str, side: str, below: str, goals: str | None = None) -> str:
    return (
        f'<div class="xg-team xg-{side}" style="--team: {colour}"><div class="xg-name">{escape(team.name)}</div>'
        f'<span class="xg-goals">{team.score if goals is None else goals}</span>'
        f'<div class="xg-sums">{below}</div></div>'
    )


def _sums(report: GameReport, team: TeamTotals) -> str:
    below = " · ".join(filter(None, (difference_words(team.counted), pending_words(team.counted))))
    return (
        f'<div><span class="xg-label">xG (goals)</span> <span class="xg-xg">{xg_and_goals(team.counted)}</span></div>'
        + _line("xg-beside", beside_words(team, report.count))
        + _line("xg-difference", below)
        + _line("xg-attempts", attempts_words(team))
    )


def _middle(report: GameReport, colours: TeamColours, win: WinProbability | None) -> str:
    live = " xg-live" if report.state is GameState.LIVE else ""
    lines = [
        _line("xg-label", f"{date_words(report.date)} · {competition_words(report)}"),
        f'<div class="xg-status{live}">{escape(status_words(report.status))}</div>',
    ]
    if not report.has_begun and report.state is GameState.NOT_STARTED:
        start = local_time(report.start_time) if report.start_is_known else "TBD"
        lines.append(f'<div class="xg-start">{start}</div>')
    if report.has_begun:
        lines.append(situation_line(report, colours))
        lines.append(_shares("Share of expected goals", report.shares, colours))
    else:
        lines.append(_line("xg-label", no_play_words(report)))
    if report.has_begun or win is not None:
        lines.append(_shares("Win probability", (win.away, win.home) if win else None, colours))
    return f'<div class="xg-middle">{"".join(lines)}</div>'


def _shares(label: str, shares: tuple[float, float] | None, colours: TeamColours) -> str:
    """Return both teams' shares as a bar between two percentages, with what they are shares of; None: not known."""
    if shares is None:
        return f'<div class="xg-label">{label}</div><div class="xg-share"><span>&nbsp;</span></div>'
    parts = bar((shares[0], colours.away), (shares[1], colours.home))
    away, home = (f"<span>{escape(chance_words(share))}</span>" for share in shares)
    return f'<div class="xg-label">{label}</div><div class="xg-share">{away}{parts}{home}</div>'


def _line(name: str, text: str) -> str:
    """Return a line that takes its room even when it is empty, so that nothing moves later."""
    return f'<div class="{name}">{escape(text) or "&nbsp;"}</div>'
