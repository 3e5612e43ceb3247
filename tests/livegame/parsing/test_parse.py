"""Answers of the two feeds become games; anything else is malformed, with the reason."""

import copy
from datetime import date
from typing import Any

import pytest

from livegame.errors import FeedMalformed
from livegame.parsing.parse import parse_game
from livegame.parsing.schedule import parse_day
from livegame.parsing.statsapi import apply_diff_patch
from livegame.plays import GameState, Shot, Team
from livegame.status import status_line
from tests.games import AWAY, HOME, as_feed, game, play


def legacy_feed() -> dict[str, Any]:
    """Three plays of a game in the legacy shape."""

    def raw(event_id: int, kind: str, clock: str, team: int | None = None, **result: Any) -> dict[str, Any]:
        return {
            "result": {"eventTypeId": kind} | result,
            "about": {"eventId": event_id, "period": 1, "periodType": "REGULAR", "periodTime": clock},
            "coordinates": {"x": -70.0, "y": 5.0} if team else {},
            **({"team": {"id": team}} if team else {}),
        }

    goal = raw(12, "GOAL", "00:50", AWAY, secondaryType="Wrist Shot")
    goal["players"] = [
        {"playerType": "Scorer", "player": {"id": 8471214}},
        {"playerType": "Goalie", "player": {"id": 1}},
    ]
    block = raw(11, "BLOCKED_SHOT", "00:40", AWAY)
    block["players"] = [{"playerType": "Shooter", "player": {"id": 8478427}}]

    def team(number: int, code: str, name: str) -> dict[str, Any]:
        return {"id": number, "triCode": code, "name": name}

    return {
        "gamePk": 2021020329,
        "metaData": {"timeStamp": "20211128_180900"},
        "gameData": {
            "game": {"season": "20212022", "type": "R"},
            "datetime": {"dateTime": "2021-11-28T18:00:00Z"},
            "status": {"abstractGameState": "Live", "statusCode": "3"},
            "teams": {
                "home": team(HOME, "CAR", "Carolina Hurricanes"),
                "away": team(AWAY, "WSH", "Washington Capitals"),
            },
            "players": {
                "ID8478427": {"id": 8478427, "fullName": "Sebastian Aho"},
                "ID8471214": {"id": 8471214, "fullName": "Alex Ovechkin"},
            },
        },
        "liveData": {
            "plays": {
                "allPlays": [
                    raw(1, "GAME_SCHEDULED", "00:00"),
                    raw(10, "FACEOFF", "00:00", HOME),
                    block,
                    goal,
                    raw(13, "MISSED_SHOT", "01:00", HOME),
                ]
            },
            "linescore": {
                "currentPeriod": 1,
                "currentPeriodTimeRemaining": "12:35",
                "periods": [{"num": 1, "periodType": "REGULAR", "home": {"rinkSide": "right"}}],
                "teams": {"home": {"goals": 0}, "away": {"goals": 1}},
            },
            "boxscore": {"teams": {"home": {"players": {"ID8478427": {}}}, "away": {"players": {"ID8471214": {}}}}},
        },
    }


@pytest.mark.parametrize(
    ("game_type", "seconds", "code", "read"),
    [
        (2, 300, "1010", "1331"),  # as overtime ends, the feed gives the shootout's situation
        (2, 299, "1010", "1010"),
        (3, 300, "1010", "1010"),  # in the playoffs, overtime does not end there
        (2, 300, "0441", "0441"),
    ],
)
def test_attempt_as_overtime_ends_keeps_overtimes_situation(game_type: int, seconds: int, code: str, read: str) -> None:
    overtime: dict[str, Any] = {"period": 4, "period_type": "OT"}
    shown = game(
        play(1, "hit", 290, situation="1331", **overtime),
        play(2, "shot-on-goal", seconds, situation=code, **overtime),
        play(3, "goal", 0, period=5, period_type="SO", situation="1010"),
        game_type=game_type,
    )
    assert [each.situation for each in parse_game(as_feed(shown)).plays] == ["1331", read, "1010"]


def test_gamecenter_answer_is_parsed_into_the_game_it_was_made_of() -> None:
    made = game(
        play(10, "faceoff", 0, x=0, y=0, zone="N"),
        play(11, "shot-on-goal", 12, x=60.0, y=-5.0, zone="O", shooter_id=8478427, goalie_id=1),
        play(12, "goal", 30, team=AWAY, x=-80.0, y=2.0, zone="O", shooter_id=8471214),
    )
    assert parse_game(as_feed(made)).plays == made.plays
    assert parse_game(as_feed(made)).players == made.players


