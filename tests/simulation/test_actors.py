"""Actors on a night without chance: each does its work with the product's own code, and notes what came of it."""

from typing import Any

import pytest

from tests.simulation.actors.notices import FORGETS, HANGS, REFUSES
from tests.simulation.evidence import Act as Noted
from tests.simulation.plan import Act, Fault, Plan
from tests.simulation.truth import GamePlan
from tests.simulation.world import World

SEED = 4  # with two addresses that want to be told of everything
GAMES = (2025020601, 2025020602)
RETRAINED = "local/xg-default:2026.1.2"
DISTANCE = "bundled/xg-distance:1.0.0"


def night(*acts: Act, faults: tuple[Fault, ...] = ()) -> World:
    """Return a world in which this has happened, on a night of two games."""
    games = tuple(GamePlan(game_id, "made", 5.0, 100.0, game_id) for game_id in GAMES)
    world = World(Plan(SEED, "truncate", 0.0, games, acts, faults))
    world.run()
    assert not world.scheduler.crashes
    assert not world.evidence.complaints
    return world


def cron(at_s: float, *games: int, limit_s: int = 55) -> Act:
    return Act(at_s, "cron", "run", (limit_s, *games))


def done(world: World, actor: str, what: str) -> list[Noted]:
    return [act for act in world.evidence.acts if (act.actor, act.what) == (actor, what)]


def results(world: World, actor: str, what: str) -> list[Any]:
    found = done(world, actor, what)
    assert all(act.end_s is not None and act.error is None for act in found)
    return [act.result for act in found]


def test_those_who_ping_store_games_and_those_who_read_see_them() -> None:
    world = night(
        cron(40, *GAMES),
        Act(41, "reader", "report", GAMES[0]),
        Act(60, "page", "watch", 50.0),
        Act(62, "page", "watch", 10.0),
        cron(90),
        Act(95, "reader", "report of earlier", (GAMES[0], 50.0)),
        Act(96, "reader", "games"),
        Act(97, "reader", "evening"),
        Act(99, "shell", "read", ("history.db", 2.0)),
        Act(100, "shell", "write", ("serving.db", 2.0)),
        Act(100, "backup", "copy", "history.db"),
        Act(101, "backup", "copy", "serving.db"),
        Act(102, "backfill", "import", GAMES),
    )
    assert results(world, "cron", "run") == [0, 0]
    assert {act.about for act in done(world, "page", "ping")} == set(GAMES)
    assert {act.process for act in done(world, "page", "look")} == {"page#1"}
    first, *_ = world.evidence.seen
    assert results(world, "reader", "report of earlier")[0][1] == (first.counted[0], len(first.shots))
    assert results(world, "reader", "games")[0].keys() == set(GAMES)
    assert results(world, "reader", "evening")[0].keys() == set(GAMES)
    assert results(world, "shell", "read") == [((2,), (2,))]
    assert len(results(world, "backup", "copy")) == 2
    assert results(world, "backfill", "import")[0][0] == 2
    assert [act.about for act in done(world, "clean", "ping")] == list(GAMES)


def test_operators_change_models_and_a_rescore_and_a_training_follow() -> None:
    world = night(
        cron(40, *GAMES),
        Act(50, "operator", "load", DISTANCE),
        Act(51, "rescore", "rescore"),
        Act(52, "rescore", "rescore", DISTANCE),
        Act(53, "operator", "promote and keep", DISTANCE),
        Act(60, "retraining", "publish", ("2026.1.2", 0)),
        Act(61, "operator", "swap", RETRAINED),
        Act(65, "operator", "restart"),
        Act(70, "operator", "look"),
        Act(71, "operator", "read the log"),
        Act(72, "operator", "roll back"),
        Act(73, "operator", "drop"),
        Act(74, "operator", "swap", RETRAINED),
    )
    (again, _), (rescored, _) = sorted(results(world, "rescore", "rescore"))
    assert rescored > again == 0
    ready, active, challengers, listed, activations = results(world, "operator", "look")[0]
    assert (ready, active.partition("@")[0], listed, activations) == (True, RETRAINED, 4, 2)
    assert [name.partition("@")[0] for name in challengers] == ["bundled/xg-default:1.0.0"]
    said = [(change.what, (change.active or "").partition("@")[0]) for change in world.evidence.acknowledged]
    assert said == [
        ("load", ""),
        ("promote and keep", DISTANCE),
        ("swap", RETRAINED),
        ("roll back", DISTANCE),
        ("drop", ""),
        ("swap", RETRAINED),
    ]
    assert sum("compiles" in line for line in world.log.lines()) == 1
    assert results(world, "operator", "restart") == [True]


def test_two_notifiers_at_the_same_time_tell_each_notice_once() -> None:
    deliveries = [Act(60.0 + number / 100, "notifier", "deliver", 20.0) for number in range(3)]
    world = night(Act(1, "notifier", "deliver", 1.0), cron(2, *GAMES), cron(50, limit_s=5), *deliveries)
    told = [(delivery.address, delivery.title) for delivery in world.evidence.deliveries]
    assert told
    assert len(told) == len(set(told)) == len(world.evidence.accepted)


@pytest.mark.parametrize(("manner", "messages"), [(REFUSES, 1), (HANGS, 1), (FORGETS, 2)])
def test_a_rude_receiver_is_sent_its_first_notice_again(manner: str, messages: int) -> None:
    acts = (cron(2, *GAMES), cron(90, *GAMES), Act(150, "reader", "games"))
    world = night(*acts, faults=(Fault(0, manner, "one", 1, 60.0),))
    told = [delivery.title for delivery in world.evidence.deliveries if delivery.address == "one"]
    assert world.counts[manner] == 1
    assert told.count(told[0]) == messages


def test_cron_that_runs_out_of_time_says_so_and_stores_what_it_can() -> None:
    slow = (Fault(39, "slow", str(GAMES[0]), 1, 30.0), Fault(39, "late answer", "serving.sim", 0, 9.0))
    world = night(cron(40, *GAMES, limit_s=3), cron(50, *GAMES, limit_s=3), faults=slow)
    assert results(world, "cron", "run") == [6, 0]
    assert sum("ran out of time" in line for line in world.log.lines()) == 1


def test_a_page_whose_server_was_killed_starts_again() -> None:
    world = night(
        Act(40, "page", "watch", 60.0), Act(60, "page", "watch", 20.0), faults=(Fault(50, "kill", "page", 5),)
    )
    assert {act.process for act in done(world, "page", "look")} == {"page#1", "page#2"}
