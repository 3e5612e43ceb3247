"""Recorded games as the moments after each play, and as what was known of both teams before the start."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

import pandas as pd

from db.history import ManpowerRow
from livegame.features.manpower import manpower
from livegame.plays import PENALTY_SHOT_SITUATIONS, PLAYOFFS, Game
from livegame.win_probability.strength import SeasonSums

_NO_CODE: Final = (None, *PENALTY_SHOT_SITUATIONS)
_NO_PLAY: Final = ("game-end", "shootout-complete")
_COLUMNS: Final = (
    *("game_id", "second", "plays", "home_goals", "away_goals", "lead", "goal_code", "code"),
    *("situation", "away_until", "home_until"),
)


def game_moments(game: Game) -> list[tuple[Any, ...]]:
    """Return a row per second of regulation and overtime with plays, as of after them; see `moments_frame`."""
    stretches = manpower(game)
    starts = [stretch.start_s for stretch in stretches]
    rows = []
    lead = second = 0
    played = (play for play in game.plays if play.period_type != "SO" and play.kind not in _NO_PLAY)
    for at, group in groupby(played, key=lambda play: play.game_seconds):
        plays = list(group)
        goals = [play for play in plays if play.kind == "goal"]
        home_goals = sum(goal.team_id == game.home.team_id for goal in goals)
        lead += 2 * home_goals - len(goals)
        second = max(second, at)  # in some recordings time runs backwards
        goal_code = goals[0].situation if goals else None
        code = next((play.situation for play in plays if play.situation not in _NO_CODE), None)
        row = (game.game_id, second, len(plays), home_goals, len(goals) - home_goals, lead, goal_code, code)
        now = stretches[max(bisect_right(starts, second) - 1, 0)] if stretches else ManpowerRow(0, 0, None)
        rows.append((*row, now.situation, now.away_until, now.home_until))
    return rows


def moments_frame(rows: Iterable[tuple[Any, ...]], shots: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `game_moments` of many games, with the xG so far.

    Args:
        rows: of `game_moments`.
        shots: a training frame with `xg`.

    Returns:
        Columns: `game_id`, `second`, `plays` (how many), `home_goals`, `away_goals` (of that second), `lead` (of the
        home team, after them), `goal_code` (situation of the second's first goal), `code` (of its first play),
        `situation`, `away_until`, `home_until` (as in `ManpowerRow`), `home_xg` and `away_xg` (so far, at 5v5).
    """
    moments = pd.DataFrame.from_records(list(rows), columns=_COLUMNS)
    evenly = shots[(shots["strength_state"] == "5v5") & (shots["empty_net"] != 1) & (shots["extra_attacker"] != 1)]
    for name, is_home in (("home_xg", 1), ("away_xg", 0)):
        own = evenly[evenly["is_home"] == is_home].sort_values("game_seconds", kind="stable")
        sums = own.assign(**{name: own.groupby("game_id")["xg"].cumsum(), "second": own["game_seconds"].astype(int)})
        ordered = moments[["game_id", "second"]].reset_index().sort_values("second", kind="stable")
        joined = pd.merge_asof(ordered, sums[["game_id", "second", name]], on="second", by="game_id")
        moments[name] = joined.set_index("index")[name].fillna(0.0)
    return moments


def game_fact(game: Game) -> tuple[Any, ...]:
    """Return what `facts_frame` shows of a game."""
    return (
        game.game_id,
        game.season,
        game.date,
        game.home.abbrev,
        game.away.abbrev,
        game.game_type == PLAYOFFS,
        game.home.score > game.away.score,
        game.home.score + game.away.score,
    )


def facts_frame(rows: Iterable[tuple[Any, ...]]) -> pd.DataFrame:
    """Return one row per game: by id, `season`, `date`, `home`, `away`, `is_playoffs`, `is_home_win`, `goals`."""
    columns = ("game_id", "season", "date", "home", "away", "is_playoffs", "is_home_win", "goals")
    return pd.DataFrame.from_records(list(rows), columns=columns).set_index("game_id")


def season_sums(facts: pd.DataFrame, shots: pd.DataFrame) -> dict[int, tuple[SeasonSums, SeasonSums]]:
    """Return the home and the away team's sums over their games of the season before each game's date, by game id.

    Args:
        facts: of `facts_frame`.
        shots: `game_id`, `is_home`, `xg` and `is_goal` of all their shots.
    """
    of_game = shots.groupby(["game_id", shots["is_home"] == 1])[["xg", "is_goal"]].sum()
    sums = dict(zip(of_game.index, zip(of_game["xg"].tolist(), of_game["is_goal"].tolist(), strict=True), strict=True))
    found: dict[int, tuple[SeasonSums, SeasonSums]] = {}
    for _, games in facts.reset_index().groupby("season"):
        so_far: dict[str, SeasonSums] = defaultdict(SeasonSums)
        for _, day in games.groupby("date"):
            pairs = list(zip(day["game_id"].tolist(), day["home"].tolist(), day["away"].tolist(), strict=True))
            for game_id, home, away in pairs:
                found[game_id] = so_far[home], so_far[away]
            for game_id, home, away in pairs:
                own, other = (sums.get((game_id, side), (0.0, 0)) for side in (True, False))
                so_far[home] = _add(so_far[home], own, other)
                so_far[away] = _add(so_far[away], other, own)
    return found


def _add(sums: SeasonSums, own: tuple[float, int], other: tuple[float, int]) -> SeasonSums:
    return SeasonSums(
        sums.games + 1,
        sums.xg + own[0],
        sums.xg_against + other[0],
        sums.goals + own[1],
        sums.goals_against + other[1],
    )


def level_before(facts: pd.DataFrame) -> pd.DataFrame:
    """Return how many `games` of the season were played before each game's date, with how many `goals`, by game id."""
    days = facts.groupby(["season", "date"])["goals"].agg(games="size", goals="sum")
    before = days.groupby("season").cumsum() - days
    return facts[["season", "date"]].join(before, on=["season", "date"])[["games", "goals"]]