def test_legacy_answer_is_parsed_into_the_same_types() -> None:
    parsed = parse_game(legacy_feed())
    assert (parsed.title, parsed.state, parsed.period) == (
        "Washington Capitals at Carolina Hurricanes",
        GameState.LIVE,
        1,
    )
    assert parsed.seconds_left == 12 * 60 + 35
    assert [play.kind for play in parsed.plays] == ["faceoff", "blocked-shot", "goal", "missed-shot"]
    goal = parsed.plays[2]
    assert isinstance(goal, Shot)
    assert (goal.event_id, goal.shot_type, goal.shooter_id, goal.goalie_id) == (12, "wrist", 8471214, 1)
    assert (goal.x, goal.y, goal.seconds, goal.home_defends) == (-70.0, 5.0, 50, "right")


def test_blocked_shot_belongs_to_the_shooters_team_in_either_form() -> None:
    parsed = parse_game(legacy_feed())
    assert parsed.plays[1].team_id == HOME  # the legacy feed names the blocker's team, AWAY

    feed = as_feed(game(play(11, "blocked-shot", 5, team=AWAY)))
    feed["plays"][0]["details"] |= {"shootingPlayerId": 8478427, "zoneCode": "D"}
    block = parse_game(feed).plays[0]
    assert (block.team_id, block.zone) == (HOME, None)


def test_legacy_missed_shot_misses_no_type() -> None:
    missed = parse_game(legacy_feed()).plays[3]
    assert isinstance(missed, Shot)
    assert missed.shot_type is None
    assert missed.missing == ()


def test_shot_with_one_coordinate_has_none_and_misses_both() -> None:
    feed = as_feed(game(play(11, "goal", 5)))
    del feed["plays"][0]["details"]["xCoord"], feed["plays"][0]["details"]["shotType"]
    shot = parse_game(feed).shots[0]
    assert (shot.x, shot.y, shot.missing) == (None, None, ("coordinates", "shot_type"))


def test_shootout_attempts_are_not_among_the_shots() -> None:
    shootout = play(20, "goal", 0, period=5, period_type="SO", situation="1010")
    assert [shot.event_id for shot in game(play(11, "goal", 5), shootout).shots] == [11]


def test_team_is_named_under_the_key_of_each_year() -> None:
    feed = as_feed(game())
    feed["homeTeam"] |= {"commonName": {"default": "Hurricanes"}, "placeName": {"default": "Carolina"}}
    del feed["homeTeam"]["name"]
    assert parse_game(feed).home.name == "Carolina Hurricanes"


@pytest.mark.parametrize(
    ("state", "schedule", "expected"),
    [
        ("FUT", "OK", GameState.NOT_STARTED),
        ("PRE", "OK", GameState.NOT_STARTED),
        ("LIVE", "OK", GameState.LIVE),
        ("CRIT", "OK", GameState.LIVE),
        ("OVER", "OK", GameState.OVER),
        ("FINAL", "OK", GameState.FINAL),
        ("OFF", "OK", GameState.FINAL),
        ("FUT", "PPD", GameState.POSTPONED),
        ("FUT", "CNCL", GameState.CANCELLED),
    ],
)
def test_each_word_for_a_games_state_is_understood(state: str, schedule: str, expected: GameState) -> None:
    assert parse_game(as_feed(game()) | {"gameState": state, "gameScheduleState": schedule}).state is expected


@pytest.mark.parametrize(
    "nonsense",
    [None, [], "text", {}, {"plays": []}, {"liveData": {}}, {"message": "not found"}, {"plays": 1, "homeTeam": {}}],
)
def test_answer_that_is_no_game_is_malformed(nonsense: Any) -> None:
    with pytest.raises(FeedMalformed):
        parse_game(nonsense)


@pytest.mark.parametrize("key", ["eventId", "typeDescKey", "periodDescriptor", "timeInPeriod"])
def test_play_without_its_identity_is_left_out_and_named(key: str) -> None:
    feed = as_feed(game(play(11, "goal", 5), play(12, "goal", 9)))
    del feed["plays"][0][key]
    parsed = parse_game(feed)
    assert [shot.event_id for shot in parsed.shots] == [12]
    assert key in parsed.problems[0]
    assert parsed.unreadable == (None if key == "eventId" else {11})


