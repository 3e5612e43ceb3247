"""A game on the Tonight page: a card of HTML, the same height whatever it says."""

import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape, unescape
from typing import Final

from livegame.plays import PERIOD_SECONDS, REGULATION_PERIODS, GameState, Team
from livegame.reports.tonight import Attempt, Line, Numbers
from ui.colours import TeamColours
from ui.words import chance_words, local_time, period_name

WIDTH: Final = 300  # of the small race, in units of its own
HEIGHT: Final = 58
FULL_STRENGTH: Final = 5  # skaters
_LEAST_XG: Final = 2.0  # at the top of the race, so that a quiet game looks quiet
_REGULATION_S: Final = REGULATION_PERIODS * PERIOD_SECONDS


def card(line: Line, colours: TeamColours, problem: str = "") -> str:
    """Return the card as HTML; everything that comes from outside is escaped. `problem` is why it is not up to date.

    It is hidden from screen readers: `card_words`, the text of the link over it, says the same.
    """
    live = " xg-live" if line.is_live else ""
    beside = escape(problem or situation_words(line))
    heads, away, home = _columns(line)
    race = f'<div class="xg-card-race">{_race(line.numbers, colours)}</div>' if line.numbers else ""
    return (
        f'<div class="xg-card" aria-hidden="true"><div class="xg-card-top">'
        f'<b class="xg-card-status{live}">{escape(when(line))}</b>'
        f"<span>{beside}</span><i>{heads[0]}</i><i>{heads[1]}</i></div>"
        f"{_team(line.away, colours.away, line, away, line.home)}"
        f"{_team(line.home, colours.home, line, home, line.away)}"
        f'{race}<div class="xg-card-latest">{latest_words(line)}</div></div>'
    )


def card_words(line: Line, problem: str = "") -> str:
    """Return what the card says, in one line for a screen reader."""
    heads, away, home = _columns(line)
    score = f"{line.away.score} to {line.home.score}, " if line.has_score else ""
    pairs = [f"{head} {a} and {h}" for head, a, h in zip(heads, away, home, strict=True) if head]
    latest = unescape(re.sub(r"<[^>]*>", "", latest_words(line)))
    beside = problem or situation_words(line)
    parts = (f"{line.away.name} at {line.home.name}: {score}{when(line)}", beside, ", ".join(pairs), latest)
    return ". ".join(part.rstrip(".") for part in parts if part)


def _columns(line: Line) -> tuple[tuple[str, str], tuple[str, str], tuple[str, str]]:
    """Return two columns of numbers: their heads, and what they say of the away and of the home team."""
    numbers = line.numbers
    if numbers is not None and numbers.is_rated:
        xg = f"{numbers.away_xg:.2f}", f"{numbers.home_xg:.2f}"
        if numbers.win is None or line.is_over:
            return ("", "xG"), ("", xg[0]), ("", xg[1])
        return ("xG", "Win"), (xg[0], chance_words(numbers.win.away)), (xg[1], chance_words(numbers.win.home))
    away, home = (
        ("", "") if season is None else (f"{season.xg:.2f}", f"{season.xg_against:.2f}")
        for season in (line.away_season, line.home_season)
    )
    return (("xG for", "against") if away[0] or home[0] else ("", "")), away, home


def when(line: Line) -> str:
    """Return where the game stands, or when it starts: "P3 12:40", "7:00 PM", "Final (OT)"."""
    if line.state is GameState.NOT_STARTED:
        return local_time(line.start_time) if line.start_is_known else "Time to be announced"
    return line.short_status


