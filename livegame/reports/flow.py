"""Who has the better of it now: expected goals per five minutes of a game."""

from dataclasses import asdict, dataclass
from math import fsum
from typing import Final

import pandas as pd

from livegame.reports.game import GameReport

STEP_S: Final = 300  # a period has four steps


@dataclass(frozen=True, slots=True)
class Stretch:
    """Both teams' expected goals between two game seconds."""

    start_s: int
    end_s: int
    away: float
    home: float


@dataclass(frozen=True, slots=True)
class Flow:
    """Both teams' expected goals by the shots that count, step by step."""

    steps: pd.DataFrame  # `start_s`, `end_s`, `away`, `home`, one row per step that has begun
    last: Stretch  # the last five minutes played
    best: Stretch  # the step in which one team's lead over the other grew most


def flow_of(report: GameReport) -> Flow:
    """Return the flow of a game up to the present."""
    played, shots = report.played_seconds, _rated(report)
    stretches = [_stretch(shots, start, start + STEP_S) for start in range(0, max(played, 1), STEP_S)]
    return Flow(
        steps=pd.DataFrame(map(asdict, stretches)),
        last=_stretch(shots, max(played - STEP_S, 0), played + 1),
        best=max(stretches, key=lambda stretch: abs(stretch.away - stretch.home)),
    )


def _rated(report: GameReport) -> list[tuple[int, bool, float]]:
    """Return game second, side (True: home) and xG of the rated shots that count."""
    shots = report.counted.dropna(subset=["probability"])
    columns = (shots["game_seconds"], shots["team"] == report.home.abbrev, shots["probability"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _stretch(shots: list[tuple[int, bool, float]], start_s: int, end_s: int) -> Stretch:
    """Return the sums of the shots from `start_s` up to, but not at, `end_s`."""
    sides = ([xg for at, of_home, xg in shots if start_s <= at < end_s and of_home is side] for side in (False, True))
    return Stretch(start_s, end_s, *map(fsum, sides))


def power_play_xg(report: GameReport) -> float | None:
    """Return the expected goals of the team on the power play since it began; None without a power play."""
    last = report.manpower[-1] if report.manpower else None
    if last is None or last.power_play is None:
        return None
    team = report.home if last.power_play == "home" else report.away
    shots = report.present
    own = shots[(shots["team"] == team.abbrev) & (shots["game_seconds"] >= (last.power_play_since or 0))]
    return float(own["probability"].astype(float).sum())
