"""Check recorded games: features must be the same live and after the game, and the clock must not leak goals."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from msgspec.structs import replace

from livegame.features.frames import shot_features
from livegame.parsing.parse import cut_after_each_play, parse_game
from livegame.plays import UNBLOCKED_ATTEMPTS, Game


@dataclass(frozen=True, slots=True)
class LiveCheck:
    """The result of comparing a game, cut after each of its plays, with the finished game."""

    cuts: int
    shots: int  # rows compared: each shot once per cut that holds it
    differences: int  # of those rows


def compare_live(feed: dict[str, Any]) -> LiveCheck:
    """Cut a recorded answer of either feed after each play, and compare all features with the finished game's.

    Raises:
        FeedMalformed: it is not a recorded game.
    """
    finished = shot_features(parse_game(feed))
    shots = differences = cuts = 0
    for cut in cut_after_each_play(feed):
        live = shot_features(parse_game(cut))
        expected = finished.loc[live.index]
        same = (live == expected) | (live.isna() & expected.isna())
        shots, differences, cuts = shots + len(live), differences + int((~same.all(axis=1)).sum()), cuts + 1
    return LiveCheck(cuts, shots, differences)


def shift_clock(games: Iterable[Game], seconds: int, *, goals: bool) -> Iterator[Game]:
    """Yield the games with the times of all goals, or of all other attempts, shifted; the order of plays stays.

    A stoppage in the same second belongs to the attempt and moves with it.
    """
    kinds = {"goal"} if goals else (UNBLOCKED_ATTEMPTS | {"blocked-shot"}) - {"goal"}
    for game in games:
        at = {(play.period, play.seconds) for play in game.plays if play.kind in kinds}
        yield replace(
            game,
            plays=tuple(
                replace(play, seconds=max(play.seconds + seconds, 0))
                if play.kind in kinds or (play.kind == "stoppage" and (play.period, play.seconds) in at)
                else play
                for play in game.plays
            ),
        )


def mean_by_outcome(frame: pd.DataFrame, xg: Iterable[float]) -> dict[str, float]:
    """Return the mean xG of the goals and of the other attempts in a training frame."""
    table = pd.Series(list(xg), index=frame.index)
    return {"goals": float(table[frame["is_goal"] == 1].mean()), "others": float(table[frame["is_goal"] == 0].mean())}
