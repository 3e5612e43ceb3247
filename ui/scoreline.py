"""The score line: both teams, where the game stands, and expected goals beside real ones."""

from html import escape

from livegame.odds import Odds
from livegame.plays import GameState
from livegame.report import GameReport, TeamTotals
from ui.colours import TeamColours
from ui.texts import ago, beside_words, difference_words, local_time, pending_words, xg_and_goals

_MINUTE = "%d %b %Y, %H:%M"
# hatched, since many a team is grey
_TIE = (
    "repeating-linear-gradient(-45deg, color-mix(in srgb, currentColor 55%, transparent) 0 2px,"
    " color-mix(in srgb, currentColor 10%, transparent) 2px 6px)"
)


def score_line(report: GameReport, colours: TeamColours) -> str:
    """The score line as HTML; everything that comes from outside is escaped."""
    away, home = _team(report, report.away, colours[0], "away"), _team(report, report.home, colours[1], "home")
    return f'<section class="xg-score" aria-label="Score">{away}{_middle(report, colours)}{home}</section>'


def bar(*parts: tuple[float, str]) -> str:
    """A bar of one part beside the other, each with its size and colour, as HTML without words."""
    filled = "".join(f'<i style="flex: {size:.3f}; background: {colour}"></i>' for size, colour in parts)
    return f'<span class="xg-bar" aria-hidden="true">{filled}</span>'


def odds_line(report: GameReport, result: Odds | None, colours: TeamColours) -> str:
    """How often either team would lead, as HTML of the same height with and without odds."""
    if result is None:
        return '<div class="xg-share">&nbsp;</div><div class="xg-label xg-centred">&nbsp;</div>'
    away, home = escape(report.away.abbrev), escape(report.home.abbrev)
    parts = bar((result.away_win, colours[0]), (result.tie, _TIE), (result.home_win, colours[1]))
    return (
        f'<div class="xg-share"><span>{away} {result.away_win:.0%}</span>{parts}'
        f'<span>{home} {result.home_win:.0%}</span></div><div class="xg-label xg-centred">tie {result.tie:.0%}</div>'
    )


def _team(report: GameReport, team: TeamTotals, colour: str, side: str) -> str:
    lines = (
        ("xg-beside", beside_words(team, report.count)),
        ("xg-difference", " · ".join(filter(None, (difference_words(team), pending_words(team))))),
    )
    # A line is there with nothing to say as well: what comes later must not push down what stands below.
    below = "".join(f'<div class="{name}">{escape(words) or "&nbsp;"}</div>' for name, words in lines)
    return (
        f'<div class="xg-team xg-{side}" style="--team: {colour}">'
        f'<h2 class="xg-name">{escape(team.name)}</h2><span class="xg-goals">{team.score}</span>'
        f'<div class="xg-sums"><div><span class="xg-label">xG (goals)</span> '
        f'<span class="xg-xg">{xg_and_goals(team)}</span></div>{below}</div></div>'
    )


def _middle(report: GameReport, colours: TeamColours) -> str:
    total = report.away.xg + report.home.xg
    share = round(100 * report.away.xg / total) if total else 50
    state = "live" if report.state is GameState.LIVE else "still"
    updated = ago(report.pinged_at) if report.is_awaited else local_time(report.pinged_at, _MINUTE)
    start = ""
    if report.state is GameState.NOT_STARTED:
        known = report.start_is_known
        start = f"starts {local_time(report.start_time, _MINUTE)}" if known else "start time to be announced"
    shares = (
        f'<div class="xg-share"><span>{share} %</span>{bar((share, colours[0]), (100 - share, colours[1]))}'
        f'<span>{100 - share} %</span></div><div class="xg-label">share of expected goals</div>'
    )
    return (
        f'<div class="xg-middle"><div class="xg-status xg-{state}">{escape(report.status)}</div>'
        f'<div class="xg-label">{escape(start)}</div><div class="xg-label">updated {escape(updated)}</div>'
        f"{shares if total else ''}</div>"
    )
