"""The card of win probability: what it is, what it was fitted on, how good it is on a season it has not seen."""

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd

from livegame.recordings.files import Recording
from livegame.recordings.seasons import find_seasons, is_counted, season_recordings
from livegame.recordings.workers import open_workers
from livegame.settings import ClientSettings
from livegame.win_probability.parameters import Parameters
from training.recipe import RECIPES, fit, out_of_fold, predict
from training.training_set import BATCH, load_frame
from training.win_probability.evaluation import (
    brier,
    groups,
    home_wins,
    logistic_on_score_and_time,
    tenths,
    undecided,
    worst,
)
from training.win_probability.fit import fit as fit_chain
from training.win_probability.moments import facts_frame, game_fact, game_moments, moments_frame, season_sums

Report = Callable[[str], None]
Rows = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]

WHAT: Final = (
    "Who will win from here: the goals to come of both teams as Poisson processes. Their rates depend on the score, "
    "the period, manpower, penalties under way, pulled goalies, home ice, both teams' season so far and the 5v5 "
    "chances of this game. The probability is exact: a backward recursion over seconds and score, no simulation."
)
LIMITS: Final = (
    "It knows no players: not who is in goal, injured or rested, nor games on two days in a row.",
    "A season's scoring is learned from its games so far. In a season of many comebacks it is too certain.",
    "In a season's first games it rests on home ice alone, and where no model has rated a game, not on its chances.",
    "Overtime of the regular season has no home ice, and a shootout is even.",
    "A goalie who is out counts as pulled only for a trailing team in the last minutes; otherwise a penalty on the "
    "other team is about to be called.",
)


def make_card(settings: ClientSettings, train: Collection[int], test: int, seed: int, report: Report) -> dict[str, Any]:
    """Fit on some recorded seasons, evaluate on another one, and return the card, ready for JSON.

    The xG of each attempt is by a model that has not seen its season.

    Raises:
        NoRecordings: a season is not recorded.
        FeedError: a season could not be downloaded or read.
    """
    shots = _rated(load_frame(settings, [*train, test], report), test, seed, report)
    moments, facts = _read(settings, [*train, test], shots, report)
    sums = season_sums(facts, shots)
    is_test = facts["season"] == test
    train_ids, test_ids = facts.index[~is_test], facts.index[is_test]
    report("fitting the rates")
    fitted = moments[moments["game_id"].isin(train_ids)]
    parameters = fit_chain(fitted, facts.loc[train_ids], {game_id: sums[game_id] for game_id in train_ids})
    report(f"evaluating on season {test}")
    tested = undecided(moments[moments["game_id"].isin(test_ids)])
    return {
        "name": "win-probability",
        "what": WHAT,
        "fitted_on": {"seasons": sorted(train), "games": len(train_ids), "goals": _goals(fitted)},
        "tested_on": {"season": test, "games": len(test_ids), "plays": int(tested["plays"].sum())},
        "figures": _figures(parameters, undecided(fitted), tested, facts, sums),
        "limits": list(LIMITS),
        "parameters": msgspec.to_builtins(parameters),
    }


def _figures(
    parameters: Parameters, train: pd.DataFrame, test: pd.DataFrame, facts: pd.DataFrame, sums: dict[int, Any]
) -> dict[str, Any]:
    wins = test["game_id"].map(facts["is_home_win"]).to_numpy(float)
    home = home_wins(parameters, test, facts, sums)
    others = {
        "chain on score and time alone": home_wins(parameters, test, facts, sums, score_and_time_alone=True),
        "logistic regression on score and time": logistic_on_score_and_time(train, test, facts),
    }
    tables: dict[str, Any] = {}
    for name, mask in groups(test).items():
        of_group = test[mask], home[mask], wins[mask]
        table = {
            "home_team": tenths(*of_group, both_teams=False),
            "each_team": tenths(*of_group, both_teams=True),
        }
        plays = test["plays"][mask]
        tables[name] = {
            "plays": int(plays.sum()),
            "games": int(test["game_id"][mask].nunique()),
            "brier": round(float(np.average((home[mask] - wins[mask]) ** 2, weights=plays)), 5),
            "worst_home_team": worst(table["home_team"]),
            "worst_each_team": worst(table["each_team"]),
            **table,
        }
    return {"brier": brier(test, wins, home, others), "tenths": tables}


def _goals(moments: pd.DataFrame) -> int:
    return int(moments[["home_goals", "away_goals"]].to_numpy().sum())


def _rated(shots: pd.DataFrame, test: int, seed: int, report: Report) -> pd.DataFrame:
    recipe = RECIPES["xg-default"]
    is_test = (shots["season"] == test).to_numpy()
    train = shots[~is_test].reset_index(drop=True)
    xg = np.empty(len(shots))
    report("fitting xG for the season to test on")
    xg[is_test] = predict(fit(recipe, train, seed), recipe, shots[is_test])
    xg[~is_test] = out_of_fold(recipe, train, seed, report)
    return shots.assign(xg=xg)


def _read(
    settings: ClientSettings, seasons: Collection[int], shots: pd.DataFrame, report: Report
) -> tuple[pd.DataFrame, pd.DataFrame]:
    recorded = find_seasons(settings.recordings)

    def recordings() -> Iterator[Recording]:
        for season in sorted(seasons):
            report(f"reading the plays of season {season}")
            yield from season_recordings(recorded[season])

    with open_workers() as workers:
        every = recordings()
        parts = list(workers.map(_rows, iter(lambda: list(islice(every, BATCH)), [])))
    moments = moments_frame((row for rows, _ in parts for row in rows), shots)
    return moments, facts_frame(row for _, rows in parts for row in rows)


def _rows(recordings: list[Recording]) -> Rows:
    games = [game for recording in recordings if is_counted(game := recording.game())]
    return [row for game in games for row in game_moments(game)], [game_fact(game) for game in games]
