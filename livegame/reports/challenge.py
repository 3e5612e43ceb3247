"""A champion and a challenger on the same shots of finished games, and whether one is better yet.

A shot counts if both models have rated it, the league has not taken it back, and its game is official; an amended one
keeps its first predictions. Shots of seasons that either model was trained on are left out; if there are no others, all
are shown and no model is called better.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from db.history import SEASON, History
from livegame.reports.bootstrap import Estimate, Numbers, drawn_sums, estimate, games_to_tell, placements
from livegame.reports.calibration import reliability_steps
from livegame.reports.counting import Count

FEWEST_GAMES: Final = 30  # with fewer, intervals by game come out too narrow (A. C. Cameron et al., REStat 90, 2008)
LATEST_GAMES: Final = 3000  # are compared: more would say little more, and cost seconds
SEASON_GAMES: Final = 1312  # of a regular season of 32 teams
# The edges of the history's steps of probability: step 0 ends at the first, step 1 at the second.
EDGES: Final = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.3, 0.5)
TINY: Final = 1e-15  # the lowest probability of what happened, as in the history's sums
SIDES: Final = ("one", "other")


class Verdict(StrEnum):
    """What a comparison says."""

    FEW_GAMES = "few games"
    NO_GOALS = "no goals"
    SAME = "same"  # the two models gave every shot the same probability
    LEARNED = "learned"  # one was trained on these shots
    BETTER = "better"  # the challenger is
    WORSE = "worse"
    EARLY = "early"  # luck explains the difference


@dataclass(frozen=True, slots=True)
class Figures:
    """One model on the shots of a comparison."""

    model: str
    log_loss: Estimate  # mean over the shots, natural logarithm
    auc: Estimate | None  # None if all shots are goals, or none is
    xg: float
    xg_per_goal: Estimate | None  # None without goals
    steps: pd.DataFrame  # as `Calibration.steps`


@dataclass(frozen=True, slots=True)
class Challenge:
    """Two models on the same shots."""

    games: int
    shots: int
    goals: int
    learned: tuple[str, ...]  # of the two, those that were trained on seasons of these shots
    unknown: tuple[str, ...]  # those whose training seasons are not on record
    champion: Figures
    challenger: Figures
    gain: Estimate  # the champion's log loss minus the challenger's: above 0 if the challenger's is lower
    auc_gain: Estimate | None  # the challenger's AUC minus the champion's
    is_same: bool  # whether both gave every shot the same probability
    games_to_tell: float  # see `bootstrap.games_to_tell`

    @property
    def verdict(self) -> Verdict:
        """What the comparison says."""
        if self.games < FEWEST_GAMES:
            return Verdict.FEW_GAMES
        if self.goals == 0:
            return Verdict.NO_GOALS
        if self.is_same:
            return Verdict.SAME
        if self.learned:
            return Verdict.LEARNED
        if not self.gain.differs_from_zero:
            return Verdict.EARLY
        return Verdict.BETTER if self.gain.value > 0 else Verdict.WORSE

    @property
    def more_games(self) -> float:
        """How many more games it takes to tell, if the difference stays as it is; infinite without one."""
        return max(self.games_to_tell - self.games, 0.0)


def challenge(
    history: History,
    champion: str,
    challenger: str,
    season: int | None = None,
    competition: str = SEASON,
    count: Count = Count.ALL,
) -> Challenge | None:
    """Compare two models, by their full ids, on the shots that both have rated; None if there are none.

    At most the latest LATEST_GAMES games are compared, of one season or of all.

    Raises:
        DatabaseError: the history cannot be read.
    """
    trained_on = {row["model"]: row["trained_on"] for row in history.models()}
    known = {
        model: frozenset(json.loads(trained_on[model]))
        for model in (champion, challenger)
        if trained_on.get(model) is not None
    }
    seen: frozenset[int] = frozenset().union(*known.values())

    def rows(without: Collection[int]) -> pd.DataFrame:
        found = history.pairs(champion, challenger, season, competition, without=without, latest=LATEST_GAMES)
        frame = pd.DataFrame.from_records(list(found), columns=["game_id", "season", "is_goal", "situation", *SIDES])
        return frame[frame["situation"].map(count.takes).astype(bool)]

    shots = rows(seen)
    if shots.empty:
        shots = rows(())
    if shots.empty:
        return None
    seasons = set(shots["season"])
    return compare_pairs(
        shots,
        champion,
        challenger,
        learned=tuple(model for model, years in known.items() if years & seasons),
        unknown=tuple(model for model in (champion, challenger) if model not in known),
    )


def compare_pairs(
    shots: pd.DataFrame,
    champion: str,
    challenger: str,
    *,
    learned: tuple[str, ...] = (),
    unknown: tuple[str, ...] = (),
) -> Challenge:
    """Compare two models on shots that both have rated; one or more.

    Args:
        shots: one row per shot: `game_id`, `is_goal`, and P(goal) of the champion (`one`) and of the challenger
            (`other`); game by game, in the order of play or the reverse.
        champion: its full id.
        challenger: its full id.
        learned: see `Challenge`, as is `unknown`.
        unknown: the models whose training seasons are not on record.
    """
    is_goal = shots["is_goal"].to_numpy(bool)
    by_game = _sums_by_game(shots, is_goal)
    total, drawn = by_game.sum(), drawn_sums(by_game)
    aucs = {}
    if 0 < is_goal.sum() < len(is_goal):
        aucs = {side: total[f"{side} of goals"] / total["goals"] for side in SIDES}
        for side, auc in aucs.items():
            others = drawn[f"{side} of others"] / (drawn["shots"] - drawn["goals"])
            drawn[f"{side} auc"] = drawn[f"{side} of goals"] / drawn["goals"] + others - auc

    def figures(side: str, model: str) -> Figures:
        return Figures(
            model,
            estimate(total[f"{side} loss"] / total["shots"], drawn[f"{side} loss"] / drawn["shots"]),
            estimate(aucs[side], drawn[f"{side} auc"]) if aucs else None,
            float(total[f"{side} xg"]),
            estimate(total[f"{side} xg"] / total["goals"], drawn[f"{side} xg"] / drawn["goals"])
            if total["goals"]
            else None,
            _steps(is_goal, shots[side].to_numpy(float)),
        )

    gain = by_game["one loss"] - by_game["other loss"]
    return Challenge(
        games=len(by_game),
        shots=len(shots),
        goals=int(is_goal.sum()),
        learned=learned,
        unknown=unknown,
        champion=figures("one", champion),
        challenger=figures("other", challenger),
        gain=estimate(gain.sum() / total["shots"], (drawn["one loss"] - drawn["other loss"]) / drawn["shots"]),
        auc_gain=estimate(aucs["other"] - aucs["one"], drawn["other auc"] - drawn["one auc"]) if aucs else None,
        is_same=bool((shots["one"] == shots["other"]).all()),
        games_to_tell=games_to_tell(gain, by_game["shots"]),
    )


def log_losses(is_goal: npt.NDArray[np.bool_], xg: Numbers) -> Numbers:
    """Return the log loss of each shot, shape (shots,), as the history sums it up."""
    losses: Numbers = -np.log(np.maximum(np.where(is_goal, xg, 1 - xg), TINY))
    return losses


def _sums_by_game(shots: pd.DataFrame, is_goal: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return what the figures are made of, summed by game: shots, goals, xG, log loss, and placements for the AUC."""
    columns: dict[str, npt.ArrayLike] = {"shots": np.ones(len(shots)), "goals": is_goal.astype(float)}
    for side in SIDES:
        xg = shots[side].to_numpy(float)
        columns |= {f"{side} xg": xg, f"{side} loss": log_losses(is_goal, xg)}
        if 0 < is_goal.sum() < len(is_goal):
            placed = placements(is_goal, xg)
            columns |= {
                f"{side} of goals": np.where(is_goal, placed, 0.0),
                f"{side} of others": np.where(is_goal, 0.0, placed),
            }
    return pd.DataFrame(columns).groupby(shots["game_id"].to_numpy(), sort=False).sum()