def situation_words(line: Line) -> str:
    """Return what is unusual on the ice: "FLA power play 1:12", "ARI net empty", "4v4"; nothing at even strength."""
    now = line.numbers.now if line.numbers else None
    if now is None:
        return ""
    words = []
    if now.power_play:
        left = "" if now.seconds_left is None else f" {now.seconds_left // 60}:{now.seconds_left % 60:02d}"
        words.append(f"{(line.away if now.power_play == 'away' else line.home).abbrev} power play{left}")
    words += [
        f"{team.abbrev} net empty"
        for team, has_goalie in ((line.away, now.away_goalie), (line.home, now.home_goalie))
        if not has_goalie
    ]
    if not words and now.away_skaters == now.home_skaters < FULL_STRENGTH and not line.short_status.startswith("OT"):
        words.append(f"{now.away_skaters}v{now.home_skaters}")
    return ", ".join(words)


def latest_words(line: Line) -> str:
    """Return what just happened, or what to expect, as HTML."""
    if line.numbers is not None:
        if line.numbers.latest is not None:
            return _attempt(line.numbers.latest)
        return "No goal yet." if line.is_live else ""
    if line.state is GameState.NOT_STARTED:
        return "Per game this season." if line.away_season or line.home_season else ""
    if line.state is GameState.POSTPONED:
        return "A new date will be announced."
    if line.state is GameState.CANCELLED:
        return "This game will not be played."
    return "Not rated yet." if line.has_score else "The score follows with your delay."


def _attempt(attempt: Attempt) -> str:
    what = "Goal" if attempt.is_goal else "Chance"
    rated = "" if attempt.xg is None else f" · {attempt.xg:.2f} xG"
    who = escape(attempt.shooter or "unknown")
    clock = f"{period_name(attempt.period)} {attempt.time.removeprefix('0')}"
    return f"<b>{what} {escape(attempt.team)}</b> {who}{rated} · {clock}"


def _team(team: Team, colour: str, line: Line, columns: tuple[str, str], other: Team) -> str:
    score = str(team.score) if line.has_score else ""
    lost = " xg-card-lost" if line.is_over and team.score < other.score else ""
    return (
        f'<div class="xg-card-team{lost}" style="--team: {colour}"><b>{escape(team.abbrev)}</b>'
        f'<span class="xg-card-name">{escape(team.name)}</span><strong>{score}</strong>'
        f"<span>{escape(columns[0])}</span><span>{escape(columns[1])}</span></div>"
    )


def _race(numbers: Numbers, colours: TeamColours) -> str:
    """Return both teams' expected goals over the game as a picture; the numbers beside it say the same in text."""
    end = max(numbers.length_s, _REGULATION_S)
    top = max(numbers.away_xg, numbers.home_xg, _LEAST_XG) * 1.06

    def x(second: float) -> str:
        return f"{WIDTH * second / end:.1f}"

    def y(xg: float) -> str:
        return f"{(HEIGHT - 1) * (1 - xg / top):.1f}"

    def steps(race: Sequence[tuple[int, float]]) -> str:
        path = f"M0 {y(0)}" + "".join(f"H{x(second)}V{y(xg)}" for second, xg in race)
        return f"{path}H{x(numbers.length_s)}"

    def height_at(race: Sequence[tuple[int, float]], second: int) -> float:
        return next((xg for at, xg in reversed(race) if at <= second), 0.0)

    races = (numbers.away_race, numbers.home_race)
    periods = "".join(f'<path class="p" d="M{x(s)} 0V{HEIGHT}"/>' for s in range(PERIOD_SECONDS, end, PERIOD_SECONDS))
    lines = "".join(
        f'<path d="{steps(race)}" stroke="{colour}"/>' for race, colour in zip(races, colours[:2], strict=True)
    )
    goals = "".join(
        f'<circle cx="{x(second)}" cy="{y(height_at(races[is_home], second))}" r="3.2" fill="{colours[is_home]}"/>'
        for second, is_home in numbers.goals
    )
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -4 {WIDTH + 5} {HEIGHT + 5}">'
        "<style>path{fill:none;stroke-width:1.8;stroke-linejoin:round}"
        f".p{{stroke:{colours.ink};stroke-width:1;opacity:.18}}</style>"
        f'{periods}<path class="p" d="M0 {HEIGHT}H{WIDTH}"/>{lines}{goals}</svg>'
    )
    return f'<img alt="" src="data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}">'
