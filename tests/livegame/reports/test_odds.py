"""What chances deserved: an exact distribution, compared with counting every case."""

from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livegame.reports.odds import goal_distribution, odds, odds_of
from tests.conftest import Service
from tests.games import play
from tests.reports import SHOTS, report_of

CHANCES = st.lists(st.floats(0, 1), max_size=5)


def counted(chances: list[float]) -> list[float]:
    """Return P(k goals) by enumerating all cases."""
    found = [0.0] * (len(chances) + 1)
    for case in product((0, 1), repeat=len(chances)):
        found[sum(case)] += prod(p if scored else 1 - p for p, scored in zip(chances, case, strict=True))
    return found


@given(CHANCES)
def test_goal_distribution_equals_enumeration_of_all_cases(chances: list[float]) -> None:
    assert goal_distribution(chances) == pytest.approx(counted(chances))


@given(CHANCES, CHANCES)
def test_odds_equal_enumeration_of_all_cases(away: list[float], home: list[float]) -> None:
    result = odds(away, home)
    cases = [(a, h, p * q) for a, p in enumerate(counted(away)) for h, q in enumerate(counted(home))]
    assert result.away_win == pytest.approx(sum(p for a, h, p in cases if a > h))
    assert result.tie == pytest.approx(sum(p for a, h, p in cases if a == h))
    assert result.home_win == pytest.approx(sum(p for a, h, p in cases if a < h))


def test_goal_distribution_of_a_whole_game_has_the_mean_of_its_xg() -> None:
    chances = np.random.default_rng(1).uniform(0, 0.5, 200)
    distribution = goal_distribution(chances)
    assert distribution.sum() == pytest.approx(1)
    assert (distribution * np.arange(201)).sum() == pytest.approx(chances.sum())


def test_odds_without_shots_are_a_tie() -> None:
    assert odds([], []).tie == 1


def test_odds_of_a_game_are_none_until_every_goal_is_rated(tmp_path: Path, service: Service) -> None:
    rated = odds_of(report_of(tmp_path / "rated", service.url, *SHOTS, play(503, "missed-shot", 600, x=None, y=None)))
    assert rated is not None
    assert rated.away_win + rated.tie + rated.home_win == pytest.approx(1)
    assert (len(rated.away_goals), len(rated.home_goals)) == (3, 3)
    assert odds_of(report_of(tmp_path / "goal", service.url, *SHOTS, play(503, "goal", 600, x=None, y=None))) is None
    assert odds_of(report_of(tmp_path / "nothing", service.url, SHOTS[0])) is None