def _steps(is_goal: npt.NDArray[np.bool_], xg: Numbers) -> pd.DataFrame:
    return reliability_steps(
        pd.DataFrame({"step": np.digitize(xg, EDGES), "shots": 1, "xg": xg, "goals": is_goal.astype(int)})
    )


def names(found: Challenge) -> tuple[str, str]:
    """Return the two models as a reader knows them: `workspace/name:version`, with the digest only if it differs."""
    one, other = (of.model.partition("@")[0] for of in (found.champion, found.challenger))
    return (one, other) if one != other else (found.champion.model, found.challenger.model)


def sentence(found: Challenge) -> str:
    """Return in a sentence or two whether one of the models is better yet, and how many games it would take to tell."""
    champion, challenger = names(found)
    on = f"{found.shots:,} shots of {_games(found.games)}"
    if found.verdict is Verdict.FEW_GAMES:
        return (
            f"Too early to tell: {champion} and {challenger} have both rated {_games(found.games)} to the end;"
            f" at least {FEWEST_GAMES} are needed."
        )
    if found.verdict is Verdict.NO_GOALS:
        return f"Too early to tell: there is no goal among {on} that {champion} and {challenger} have both rated."
    if found.verdict is Verdict.SAME:
        return f"{champion} and {challenger} gave the same xG to each of {on}."
    is_challengers = found.gain.value > 0
    lower, higher = (challenger, champion) if is_challengers else (champion, challenger)
    by = f"lower by {_loss_words(found.gain, is_challengers)}"
    if found.verdict is Verdict.LEARNED:
        who = " and ".join(model.partition("@")[0] for model in found.learned)
        return (
            f"No verdict: {who} {'was' if len(found.learned) == 1 else 'were'} trained on these seasons, where a model"
            f" looks better than it is. The log loss of {lower} is {by}, on {on}."
        )
    if found.verdict is Verdict.EARLY:
        return (
            f"Too early to tell whether {champion} or {challenger} is better. The log loss of {lower} is {by}, on"
            f" {on}; if it stays at that, {_more_words(found.more_games)}"
        )
    return f"{lower} is better than {higher}: its log loss is {by}, on {on}."


def _more_words(games: float) -> str:
    if games > SEASON_GAMES:
        return "it would take more than a season of games to tell."
    return f"about {float(f'{games:.2g}'):,.0f} more games would tell."


def _loss_words(gain: Estimate, is_challengers: bool) -> str:
    """Return how much lower the log loss is, with its interval; more decimals where the difference is small."""
    decimals = 4 if abs(gain.value) >= 0.001 else 5
    ends = sorted(end if is_challengers else -end for end in (gain.low, gain.high) if end is not None)
    low, high = (f"{end:.{decimals}f}".replace("-", "\N{MINUS SIGN}") for end in ends)
    return f"{abs(gain.value):.{decimals}f} (95%: {low} to {high})"


def _games(number: int) -> str:
    return f"{number:,} game{'' if number == 1 else 's'}"
