"""The bundled card: its parameters are those of a model, and its figures are all there."""

import math

import pytest

from livegame.win_probability.chain import END
from livegame.win_probability.parameters import PULL_STEP_S, bundled, card
from livegame.win_probability.states import PULLED_LAST_S

GROUPS = ("all plays", "power play", "goalie pulled", "overtime")


def test_card_says_what_the_model_is_and_was_not_fitted_on_its_test() -> None:
    found = card()
    assert set(found) == {"name", "what", "fitted_on", "tested_on", "figures", "limits", "parameters"}
    assert found["tested_on"]["season"] not in found["fitted_on"]["seasons"]
    assert found["limits"]


def test_rates_of_the_card_are_those_of_hockey() -> None:
    p = bundled()
    assert 2 < p.rate * END < 4
    assert all(0 < rate < 0.02 for rate in (*p.pulled_for, *p.pulled_against, p.overtime_rate))
    assert all(0 <= rate < 0.1 for steps in p.pull for rate in steps)
    assert [len(steps) for steps in p.pull] == [PULLED_LAST_S // PULL_STEP_S] * 4
    assert p.manpower["5v4"] > 2 > 0.5 > p.manpower["4v5"]
    assert 0 <= p.overtime_strength <= 1


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("whose", ["home_team", "each_team"])
def test_tenths_of_the_card_are_consistent(group: str, whose: str) -> None:
    found = card()["figures"]["tenths"][group]
    rows = found[whose]
    assert sum(row["plays"] for row in rows) == found["plays"] * (2 if whose == "each_team" else 1)
    for row in rows:
        assert row["tenth"] / 10 - 0.1 <= row["predicted"] <= row["tenth"] / 10
        assert row["low"] <= row["observed"] <= row["high"] or math.isclose(row["low"], row["observed"])


def test_both_teams_are_within_two_percent_in_every_tenth_of_the_unseen_season() -> None:
    assert card()["figures"]["tenths"]["all plays"]["worst_each_team"] < 0.02


def test_win_probability_is_better_than_score_and_time_alone() -> None:
    brier = dict(card()["figures"]["brier"])
    assert brier.pop("ours") < 0.17
    assert len(brier) == 2
    assert all(other["low"] > 0 for other in brier.values())
