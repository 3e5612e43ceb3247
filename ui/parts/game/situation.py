"""What is on now, in one line: who has more skaters, for how long, and whose net is empty."""

from html import escape

from livegame.reports.game import GameReport, TeamTotals
from livegame.reports.manpower import Now
from ui.colours import TeamColours
from ui.situation_words import situation_words


def situation_line(report: GameReport, colours: TeamColours) -> str:
    """Return the line as HTML, of the same height whether there is something to say or not."""
    now = report.now
    if now is None:
        return '<div class="xg-situation">&nbsp;</div>'
    team = _team_with_more(report, now)
    if team is None:
        return f'<div class="xg-situation">{escape(situation_words(report, now))}</div>'
    colour = colours.home if team.is_home else colours.away
    words = escape(situation_words(report, now))
    return f'<div class="xg-situation xg-is-on"><i style="background: {colour}"></i>{words}</div>'


def _team_with_more(report: GameReport, now: Now) -> TeamTotals | None:
    """Return the team that the line is about: the one on the power play, else the one that has pulled its goalie."""
    if now.power_play is not None:
        return report.home if now.power_play == "home" else report.away
    if now.away_goalie and now.home_goalie:
        return None
    return report.away if not now.away_goalie else report.home