def test_diff_patch_adds_and_corrects_plays_in_a_copy() -> None:
    feed = legacy_feed()
    before = copy.deepcopy(feed)
    shot = copy.deepcopy(feed["liveData"]["plays"]["allPlays"][3]) | {"result": {"eventTypeId": "SHOT"}}
    shot["about"]["eventId"] = 99
    patched = apply_diff_patch(
        feed,
        [
            {"diff": [{"op": "replace", "path": "/metaData/timeStamp", "value": "20211128_181000"}]},
            {
                "diff": [
                    {"op": "add", "path": "/liveData/plays/allPlays/5", "value": shot},
                    {"op": "replace", "path": "/liveData/plays/allPlays/3/coordinates/x", "value": -83.0},
                    {"op": "replace", "path": "/liveData/boxscore/teams/home/nothing/we/hold", "value": 1},
                ]
            },
        ],
    )
    assert feed == before
    plays = {play.event_id: play for play in parse_game(patched).plays}
    assert plays[99].kind == "shot-on-goal"
    assert plays[12].x == -83.0


def test_empty_diff_patch_changes_nothing_and_a_whole_feed_replaces_all() -> None:
    feed = legacy_feed()
    assert apply_diff_patch(feed, []) == feed
    assert apply_diff_patch({}, feed) == feed


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"message": "no"},
        [{}],
        [{"diff": [{"op": "replace", "path": "/liveData/plays/allPlays/77/about/eventId", "value": 1}]}],
        [{"diff": [{"op": "invent", "path": "/liveData/plays/allPlays/0"}]}],
    ],
)
def test_diff_patch_that_does_not_fit_is_malformed(answer: Any) -> None:
    with pytest.raises(FeedMalformed):
        apply_diff_patch(legacy_feed(), answer)


def test_days_list_is_parsed_with_its_games_and_neighbouring_days() -> None:
    first = as_feed(game(state=GameState.NOT_STARTED))
    live = as_feed(game(home=Team(HOME, "CAR", "Carolina Hurricanes", 3)))
    postponed = first | {"id": 2021020331, "gameScheduleState": "PPD"}
    listed = parse_day({"currentDate": "2021-11-28", "nextDate": "2021-11-30", "games": [first, live, postponed]})
    assert (listed.day, listed.previous, listed.next) == (date(2021, 11, 28), None, date(2021, 11, 30))
    assert [(entry.game_id, entry.status) for entry in listed.games] == [
        (2021020329, "Not started"),
        (2021020329, "Period 1 - 12:35 left"),
        (2021020331, "Postponed"),
    ]
    assert (listed.games[1].home.abbrev, listed.games[1].home.score, listed.games[1].away.score) == ("CAR", 3, 0)
    with pytest.raises(FeedMalformed):
        parse_day({"message": "nothing here"})


@pytest.mark.parametrize(
    ("place", "nickname", "name"),
    [
        ("Utah", "Utah Hockey Club", "Utah Hockey Club"),
        ("Utah", "Mammoth", "Utah Mammoth"),
        ("Montréal", "Canadiens de Montréal", "Canadiens de Montréal"),
        ("NY Islanders", "Islanders", "NY Islanders"),
        ("New Town", "town Bears", "New Town Bears"),
        ("York", "Yorkers", "York Yorkers"),
        ("Team King", "", "Team King"),
        ("", "Kraken", "Kraken"),
        ("Canada", "Canada", "Canada"),
    ],
)
@pytest.mark.parametrize("key", ["name", "commonName"])
def test_words_in_both_place_and_nickname_appear_once_in_the_name(
    place: str, nickname: str, name: str, key: str
) -> None:
    team = {"id": HOME, "abbrev": "CAR", "placeName": {"default": place}, key: {"default": nickname}}
    assert parse_game(as_feed(game()) | {"homeTeam": team}).home.name == name


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u3000", "\t", " "])
@pytest.mark.parametrize("hidden", ["", "\u00ad", "\u200b", "\u200e", "\ufeff", "\u2060"])
def test_invisible_characters_cost_no_player_and_no_play(space: str, hidden: str) -> None:
    feed = as_feed(game(play(11, "goal", 5, shooter_id=7, shot_type="tip-in")))
    feed["rosterSpots"] = [
        {"teamId": HOME, "playerId": 7, "firstName": {"default": f"Jean{hidden}{space}Marc{space}"}, "lastName": {}}
    ]
    feed["homeTeam"]["name"] = {"default": f"{hidden}Hurricanes{space}"}
    feed["homeTeam"]["placeName"] = {"default": f"Caro{hidden}lina"}
    feed["gameState"] = f"LIVE{hidden}{space}"
    [shot] = feed["plays"]
    shot |= {"typeDescKey": f"goal{hidden}", "timeInPeriod": f"00:05{space}", "situationCode": f"15{hidden}51"}
    shot["details"] |= {"shotType": f"{hidden}tip-in{space}", "zoneCode": f"O{hidden}"}
    found = parse_game(feed)
    assert found.problems == ()
    assert (found.players[7].name, found.home.name, found.state) == ("Jean Marc", "Carolina Hurricanes", GameState.LIVE)
    [read] = found.shots
    assert (read.seconds, read.situation, read.shot_type, read.zone) == (5, "1551", "tip-in", "O")


