"""A game's numbers divided: by period, by how good the chances were, by strength, and by the score."""

from collections.abc import Iterator

import streamlit as st

from livegame.plays import PERIOD_SECONDS
from livegame.reports.attempts import SHORT
from livegame.reports.game import GameReport
from livegame.reports.splits.danger import DangerBand, danger_bands
from livegame.reports.splits.misses import miss_lines
from livegame.reports.splits.periods import PeriodSide, period_lines
from livegame.reports.splits.score_states import ScoreState, score_states
from livegame.reports.splits.strength import LeagueRates, StrengthSide, strength_lines
from livegame.reports.sums import Sums
from ui.colours import TeamColours
from ui.parts.html_table import Column, Row, draw_table, team_mark
from ui.words import clock, count, decimals, period_name, plain, season_name, strength_name, strengths_in_order


def team_groups(report: GameReport, colours: TeamColours, before: int, each: int) -> list[tuple[str, int]]:
    """Return the titles over both teams' columns: `each` per team, after `before` columns of no team."""
    teams = ((report.away, colours.away), (report.home, colours.home))
    return [("", before), *((team_mark(colour, team.abbrev), each) for team, colour in teams)]


def draw_periods(report: GameReport, colours: TeamColours) -> None:
    """Draw the attempts by period."""
    st.subheader("By period", anchor=False)
    of_team = (
        Column("SOG", begins_group=True, help="Shots on goal, as the league counts them"),
        Column("Unblocked", is_wide=True, help="Shots on goal and misses"),
        Column("Blocked", is_wide=True, help="Own attempts that were blocked"),
        Column("All", help="All attempts, blocked ones too"),
        Column("xG"),
        Column("Goals"),
    )
    rows = [
        Row(
            (
                "Game" if line.period is None else period_name(line.period),
                *_attempts(line.away),
                *_attempts(line.home),
            ),
            "total" if line.period is None else "",
        )
        for line in period_lines(report)
    ]
    columns = (Column("", is_number=False), *of_team, *of_team)
    draw_table("Attempts, xG and goals by period", columns, rows, team_groups(report, colours, 1, len(of_team)))
    if report.blocked.empty and report.played_seconds >= PERIOD_SECONDS:
        st.caption("No blocked attempt is on record. A game stored by an older version gets them at its next ping.")


def draw_misses(report: GameReport, colours: TeamColours) -> None:
    """Draw the misses by reason, with what leaving out those that fell short does to the counts."""
    st.subheader("Misses by reason", anchor=False)
    lines = miss_lines(report)
    if not lines:
        st.caption("No misses." if report.population != "on-goal" else "This model does not rate misses.")
        return
    teams = ((report.away, colours.away), (report.home, colours.home))
    columns = (
        Column("", is_number=False),
        *(Column(team_mark(colour, team.abbrev), begins_group=True) for team, colour in teams),
    )
    rows = [Row((line.reason.capitalize(), str(line.away), str(line.home))) for line in lines]
    total = [sum(getattr(line, side) for line in lines) for side in ("away", "home")]
    draw_table("Misses by reason", columns, [*rows, Row(("All misses", *map(str, total)), "total")])
    if not any(line.reason == SHORT for line in lines):
        st.caption("The league names misses that fell short since 2023-24. Some public sites leave these out.")
        return
    *_, game = period_lines(report)
    away, home = (side.unblocked_without_short for side in (game.away, game.home))
    st.caption(
        "Short: it did not reach the net. Some public sites leave these out: they count"
        f" {away} unblocked attempts of {plain(report.away.abbrev)} and {home} of {plain(report.home.abbrev)}."
    )


