"""Evaluate probabilities of goals: log loss and other scores, calibration, intervals by game."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

Probabilities = npt.NDArray[np.float64]

FEWEST_GOALS: Final = 100  # below it, the ratio of xG to goals is mostly luck
_TINY: Final = 1e-15
_ROUNDS: Final = 2000  # of the bootstrap


def scores(is_goal: npt.ArrayLike, xg: npt.ArrayLike) -> dict[str, float]:
    """Return log loss, AUC (0.5 where only one outcome occurs), Brier score, and the sums of goals and xG."""
    y, p = np.asarray(is_goal, dtype=int), np.asarray(xg, dtype=float)
    goals, total = int(y.sum()), float(p.sum())
    return {
        "shots": len(y),
        "goals": goals,
        "xg": round(total, 2),
        "xg_per_goal": round(total / goals, 4) if goals else float("nan"),
        "log_loss": round(float(log_loss(y, p, labels=[0, 1])), 5),
        "auc": round(float(roc_auc_score(y, p)), 4) if 0 < goals < len(y) else 0.5,
        "brier": round(float(brier_score_loss(y, p)), 5),
    }


def scores_by(frame: pd.DataFrame, xg: Probabilities, groups: Mapping[str, npt.ArrayLike]) -> pd.DataFrame:
    """Return `scores` for each named mask over the rows of a training frame, one row per group."""
    is_goal = frame["is_goal"].to_numpy()
    masks = {name: np.asarray(mask, dtype=bool) for name, mask in groups.items()}
    return pd.DataFrame({name: scores(is_goal[mask], xg[mask]) for name, mask in masks.items() if mask.any()}).T


def deciles(is_goal: npt.ArrayLike, xg: npt.ArrayLike) -> pd.DataFrame:
    """Return the calibration in ten groups of equally many shots by rising xG.

    Returns:
        One row per decile, indexed 1 to 10: shots, goals, mean xG, goal rate, and the sum of xG over goals.
    """
    table = pd.DataFrame({"is_goal": np.asarray(is_goal), "xg": np.asarray(xg, dtype=float)})
    rank = table["xg"].rank(method="first") - 1
    grouped = table.groupby((rank * 10 // len(table)).astype(int) + 1)
    result = grouped.agg(
        shots=("is_goal", "size"), goals=("is_goal", "sum"), mean_xg=("xg", "mean"), goal_rate=("is_goal", "mean")
    )
    result["xg_per_goal"] = grouped["xg"].sum() / result["goals"].where(result["goals"] > 0)
    return result.rename_axis("decile")


def log_losses(is_goal: npt.ArrayLike, xg: npt.ArrayLike) -> Probabilities:
    """Return the log loss of each row, shape (rows,)."""
    p = np.clip(np.asarray(xg, dtype=float), _TINY, 1 - _TINY)
    losses: Probabilities = -np.log(np.where(np.asarray(is_goal) == 1, p, 1 - p))
    return losses


def bootstrap_by_game(
    difference: npt.ArrayLike, game_ids: npt.ArrayLike, *, rounds: int = _ROUNDS, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of a mean over shots, by a bootstrap over games: their shots are not independent."""
    table = pd.DataFrame({"game": np.asarray(game_ids), "value": np.asarray(difference, dtype=float)})
    games = table.groupby("game")["value"].agg(["sum", "size"]).to_numpy()
    random = np.random.default_rng(seed)
    means = np.empty(rounds)
    for i in range(rounds):
        total, shots = games[random.integers(len(games), size=len(games))].sum(axis=0)
        means[i] = total / shots
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def ratio_by_game(is_goal: npt.ArrayLike, xg: npt.ArrayLike, game_ids: npt.ArrayLike) -> tuple[float, float]:
    """Return the 95 % interval of xG per goal by a bootstrap over games."""
    table = pd.DataFrame({"game": np.asarray(game_ids), "xg": np.asarray(xg), "goals": np.asarray(is_goal)})
    games = table.groupby("game")[["xg", "goals"]].sum().to_numpy()
    random = np.random.default_rng(0)
    drawn = np.array([games[random.integers(len(games), size=len(games))].sum(axis=0) for _ in range(_ROUNDS)])
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return float(low), float(high)


def standard_groups(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the groups that every report shows: all, by goalie, by season, by strength state of at least 100 goals."""
    empty = (frame["empty_net"] == 1).to_numpy()
    groups: dict[str, Any] = {"all": np.ones(len(frame), dtype=bool), "goalie in net": ~empty, "empty net": empty}
    for season in sorted(frame["season"].unique()):
        groups[f"season {season}"] = (frame["season"] == season).to_numpy()
    goals = frame.groupby("strength_state")["is_goal"].sum().sort_values(ascending=False)
    for state in goals[goals >= FEWEST_GOALS].index:
        groups[f"strength {state}"] = (frame["strength_state"] == state).to_numpy()
    return groups