def overtime(number: int, seconds: int, length: int, **more: Any) -> dict[str, Any]:
    """A shot on goal in overtime, in the feed's words, with both of its clocks."""
    shot = play(11, "shot-on-goal", seconds, period=number, period_type="OT", **more)
    raw: dict[str, Any] = as_feed(game(shot))["plays"][0]
    left = length - seconds
    return raw | {"timeRemaining": f"{left // 60:02d}:{left % 60:02d}"}


@pytest.mark.parametrize(
    ("game_type", "length", "seconds", "is_penalty_shot"),
    [
        (2, 300, 300, False),  # the feed gives the situation of the shootout to come
        (2, 300, 120, True),
        (9, 600, 300, True),
        (9, 600, 600, False),
        (20, 1200, 480, True),
        (3, 1200, 1200, True),  # no shootout follows
        (3, 300, 300, False),  # a round robin of 2020
    ],
)
def test_overtimes_length_is_read_off_the_feeds_clock(
    game_type: int, length: int, seconds: int, is_penalty_shot: bool
) -> None:
    feed = as_feed(game(period=4, period_type="OT", game_type=game_type))
    feed["plays"] = [overtime(4, seconds, length, situation="1010")]
    found = parse_game(feed)
    assert (found.overtime_seconds, found.shots[0].is_penalty_shot) == (length, is_penalty_shot)


@pytest.mark.parametrize(
    ("number", "kinds", "game_type", "status"),
    [
        (4, ["OT"], 2, "Overtime - 03:20 left"),
        (4, [], 2, "Overtime - 03:20 left"),
        (5, ["SO"], 2, "Shootout"),
        (5, [], 2, "Shootout"),
        (5, ["OT"], 9, "Overtime 2 - 03:20 left"),
        (5, [], 3, "Overtime 2 - 03:20 left"),
        (3, [], 2, "Period 3 - 03:20 left"),
    ],
)
@pytest.mark.parametrize("told", [{}, {"periodType": "?"}])
def test_header_without_its_period_type_takes_it_from_plays_or_game_type(
    number: int, kinds: list[str], game_type: int, status: str, told: dict[str, str]
) -> None:
    plays = [play(11, "goal", 0, period=number, period_type=kind) for kind in kinds]
    feed = as_feed(game(*plays, game_type=game_type)) | {"gameType": game_type}
    feed |= {"periodDescriptor": {"number": number} | told}
    found = parse_game(feed)
    line = status_line(found.state, found.period, found.period_type, 200, in_intermission=False)
    assert line == status


@pytest.mark.parametrize("word", ["DONT_PLAY", "dont play", "CNCL"])
def test_game_that_will_not_be_played_is_cancelled(word: str) -> None:
    feed = as_feed(game(state=GameState.NOT_STARTED)) | {"gameScheduleState": word}
    assert parse_game(feed).state is GameState.CANCELLED


