"""Win probability as numbers: compared with every possible course of some seconds, and with what any fan knows."""

from dataclasses import replace
from functools import cache
from math import exp, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from livegame.win_probability.chain import END, MOST, Rates, overtime, overtime_rates, rates
from livegame.win_probability.parameters import Parameters, bundled
from livegame.win_probability.states import State, WinModel, win_model

SECONDS = st.integers(0, END - 1)
LEADS = st.integers(-4, 4)
STRENGTHS = st.floats(-0.6, 0.6)


def home_wins(state: State, *, is_playoffs: bool = False, model: WinModel | None = None) -> float:
    return float((model or win_model()).home_wins([state], is_playoffs=is_playoffs)[0])


@cache
def model_with(**values: float) -> WinModel:
    return WinModel(changed(bundled(), **values))


def mirrored(state: State) -> State:
    code = state.situation and state.situation[::-1]
    return State(state.second, -state.lead, code, state.home_until, state.away_until, -state.strength, state.level)


def every_course(by_second: Rates, second: int, lead: int, pulled: int, tied: float) -> float:
    """Return P(home win) by adding up every course of the seconds left, one event per second at most."""
    if second == END:
        return tied if lead == 0 else float(lead > 0)
    at = lead + MOST
    home, away, switch = (float(of[second, pulled, at]) for of in (by_second.home, by_second.away, by_second.switch))
    total = home + away + switch
    happens = 1 - exp(-total)
    return (
        (1 - happens) * every_course(by_second, second + 1, lead, pulled, tied)
        + happens * home / total * every_course(by_second, second + 1, lead + 1, 0, tied)
        + happens * away / total * every_course(by_second, second + 1, lead - 1, 0, tied)
        + happens * switch / total * every_course(by_second, second + 1, lead, 1 - pulled, tied)
    )


@pytest.mark.parametrize(("lead", "code"), [(0, "1551"), (1, "1551"), (-1, "1560"), (1, "0651"), (-2, "1551")])
def test_last_seconds_equal_every_course_they_can_take(lead: int, code: str) -> None:
    by_second = rates(bundled(), is_playoffs=False)
    tied = home_wins(State(END, 0))
    exact = every_course(by_second, END - 6, lead, int("0" in code), tied)
    assert home_wins(State(END - 6, lead, code)) == pytest.approx(exact, abs=1e-6)


