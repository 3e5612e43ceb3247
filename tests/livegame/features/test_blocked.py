"""Blocked attempts and reasons of misses: stored beside what models see, never among it."""

from typing import Any

import pytest
from msgspec.structs import replace

from livegame.features.blocked import placed_blocks
from livegame.features.features import FEATURE_NAMES, feature_rows
from livegame.features.rows import game_update
from livegame.parsing.parse import parse_game
from livegame.plays import BlockedAttempt, Player, Shot
from tests.games import AWAY, HOME, as_feed, as_legacy_feed, game, play

AHO, OVECHKIN, SLAVIN = 8478427, 8471214, 8476958
PLAYERS = {AHO: Player("Sebastian Aho", HOME), OVECHKIN: Player("Alex Ovechkin", AWAY), SLAVIN: Player("J S", HOME)}


def block(event_id: int = 5, seconds: int = 20, team: int = HOME, **more: Any) -> BlockedAttempt:
    values: dict[str, Any] = {"shooter_id": AHO if team == HOME else OVECHKIN, "blocker_id": OVECHKIN} | more
    found = play(event_id, "blocked-shot", seconds, team, **values)
    assert isinstance(found, BlockedAttempt)
    return found


def test_block_is_placed_where_the_shooter_attacks() -> None:
    """The home team defends the left goal, so the away team attacks it."""
    home, away = block(5, x=60, y=8), block(6, 30, AWAY, x=-70, y=8)
    assert [(x, y) for _, x, y in placed_blocks(game(home, away))] == [(60, 8), (70, -8)]


def test_block_without_a_place_has_none() -> None:
    assert [(x, y) for _, x, y in placed_blocks(game(block(x=None)))] == [(None, None)]


def test_row_of_a_block_names_both_players_and_the_strength_of_the_shooter() -> None:
    (row,) = game_update(game(block(team=AWAY, blocker_id=AHO, situation="1541"), players=PLAYERS)).blocked or ()
    assert (row.is_home, row.shooter, row.blocker) == (False, "Alex Ovechkin", "Sebastian Aho")
    assert (row.code, row.strength, row.by_teammate) == ("1541", "5v4", False)


def test_blocks_of_a_shootout_or_of_no_team_of_the_game_do_not_count() -> None:
    shootout = block(period=5, period_type="SO")
    assert game_update(game(shootout, block(6, team=99))).blocked == ()


def test_block_is_no_shot_and_has_no_features() -> None:
    update = game_update(game(block(), players=PLAYERS))
    assert (update.shots, feature_rows(game(block()))) == ((), [])


@pytest.mark.parametrize("owner", [HOME, AWAY])
def test_shooter_decides_the_team_whoever_the_feed_names(owner: int) -> None:
    feed = as_feed(game(block(), players=PLAYERS))
    feed["plays"][0]["details"]["eventOwnerTeamId"] = owner
    (found,) = parse_game(feed).blocked
    assert (found.team_id, found.shooter_id, found.blocker_id, found.by_teammate) == (HOME, AHO, OVECHKIN, False)


@pytest.mark.parametrize("reason", ["teammate-blocked", "blocked"])
def test_block_by_a_teammate_is_known_by_the_word_or_by_the_roster(reason: str) -> None:
    feed = as_feed(game(block(blocker_id=SLAVIN), players=PLAYERS))
    feed["plays"][0]["details"]["reason"] = reason
    assert [found.by_teammate for found in parse_game(feed).blocked] == [True]


def test_legacy_feed_names_shooter_and_blocker() -> None:
    feed = as_legacy_feed(game(block(), players=PLAYERS))
    people = [
        {"playerType": kind, "player": {"id": number}} for kind, number in (("Shooter", AHO), ("Blocker", OVECHKIN))
    ]
    feed["liveData"]["plays"]["allPlays"][0]["players"] = people
    (found,) = parse_game(feed).blocked
    assert (found.shooter_id, found.blocker_id) == (AHO, OVECHKIN)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("wide-left", "wide-left"),
        ("a new word", "a new word"),
        ("x" * 41, None),
        ("a\tb\x00", None),
        (7, None),
        ("", None),
    ],
)
def test_reason_of_a_miss_is_kept_if_it_is_a_short_text(said: Any, kept: str | None) -> None:
    feed = as_feed(game(play(1, "missed-shot", 10)))
    feed["plays"][0]["details"]["reason"] = said
    found = parse_game(feed)
    assert ([shot.reason for shot in found.shots], found.problems) == ([kept], ())


def test_goal_has_no_reason() -> None:
    feed = as_feed(game(play(1, "goal", 10)))
    feed["plays"][0]["details"]["reason"] = "short"
    assert [shot.reason for shot in parse_game(feed).shots] == [None]


def test_reason_is_no_feature() -> None:
    miss = play(1, "missed-shot", 10)
    assert isinstance(miss, Shot)
    one, other = (game(replace(miss, reason=reason), play(2, "goal", 12)) for reason in (None, "short"))
    assert str([values for _, values in feature_rows(one)]) == str([values for _, values in feature_rows(other)])
    assert "reason" not in FEATURE_NAMES
    assert all("reason" not in shot.features for shot in game_update(other).shots)