def draw_strength(report: GameReport, league: LeagueRates | None, colours: TeamColours) -> None:
    """Draw time, attempts and xG by strength: those that count, their total, and below it the others."""
    st.subheader("By strength", anchor=False)
    of_team = (
        Column("Minutes", begins_group=True, is_wide=True),
        Column("Attempts", is_wide=True, help="Unblocked"),
        Column("xG"),
        Column("Goals", is_wide=True),
        Column("xG/60", help="Expected goals per 60 minutes at this strength"),
    )
    columns = (Column("", is_number=False), *of_team, *of_team, Column("League xG/60", begins_group=True))
    lines = {line.strength: line for line in strength_lines(report)}

    def row(strength: str) -> Row:
        line = lines[strength]
        name = strength_name(strength)
        average = decimals(league.xg_per_60(strength)) if league else ""
        cells = (*_side(line.away), *_side(line.home), average)
        return Row((name, *cells)) if line.counts else Row((f"Not counted: {name}", *cells), "beside")

    in_order = strengths_in_order(lines)
    counted = [strength for strength in in_order if lines[strength].counts]
    whole = (
        StrengthSide(sum(getattr(lines[strength], side).seconds for strength in counted), team.counted)
        for side, team in (("away", report.away), ("home", report.home))
    )
    average = decimals(league.xg_per_60(*filter(report.count.takes, league.totals))) if league else ""
    total = Row(("Total", *(cell for side in whole for cell in _side(side)), average), "total")
    beside = [row(strength) for strength in in_order if not lines[strength].counts]
    groups = [*team_groups(report, colours, 1, len(of_team)), ("", 1)]
    draw_table("By strength", columns, [*map(row, counted), total, *beside], groups)
    st.caption(f"Each team's own view: one team's power play is the other's short-handed time. {_league_words(league)}")


def _side(side: StrengthSide) -> Iterator[str]:
    yield clock(side.seconds) if side.seconds else ""
    yield from _three(side.sums)
    yield decimals(side.xg_per_60)


def _league_words(league: LeagueRates | None) -> str:
    if league is None:
        return "The league's average appears once this model has rated finished games."
    seasons = "all seasons" if league.season is None else season_name(league.season)
    return f"League: the average team in {count(league.games, 'game')} of {seasons}, by the same model."


def draw_danger(report: GameReport, colours: TeamColours) -> None:
    """Draw the chances by danger."""
    st.subheader("Chances by danger", anchor=False)
    columns = (
        Column("xG of the chance", is_number=False),
        *(column for _ in range(2) for column in (Column("Chances", begins_group=True), Column("xG"), Column("Goals"))),
    )
    bands = danger_bands(report)
    rows = [Row((_band_name(band), *_three(band.away), *_three(band.home))) for band in bands]
    total = Row(("All", *_three(report.away.counted), *_three(report.home.counted)), "total")
    draw_table("Chances by danger", columns, [*rows, total], team_groups(report, colours, 1, 3))
    st.caption("By this model's own xG" + (_pending(report) or "."))


def draw_score_states(report: GameReport, colours: TeamColours) -> None:
    """Draw what either team did at each score."""
    st.subheader("By score", anchor=False)
    columns = (
        Column("While", is_number=False),
        Column("Minutes"),
        *(
            column
            for _ in range(2)
            for column in (
                Column("Attempts", begins_group=True, is_wide=True, help="Unblocked"),
                Column("xG"),
                Column("Goals"),
            )
        ),
    )
    rows = [
        Row((_state_name(report, state), clock(state.seconds), *_three(state.away), *_three(state.home)))
        for state in score_states(report)
    ]
    played = clock(report.played_seconds)
    total = Row(("Whole game", played, *_three(report.away.counted), *_three(report.home.counted)), "total")
    draw_table("Attempts, xG and goals by score", columns, [*rows, total], team_groups(report, colours, 2, 3))
    st.caption("Minutes of play at that score. A goal belongs to the score before it.")


def _attempts(side: PeriodSide) -> Iterator[str]:
    yield from map(str, (side.on_goal, side.unblocked, side.blocked, side.attempts))
    yield from (decimals(side.sums.xg), str(side.sums.goals))


def _three(sums: Sums) -> Iterator[str]:
    yield from (str(sums.shots), decimals(sums.xg), str(sums.goals))


def _pending(report: GameReport) -> str:
    return f". {report.pending} not rated yet; they are in the last row only." if report.pending else ""


def _band_name(band: DangerBand) -> str:
    low, high = decimals(band.from_xg), decimals(band.to_xg)
    bounds = {"high": f"{low} or more", "middle": f"{low} to {high}", "low": f"below {high}"}[band.name]
    return f"{band.name.capitalize()}: {bounds}"


def _state_name(report: GameReport, state: ScoreState) -> str:
    if state.lead == 0:
        return "Tied"
    team = report.home if state.lead > 0 else report.away
    return f"{team.abbrev} up {'1' if abs(state.lead) == 1 else '2 or more'}"
