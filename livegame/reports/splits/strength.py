"""Attempts, time and xG by strength: five on five, power play, three on three ... beside the league's average."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from db.history import History
from livegame.features.situations import situation_of
from livegame.reports.counting import EMPTY_NET
from livegame.reports.game import SUMMED, GameReport, sums_of
from livegame.reports.sums import Sums

ENOUGH_GAMES: Final = 100  # of a season, for an average of its own
NOT_TOLD: Final = "not told"  # the history's name of an unknown strength
_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class StrengthSide:
    """One team's play at one strength, as that team sees it: one team's power play is not the other's."""

    seconds: int
    sums: Sums

    @property
    def xg_per_60(self) -> float | None:
        """Expected goals per 60 minutes; None without time."""
        return _per_60(self.sums.xg, self.seconds)


@dataclass(frozen=True, slots=True)
class StrengthLine:
    """Both teams' play at one strength."""

    strength: str  # as `counting.strength_of` names it
    counts: bool  # whether its attempts are in the report's sums
    away: StrengthSide
    home: StrengthSide


@dataclass(frozen=True, slots=True)
class LeagueRates:
    """The league's average over finished games of regular season and playoffs, by the same model."""

    games: int
    season: int | None  # None: all seasons
    totals: Mapping[str, tuple[float, int]]  # xG and seconds by strength, both teams added up

    def xg_per_60(self, *strengths: str) -> float | None:
        """Return a team's expected goals per 60 minutes at these strengths together; None without time."""
        found = [self.totals[strength] for strength in strengths if strength in self.totals]
        return _per_60(sum(xg for xg, _ in found), sum(seconds for _, seconds in found))


def strength_lines(report: GameReport) -> list[StrengthLine]:
    """Return a line per strength at which either team played or had an attempt, counted or not.

    The seconds of each team add up to `GameReport.played_seconds`, unless the league has reported no manpower at all.
    """
    shots = report.present[["team", "strength", *SUMMED]]
    times = {team.is_home: time_by_strength(report, is_home=team.is_home) for team in (report.away, report.home)}

    def side(strength: str, *, is_home: bool) -> StrengthSide:
        team = report.home if is_home else report.away
        own = shots[(shots["strength"] == strength) & (shots["team"] == team.abbrev)]
        return StrengthSide(times[is_home].get(strength, 0), sums_of(own))

    return [
        StrengthLine(
            strength, report.count.takes(strength), side(strength, is_home=False), side(strength, is_home=True)
        )
        for strength in dict.fromkeys([*shots["strength"], *times[False], *times[True]])
    ]


def time_by_strength(report: GameReport, *, is_home: bool) -> dict[str, int]:
    """Return the seconds that a team has played at each strength, as the history's view of the same name.

    Time since the last play is at the strength of that play.
    """
    found: dict[str, int] = {}
    for number, row in enumerate(report.manpower, start=1):
        end = max(report.played_seconds, row.end_s) if number == len(report.manpower) else row.end_s
        strength = _strength(row.situation, is_home=is_home)
        found[strength] = found.get(strength, 0) + end - row.start_s
    return found


def league_rates(history: History, report: GameReport) -> LeagueRates | None:
    """Return the league's average: of the season if it has enough games, else of all; None without any game.

    The report's own game is left out, so that its end does not show while it is shown as it stood earlier.

    Raises:
        DatabaseError: the history cannot be read.
    """
    if report.model is None:
        return None
    for season in (report.row["season"], None):
        rows = history.strengths(report.model, season, without=report.game_id)
        games = max((row["games"] for row in rows), default=0)
        if games >= (1 if season is None else ENOUGH_GAMES):
            return LeagueRates(games, season, {row["strength"]: (row["xg"], row["seconds"]) for row in rows})
    return None


def _strength(code: str | None, *, is_home: bool) -> str:
    """Return the strength of a situation code, as the history's view `time_by_strength`."""
    situation = situation_of(code, is_home=is_home)
    if situation is None:
        return NOT_TOLD
    if situation.empty_net:
        return EMPTY_NET
    if situation.extra_attacker:
        return "extra attacker"
    friendly, opposing = situation.friendly_skaters, situation.opposing_skaters
    if friendly == opposing:
        return f"{friendly}v{opposing}"
    return "power play" if friendly > opposing else "short-handed"


def _per_60(xg: float, seconds: int) -> float | None:
    return _HOUR_S * xg / seconds if seconds else None