def test_without_any_effect_it_is_the_difference_of_two_poisson_counts() -> None:
    effects = (
        *("home", "playoffs", "second_period", "third_period", "ahead_by_two", "behind_by_two"),
        *("ahead_by_one_late", "behind_by_one_late", "tied_last_ten", "tied_last_five"),
    )
    never = tuple((0.0,) * len(steps) for steps in bundled().pull)
    plain = changed(bundled(), rate=2.7 / END, pull=never, **dict.fromkeys(effects, 0.0))
    mean = 2.7 * 0.5
    count = [exp(-mean) * mean**k / factorial(k) for k in range(30)]
    ahead = sum(count[a] * count[b] for a in range(30) for b in range(30) if 1 + a > b)
    level = sum(count[a] * count[b] for a in range(30) for b in range(30) if 1 + a == b)
    found = home_wins(State(END // 2, 1), model=WinModel(plain))
    assert found == pytest.approx(ahead + level / 2, abs=2e-4)


@settings(deadline=None, max_examples=60)
@given(SECONDS, LEADS, STRENGTHS)
def test_a_goal_more_is_never_worse(second: int, lead: int, strength: float) -> None:
    less, more = (home_wins(State(second, goals, strength=strength)) for goals in (lead, lead + 1))
    assert less < more or min(less, 1 - more) < 1e-6


@settings(deadline=None, max_examples=60)
@given(SECONDS, LEADS, STRENGTHS, st.sampled_from(["1551", "1451", "1541", "1351", "0651", "1560", "1441"]))
def test_without_home_ice_both_teams_are_treated_alike(second: int, lead: int, strength: float, code: str) -> None:
    state = State(second, lead, code, (second + 50,), (second + 50,), strength)
    model = model_with(home=0.0)
    both = home_wins(state, model=model) + home_wins(mirrored(state), model=model)
    assert both == pytest.approx(1, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(SECONDS, LEADS, st.booleans())
def test_home_ice_and_a_stronger_team_help(second: int, lead: int, is_playoffs: bool) -> None:
    state = State(second, lead)
    plain = home_wins(state, is_playoffs=is_playoffs, model=model_with(home=0.0))
    assert plain <= home_wins(state, is_playoffs=is_playoffs) + 1e-9
    assert home_wins(state) <= home_wins(replace(state, strength=0.3)) + 1e-9


def test_end_of_regulation_decides_a_game_that_is_not_tied() -> None:
    found = win_model().home_wins([State(END, 1), State(END, -1), State(END + 40, -1)], is_playoffs=False)
    assert found.tolist() == [1, 0, 0]


def test_overtime_of_equal_teams_and_the_shootout_are_even() -> None:
    assert home_wins(State(END, 0)) == pytest.approx(0.5)
    assert home_wins(State(END + 300, 0)) == pytest.approx(0.5)
    assert home_wins(State(END, 0), is_playoffs=True, model=model_with(home=0.0)) == pytest.approx(0.5)


def test_power_play_to_the_end_of_overtime_is_followed_by_the_shootout() -> None:
    home, away = overtime_rates(bundled(), np.asarray(0.4), np.asarray(0.0), is_playoffs=False)
    factors = bundled().overtime_manpower
    decided = overtime(home * factors["4v3"], away * factors["3v4"], 60)
    assert home_wins(State(END + 240, 0, "1341", (END + 300,), (), 0.4)) == pytest.approx(float(decided))


def test_playoff_overtime_goes_on_until_a_goal() -> None:
    early, late = (home_wins(State(second, 0, strength=0.2), is_playoffs=True) for second in (END, END + 5000))
    assert early == pytest.approx(late)
    regular = home_wins(State(END + 290, 0, strength=0.2))
    assert 0.5 < regular < early


@pytest.mark.parametrize("second", [300, 2000, 3300, 3590, END + 30])
def test_own_penalty_hurts_and_more_the_longer_it_lasts(second: int) -> None:
    even, code = ("1331", "1431") if second > END else ("1551", "1541")
    full = home_wins(State(second, 0, even))
    short, long = (home_wins(State(second, 0, code, (), (second + left,))) for left in (20, 120))
    assert full > short > long or (second > 3500 and full > short >= long)


def test_two_penalties_hurt_more_than_one() -> None:
    one = State(2000, 0, "1541", (), (2100,))
    two = State(2000, 0, "1531", (), (2060, 2100))
    assert home_wins(two) < home_wins(one) - 0.02


@pytest.mark.parametrize("is_playoffs", [True, False])
def test_power_play_goes_on_in_overtime(is_playoffs: bool) -> None:
    ends, goes_on = (
        home_wins(State(END - 1, 0, "1451", (until,)), is_playoffs=is_playoffs) for until in (END, END + 100)
    )
    assert goes_on > ends + 0.03
    assert goes_on == pytest.approx(
        home_wins(State(END, 0, "1451" if is_playoffs else "1341", (END + 100,)), is_playoffs=is_playoffs), abs=0.005
    )


def test_power_play_is_worth_the_goals_it_brings() -> None:
    """Two minutes at five against four bring some 0.2 goals more than they cost: a fifth of what a goal brings."""
    even, goal = home_wins(State(1800, 0)), home_wins(State(1800, 1))
    advantage = home_wins(State(1800, 0, "1451", (1920,))) - even
    assert 0.1 < advantage / (goal - even) < 0.25


def test_penalty_of_unknown_end_counts_and_one_that_the_code_does_not_show_does_not() -> None:
    assert home_wins(State(1000, 0, "1541")) < home_wins(State(1000, 0, "1551"))
    assert home_wins(State(1000, 0, "1551", (), (1100,))) == home_wins(State(1000, 0))


def test_goalie_pulled_by_the_trailing_team_makes_an_early_end_likelier() -> None:
    """With an extra attacker a team scores more often, and is scored against far more often."""
    p = bundled()
    assert p.pulled_for[0] > p.rate
    assert p.pulled_against[0] > 2 * p.pulled_for[0]
    pulled, both_in = (home_wins(State(END - 60, -1, code)) for code in ("1560", "1551"))
    assert 0.02 < both_in < pulled < 0.15  # a minute before the end it is better to have done it already
    early = [home_wins(State(END - 400, -1, code)) for code in ("1560", "1551")]
    assert early[0] < early[1]


@pytest.mark.parametrize("lead", [-1, 0, 1])
def test_empty_net_of_a_team_early_or_that_does_not_trail_means_a_penalty_on_the_other(lead: int) -> None:
    state = State(1500, lead, "1560")
    assert home_wins(state) == home_wins(State(1500, lead, "1451", (1620,)))


def test_lead_is_less_safe_in_a_season_of_many_goals() -> None:
    few, many = (home_wins(State(1800, 2, level=level)) for level in (-0.1, 0.1))
    assert many < few - 0.005


@pytest.mark.parametrize("code", [None, "", "1010", "0101", "155", "abcd"])
def test_unknown_situation_counts_as_full_strength(code: str | None) -> None:
    assert home_wins(State(700, 1, code)) == home_wins(State(700, 1))


def test_states_one_by_one_equal_all_at_a_time() -> None:
    random = np.random.default_rng(0)
    codes = ["1551", "1451", "1541", "1441", "1351", "0651", "1560", "1331"]
    states = [
        State(second, int(random.integers(-3, 4)) if second < END else 0, str(random.choice(codes)),
              (second + 30,), (second + 90, second + 200), float(random.normal(0, 0.3)))
        for second in map(int, random.integers(0, END + 300, 60))
    ]  # fmt: skip
    together = win_model().home_wins(states, is_playoffs=False)
    assert together == pytest.approx([home_wins(state) for state in states])
    assert ((together >= 0) & (together <= 1)).all()


def test_parameters_that_are_no_rates_are_refused() -> None:
    with pytest.raises(TypeError):
        Parameters(rate=0.001)  # type: ignore[call-arg]
