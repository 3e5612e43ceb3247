"""What is news: each goal once, each goal taken back, the result, and nothing that is old."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.history import Notice, SeenGame, SeenShot
from db.times import timestamp
from livegame.notices.news import AWAY_S, FORGOTTEN_S, news

START = datetime.fromisoformat("2023-04-08T19:00:00+00:00")
LIVE = {"state": "live", "period": 2, "seconds_left": 600, "in_intermission": False, "has_end": False}


def at(seconds: float) -> str:
    return timestamp(START + timedelta(seconds=seconds))


def shot(event_id: int, outcome: str = "goal", seconds: int = 300, xg: float | None = 0.1, **more: Any) -> SeenShot:
    values: dict[str, Any] = {
        "position": event_id, "period": 2, "is_home": True, "shooter": "Sebastian Aho", "first_seen_at": at(0),
        "is_there": True, "corrections": 0,
    } | more  # fmt: skip
    return SeenShot(event_id=event_id, outcome=outcome, seconds=seconds, probability=xg, **values)


def seen(*shots: SeenShot, keys: frozenset[str] = frozenset(), **row: Any) -> SeenGame:
    """Return a game in mid-game, last pinged at the start, except for what `row` changes."""
    goals = [sum(shot.is_goal and shot.is_home is side for shot in shots) for side in (False, True)]
    values = LIVE | {"pinged_at": at(0), "away_abbrev": "WSH", "home_abbrev": "CAR"}
    values |= {"away_score": goals[0], "home_score": goals[1]}
    return SeenGame(values | row, {shot.event_id: shot for shot in shots}, keys)


def found(before: SeenGame | None, after: SeenGame, seconds: float = 20) -> list[Notice]:
    return news(before, after, at(seconds))


def kinds(before: SeenGame | None, after: SeenGame, seconds: float = 20) -> list[str]:
    return [notice.kind for notice in found(before, after, seconds)]


def test_new_goal_is_told_with_the_score_after_it() -> None:
    first, second = shot(1), shot(2, seconds=400, is_home=False)
    (notice,) = found(seen(first), seen(first, second))
    assert (notice.kind, notice.facts["team"], notice.facts["score"]) == ("goal", "WSH", (1, 1))
    assert notice.not_before is None


def test_two_goals_of_one_ping_are_told_in_play_order() -> None:
    later, earlier = shot(1, seconds=500), shot(9, seconds=400, is_home=False)
    notices = found(seen(), seen(later, earlier))
    assert [(notice.event_id, notice.facts["score"]) for notice in notices] == [(9, (1, 0)), (1, (1, 1))]


def test_goal_without_rating_waits_a_little() -> None:
    (notice,) = found(seen(), seen(shot(1, xg=None)), 20)
    assert notice.not_before == at(65)


@pytest.mark.parametrize(
    ("goals", "leads"),
    [([True], [True]), ([True, True], [True, False]), ([True, False, False], [True, True, True])],
)
def test_goal_is_about_the_lead_if_another_team_leads_afterwards(goals: list[bool], leads: list[bool]) -> None:
    shots = [shot(number, seconds=100 * number, is_home=is_home) for number, is_home in enumerate(goals)]
    assert ["leads" in notice.topics for notice in found(seen(), seen(*shots))] == leads


@pytest.mark.parametrize("now", [{"is_there": False}, {"outcome": "shot-on-goal"}], ids=["retracted", "a save"])
def test_goal_taken_back_is_told_as_such_and_as_restored_when_it_returns(now: dict[str, Any]) -> None:
    goal, gone = shot(1), replace(shot(1), corrections=1, **now)
    (notice,) = found(seen(goal), seen(gone))
    assert (notice.kind, notice.facts["score"], set(notice.topics)) == ("taken back", (0, 0), {"goals", "leads"})
    keys = frozenset({"goal 1", notice.key})
    (again,) = found(seen(gone, keys=keys), seen(replace(goal, corrections=2), keys=keys))
    assert again.kind == "restored"
    (gone_again,) = found(seen(goal), seen(replace(gone, corrections=3)))
    assert gone_again.key != notice.key


def test_save_that_becomes_a_goal_is_told_as_a_goal() -> None:
    assert kinds(seen(shot(1, "shot-on-goal")), seen(replace(shot(1), corrections=1))) == ["goal"]


def test_goal_that_the_league_enters_under_another_number_is_no_news() -> None:
    gone = replace(shot(1), is_there=False, corrections=1)
    new = shot(7, seconds=301)
    assert kinds(seen(shot(1)), seen(gone, new)) == []
    assert kinds(seen(gone, new), seen(replace(shot(1), corrections=2), replace(new, is_there=False))) == []
    assert kinds(seen(shot(1)), seen(gone, shot(7, seconds=310))) == ["taken back", "goal"]
    assert kinds(seen(shot(1)), seen(gone, new, shot(8, seconds=300))) == ["goal"]


def test_missed_chance_is_told_when_it_is_rated_and_only_while_it_is_new() -> None:
    missed = shot(1, "missed-shot", xg=0.4)
    (notice,) = found(seen(), seen(missed))
    assert (notice.kind, notice.xg, set(notice.topics)) == ("chance", 0.4, {"chances"})
    assert kinds(seen(replace(missed, probability=None)), seen(missed)) == ["chance"]
    assert kinds(seen(replace(missed, probability=None)), seen(missed), 300) == []  # rated by another model
    assert kinds(seen(missed), seen(missed)) == []


def test_period_end_is_told_once_it_is_over_and_the_last_one_is_the_result() -> None:
    (notice,) = found(seen(), seen(in_intermission=True, seconds_left=1080))
    assert (notice.kind, notice.key, notice.facts["period"]) == ("period", "period 2", 2)
    assert kinds(seen(in_intermission=True), seen(period=3, seconds_left=1200)) == []
    assert kinds(seen(period=1), seen(period=2)) == ["period"]
    assert kinds(seen(period=3), seen(period=3, state="over", has_end=True)) == ["final"]


def test_result_waits_if_it_may_be_wrong_and_a_game_that_resumes_is_told() -> None:
    goal = shot(1)
    over = seen(goal, state="final", has_end=True)
    assert [notice.not_before for notice in found(seen(goal), over)] == [None]
    assert [n.not_before for n in found(seen(goal), seen(goal, state="final"))] == [at(140)]
    assert [n.not_before for n in found(seen(), seen(state="over", has_end=True))] == [at(140)]  # level
    assert kinds(seen(goal, state="over", has_end=True), over) == []
    assert kinds(over, seen(goal)) == ["resumed"]
    assert kinds(seen(goal, state="final"), seen(goal)) == []


def test_first_ping_tells_nothing_old() -> None:
    assert kinds(None, seen(shot(1))) == []
    assert kinds(None, seen(shot(1), state="final", has_end=True)) == []
    assert kinds(seen(state="not started", period=0), seen(shot(1)), AWAY_S + 1) == []


def test_first_ping_in_the_first_minutes_tells_what_there_was() -> None:
    early: dict[str, Any] = {"period": 1, "seconds_left": 900}
    assert kinds(None, seen(shot(1, period=1), **early)) == ["goal"]
    assert kinds(None, seen(shot(1, period=1), period=1, seconds_left=500)) == []
    known = seen(shot(1, period=1), keys=frozenset({"goal 1"}), **early)
    assert kinds(known, known, AWAY_S + 1) == []


def test_goals_of_a_time_without_pings_are_told_in_one_notice() -> None:
    before, after = seen(shot(1)), seen(shot(1), shot(2), shot(3, is_home=False), shot(4, "missed-shot", xg=0.9))
    (notice,) = found(before, after, AWAY_S + 1)
    assert (notice.kind, [goal["team"] for goal in notice.facts["goals"]]) == ("summary", ["CAR", "WSH"])
    assert (notice.facts["score"], set(notice.topics)) == ((1, 2), {"goals"})
    assert kinds(before, before, AWAY_S + 1) == []
    assert kinds(before, after, FORGOTTEN_S + 1) == []
    (end,) = found(before, seen(shot(1), state="over", has_end=True), AWAY_S + 1)
    assert (end.kind, set(end.topics)) == ("summary", {"finals"})


EVENTS = st.sampled_from(range(4))
STEPS = st.lists(st.dictionaries(EVENTS, st.sampled_from(["goal", "shot-on-goal", "gone"])), min_size=1, max_size=8)


@given(STEPS)
def test_goals_told_less_goals_taken_back_are_the_goals_that_count(steps: list[dict[int, str]]) -> None:
    """Whatever the league gives and takes back; each key is unique, and repeating an answer is no news."""
    stored: dict[int, SeenShot] = {}
    told: list[Notice] = []
    for number, step in enumerate(steps):
        keys = frozenset(notice.key for notice in told)
        before = seen(*stored.values(), keys=keys, pinged_at=at(20 * number))
        for event_id, what in step.items():
            old = stored.get(event_id)
            outcome = what if what != "gone" else old.outcome if old else None
            if outcome is None:
                continue
            corrections = old.corrections if old else 0
            corrections += old is not None and (old.is_there != (what != "gone")) + (old.outcome != outcome)
            # seconds apart, so that none can replace another
            stored[event_id] = shot(
                event_id,
                outcome,
                100 * event_id,
                is_there=what != "gone",
                corrections=corrections,
                is_home=event_id < 2,
            )
        after = seen(*stored.values(), keys=keys, pinged_at=at(20 * number + 20))
        told += [notice for notice in found(before, after, 20 * number + 20) if "goals" in notice.topics]
        assert kinds(after, after, 20 * number + 30) == []
    assert len({notice.key for notice in told}) == len(told)
    for event_id, stored_shot in stored.items():
        of_event = [notice.kind for notice in told if notice.event_id == event_id]
        expected = ["goal", "taken back", *["restored", "taken back"] * len(of_event)]
        assert of_event == expected[: len(of_event)]
        assert (len(of_event) % 2 == 1) is stored_shot.is_goal