@pytest.mark.parametrize("start", ["2021-11-28T05:00:00Z", "", None])
def test_start_to_be_announced_is_not_known(start: str | None) -> None:
    feed = as_feed(game(state=GameState.NOT_STARTED)) | {"gameScheduleState": "TBD", "startTimeUTC": start}
    found = parse_game(feed)
    assert (found.state, found.start_is_known, found.problems) == (GameState.NOT_STARTED, False, ())
    [listed] = parse_day({"currentDate": "2021-11-28", "games": [feed]}).games
    assert (listed.state, listed.start_is_known) == (GameState.NOT_STARTED, False)


def test_game_not_started_with_shots_is_live() -> None:
    found = parse_game(as_feed(game(play(11, "goal", 5))) | {"gameState": "PRE"})
    assert found.state is GameState.LIVE
    assert found.problems == ("the feed says that the game has not begun, but it has shots; treated as live",)


@pytest.mark.parametrize(
    ("scores", "goals", "shootout", "state", "is_said"),
    [
        ((1, 0), (1, 0), False, GameState.FINAL, False),
        ((4, 0), (1, 0), False, GameState.FINAL, True),
        ((0, 0), (1, 0), False, GameState.FINAL, True),
        ((4, 0), (1, 0), False, GameState.LIVE, False),  # either may come first
        ((2, 1), (1, 1), True, GameState.FINAL, False),
        ((1, 2), (1, 1), True, GameState.FINAL, False),
        ((3, 1), (1, 1), True, GameState.FINAL, True),
    ],
)
def test_official_score_that_the_goals_do_not_add_up_to_is_a_problem(
    scores: tuple[int, int], goals: tuple[int, int], shootout: bool, state: GameState, is_said: bool
) -> None:
    plays = [play(n, "goal", n, team=team) for n, team in enumerate([HOME] * goals[0] + [AWAY] * goals[1], start=1)]
    plays += [play(90, "goal", 0, period=5, period_type="SO")] if shootout else []
    home, away = Team(HOME, "CAR", "C", scores[0]), Team(AWAY, "WSH", "W", scores[1])
    problems = parse_game(as_feed(game(*plays, home=home, away=away, state=state))).problems
    assert bool(problems) is is_said
    if is_said:
        words = f"the score is WSH {scores[1]}, CAR {scores[0]}, but the plays hold {goals[1]} and {goals[0]} goals"
        # winning the shootout counts as one goal
        assert problems[0].startswith(words if not shootout else "the score is WSH 1, CAR 3")


@pytest.mark.parametrize(
    ("code", "official", "state"),
    [
        ("7", False, GameState.FINAL),
        ("6", False, GameState.OVER),
        ("5", False, GameState.OVER),
        ("6", True, GameState.FINAL),
        (None, False, GameState.FINAL),
    ],
)
def test_legacy_game_is_final_by_its_code_or_its_last_entry(code: str | None, official: bool, state: GameState) -> None:
    feed = legacy_feed()
    feed["gameData"]["status"] = {"abstractGameState": "Final", "statusCode": code}
    if official:
        feed["liveData"]["plays"]["allPlays"].append({"result": {"eventTypeId": "GAME_OFFICIAL"}})
    assert parse_game(feed).state is state


@pytest.mark.parametrize("status", [{"statusCode": "8"}, {"startTimeTBD": True, "statusCode": "1"}])
def test_legacy_start_to_be_announced_is_not_known(status: dict[str, Any]) -> None:
    feed = legacy_feed()
    feed["liveData"]["plays"]["allPlays"] = []
    feed["gameData"]["status"] = {"abstractGameState": "Preview"} | status
    found = parse_game(feed)
    assert (found.state, found.start_is_known) == (GameState.NOT_STARTED, False)


def test_legacy_face_off_follows_the_stoppages_of_its_second() -> None:
    feed = legacy_feed()

    def raw(event_id: int, kind: str, clock: str) -> dict[str, Any]:
        about = {"eventId": event_id, "period": 1, "periodType": "REGULAR", "periodTime": clock}
        return {"result": {"eventTypeId": kind}, "about": about, "coordinates": {}}

    told = [("SHOT", "00:59"), ("FACEOFF", "01:00"), ("STOP", "01:00"), ("STOP", "01:00"), ("STOP", "01:01")]
    plays = [raw(n, kind, clock) for n, (kind, clock) in enumerate(told, start=1)]
    plays[0] |= {"team": {"id": HOME}}
    feed["liveData"]["plays"]["allPlays"] = plays
    assert [play.event_id for play in parse_game(feed).plays] == [1, 3, 4, 2, 5]
