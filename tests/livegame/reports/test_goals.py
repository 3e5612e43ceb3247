"""The list of goals."""

from livegame.reports.counting import Count
from livegame.reports.goals import goals_of, since_last_goal
from tests.livegame.reports.generated import report_of, shot


def test_goal_has_the_score_after_it_and_the_play_since_the_one_before() -> None:
    shots = [
        shot(1, 300, "4v4"),
        shot(2, 400, is_home=False, outcome="shot-on-goal"),
        shot(3, 1260, is_home=False),
        shot(4, 2000, "empty net"),
    ]
    report = report_of(shots, {1: 0.25, 3: 0.5}, Count.NO_EMPTY_NET)
    goals = goals_of(report)
    assert [(goal.away_score, goal.home_score, goal.after_s) for goal in goals] == [
        (0, 1, 300),
        (1, 1, 960),
        (1, 2, 740),
    ]
    assert [goal.strength for goal in goals] == ["4v4", "5v5", "empty net"]
    assert [goal.xg for goal in goals] == [0.25, 0.5, None]
    assert since_last_goal(report) == 2845 - 2000
