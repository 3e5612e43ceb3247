"""Refit a model on the games of the user's own history, and compare it with the old one on games held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd

from db.history import History
from livegame.features.features import FEATURES
from training.errors import TooFewGames
from training.evaluation import FEWEST_GOALS, Probabilities, bootstrap_by_game, log_losses, scores

HELD_BACK_DAYS: Final = 30


def stored_frame(history: History) -> pd.DataFrame:
    """Return the training frame of the finished games in the history, with the league's `game_date` of each.

    Regular season and playoffs only. Features are as the last ping or backfill stored them.

    Raises:
        TooFewGames: it holds no finished game.
        DatabaseError: the history cannot be read.
    """
    columns: dict[str, list[Any]] = {
        name: [] for name in ("game_id", "season", "event_id", "kind", "is_goal", "game_date")
    }
    values: dict[str, list[Any]] = {feature.name: [] for feature in FEATURES}
    for game_id, season, game_date, event_id, outcome, features in history.finished_shots():
        row = (game_id, season, event_id, outcome, int(outcome == "goal"), game_date)
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
        stored = msgspec.json.decode(features)
        for name, column in values.items():
            column.append(stored.get(name))
    if not columns["game_id"]:
        raise TooFewGames(
            "the history holds no finished game of a regular season or of playoffs; ping or backfill some"
        )
    kinds = {"number": np.float64, "category": object}
    typed = {f.name: pd.Series(np.array(values[f.name], kinds[f.kind]), dtype=kinds[f.kind]) for f in FEATURES}
    return pd.DataFrame(columns | typed)


def merge_history(recorded: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Return recorded and stored games; a game in both is taken from the history, which has the corrections."""
    others = recorded[~recorded["game_id"].isin(stored["game_id"])]
    dated = others.assign(game_date=pd.Series([None] * len(others), others.index, dtype=object))
    return pd.concat([dated, stored], ignore_index=True)[list(stored.columns)]


def held_back(frame: pd.DataFrame, old_card: Mapping[str, Any]) -> "pd.Series[bool]":
    """Return a mask of the rows of the newest month (`game_date`), without the days that the old model has seen.

    Raises:
        TooFewGames: no row is left, or too few goals to fit on.
    """
    newest = max(frame["game_date"].dropna())
    after = (date.fromisoformat(newest) - timedelta(days=HELD_BACK_DAYS)).isoformat()
    seen = max((entry["until"] or "" for entry in old_card.get("saw", ())), default="")
    if seen >= newest:
        raise TooFewGames(f"the model in use has seen every game up to {seen}; try again when more have been played")
    rows = frame["game_date"].fillna("") > max(after, seen)
    goals = int(frame.loc[~rows, "is_goal"].sum())
    if goals < FEWEST_GOALS:
        raise TooFewGames(
            f"before the newest month there are {goals} goals to fit on, and it takes {FEWEST_GOALS}; backfill earlier"
            " games, or point XG_RECORDINGS at recorded seasons"
        )
    return rows


@dataclass(frozen=True)
class Comparison:
    """An old and a new model on the same shots; the new one had seen none of them."""

    old: str
    new: str
    since: str
    until: str
    games: int
    scores_of_old: Mapping[str, float]
    scores_of_new: Mapping[str, float]
    gain: float  # how much lower the new one's log loss is
    interval: tuple[float, float]  # of the gain, 95 %, by game
    old_saw_season: bool

    @property
    def verdict(self) -> str:
        """Return which of the two to use, in one sentence."""
        low, high = self.interval
        figures = (
            f"log loss {self.scores_of_new['log_loss']:.4f} against {self.scores_of_old['log_loss']:.4f}, lower by"
            f" {self.gain:+.5f} with a 95 % interval by game of {low:+.5f} to {high:+.5f}"
        )
        where = f"on {self.games} games from {self.since} to {self.until}"
        if low > 0:
            said = f"Use {self.new}: {where} it is better than {self.old} ({figures})"
        elif high < 0:
            said = f"Keep {self.old}: {where} {self.new} is worse ({figures})"
        else:
            said = f"Use either: {where} {self.new} and {self.old} do not differ beyond chance ({figures})"
        return said + (f"; {self.old} had this season in training, which flatters it." if self.old_saw_season else ".")


def compare_models(
    test: pd.DataFrame, xg: Mapping[str, Probabilities], old: str, new: str, old_card: Mapping[str, Any]
) -> Comparison:
    """Compare two models on held-out rows; `xg` holds the probabilities by model name."""
    gain = log_losses(test["is_goal"], xg[old]) - log_losses(test["is_goal"], xg[new])
    dated = any(entry["until"] for entry in old_card.get("saw", ()))
    return Comparison(
        old,
        new,
        min(test["game_date"]),
        max(test["game_date"]),
        int(test["game_id"].nunique()),
        scores(test["is_goal"], xg[old]),
        scores(test["is_goal"], xg[new]),
        float(gain.mean()),
        bootstrap_by_game(gain, test["game_id"]),
        not dated and bool(set(test["season"]) & set(old_card["seasons"])),
    )
