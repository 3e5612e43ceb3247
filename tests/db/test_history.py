"""The history's rules: identity, corrections, what counts, and sums that never mix models."""

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db.connection import DatabaseError, open_writer, transaction
from db.history import (
    BlockedRow,
    GameRow,
    GameUpdate,
    History,
    ManpowerRow,
    Moment,
    Recorded,
    Scores,
    ShotRow,
    StoredGame,
)
from db.history.schema import MIGRATIONS
from livegame.dates import league_date

MODEL, OTHER = "bundled/a:1@sha256:000000000000", "bundled/b:1@sha256:111111111111"
GAME = GameRow(
    2021020329, 20212022, 2, "2021-11-28T18:00:00Z", 12, "CAR", "Carolina Hurricanes", 1, 15, "WSH",
    "Washington Capitals", 0, "live", 1, "REG", 755, in_intermission=False, game_date="2021-11-28",
)  # fmt: skip


def shot(event_id: int, outcome: str = "shot-on-goal", *, is_home: bool = True, **more: Any) -> ShotRow:
    features = {"distance": 20, "strength_state": "5v5"} | more.pop("features", {})
    values: dict[str, Any] = {"position": 0, "penalty_shot": False, "empty_net": False, "missing": None} | more
    return ShotRow(
        event_id, period=1, seconds=60, is_home=is_home, shooter="A", goalie="B", outcome=outcome, features=features,
        **values,
    )  # fmt: skip


class TwoStepHistory(History):
    """A history that scores what it recorded before, without a new answer of the feed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._last: dict[int, tuple[GameRow, Sequence[ShotRow]]] = {}

    def record(self, game: GameRow, shots: Sequence[ShotRow], *more: Any, **named: Any) -> Recorded:
        self._last[game.game_id] = (game, shots)
        return self.record_all([GameUpdate(game, shots, *more, **named)])[0]

    def score(
        self,
        predictions: list[tuple[int, float, Any]],
        model: str = MODEL,
        population: str = "unblocked",
        game_id: int = GAME.game_id,
    ) -> int:
        return self.record(*self._last[game_id], scores=Scores(model, population, predictions)).scored

    def unscored(self, model: str) -> list[ShotRow]:
        game, shots = self._last[GAME.game_id]
        scored = self.scored([game.game_id], model)[game.game_id]
        return [shot for shot in shots if shot.event_id not in scored]


@pytest.fixture
def history(tmp_path: Path) -> TwoStepHistory:
    return TwoStepHistory(tmp_path / "history.db")


def score(history: TwoStepHistory, model: str = MODEL, p: float = 0.25) -> list[int]:
    waiting = history.unscored(model)
    history.score([(shot.event_id, p, shot.features) for shot in waiting], model)
    return [shot.event_id for shot in waiting]


_BY_TEAM = "SELECT * FROM xg_by_team WHERE game_id = ? AND model IS ?"


def by_team(history: History, model: str | None = MODEL) -> dict[str, dict[str, Any]]:
    rows = history._read(_BY_TEAM, (GAME.game_id, model))
    return {row["team"]: row for row in rows}


def stored(history: History, model: str | None = MODEL) -> StoredGame:
    found = history.read_game(GAME.game_id, model)
    assert found is not None
    return found


def test_new_shots_are_found_by_event_id_at_any_position(history: TwoStepHistory) -> None:
    assert history.record(GAME, [shot(900), shot(12, position=1)]) == Recorded(GAME.game_id, (900, 12))
    assert score(history) == [900, 12]
    # a lower id, in front of the others: still new
    assert history.record(GAME, [shot(5), shot(900, position=1), shot(12, position=2)]) == Recorded(GAME.game_id, (5,))
    assert score(history) == [5]


def test_same_answer_twice_changes_nothing(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1), shot(2)])
    score(history)
    assert history.record(GAME, [shot(1), shot(2)]) == Recorded(GAME.game_id)
    assert score(history) == []


def test_shot_is_scored_once_per_model_and_keeps_its_first_probability(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1)])
    assert score(history, MODEL, p=0.25) == [1]
    assert score(history, OTHER, p=0.5) == [1]
    assert score(history, MODEL) == []
    assert history.score([(1, 0.9, {})]) == 0
    assert by_team(history, MODEL)["CAR"]["xg"] == 0.25
    assert by_team(history, OTHER)["CAR"]["xg"] == 0.5


def test_xg_and_goals_are_summed_over_the_same_shots(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1, "goal"), shot(2), shot(3, "missed-shot", is_home=False)])
    score(history)
    totals = by_team(history)
    assert (totals["CAR"]["xg"], totals["CAR"]["goals"], totals["CAR"]["difference"]) == (0.5, 1, -0.5)
    assert (totals["WSH"]["xg"], totals["WSH"]["goals"], totals["WSH"]["shots"]) == (0.25, 0, 1)


def test_retracted_shot_leaves_the_sums_until_restored(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1, "goal"), shot(2)])
    score(history)
    assert [c.what for c in history.record(GAME, [shot(2)]).corrections] == ["retracted"]
    assert (by_team(history)["CAR"]["xg"], by_team(history)["CAR"]["goals"]) == (0.25, 0)
    assert [row["status"] for row in stored(history).shots] == ["retracted", "scored"]
    assert [c.what for c in history.record(GAME, [shot(1, "goal"), shot(2)]).corrections] == ["restored"]
    assert by_team(history)["CAR"]["xg"] == 0.5
    assert score(history) == []
    assert [row["what"] for row in stored(history).corrections] == ["restored", "retracted"]


def test_retracted_shot_is_not_scored(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1), shot(2)])
    history.record(GAME, [shot(2)])
    assert score(history) == [2]


def test_goal_taken_back_keeps_its_prediction(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1, "goal")])
    score(history)
    recorded = history.record(GAME, [shot(1, "shot-on-goal")])
    assert [(c.what, c.before, c.after) for c in recorded.corrections] == [("outcome", "goal", "shot-on-goal")]
    assert (by_team(history)["CAR"]["goals"], by_team(history)["CAR"]["xg"]) == (0, 0.25)
    assert score(history) == []


def test_shot_with_changed_inputs_is_amended_and_keeps_its_prediction(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1)])
    score(history)
    moved = shot(1, features={"distance": 30})
    correction = history.record(GAME, [moved]).corrections[0]
    assert (correction.what, '"distance":20' in str(correction.before), '"distance":30' in str(correction.after)) == (
        "amended", True, True,
    )  # fmt: skip
    row = stored(history).shots[0]
    assert (row["status"], row["probability"], row["distance"]) == ("amended", 0.25, 30)
    assert score(history) == []
    history.record(GAME, [shot(1)])  # moved back: it is again what was scored
    assert stored(history).shots[0]["status"] == "scored"


def test_shot_is_amended_only_for_models_that_scored_it_before_the_change(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1)])
    score(history)
    history.record(GAME, [shot(1, features={"distance": 30})])
    history.record(
        GAME, [shot(1, features={"distance": 30})], scores=Scores(OTHER, "unblocked", [(1, 0.5, {"distance": 30})])
    )

    def status(model: str) -> str:
        found = history.read_game(GAME.game_id, model)
        assert found is not None
        return str(found.shots[0]["status"])

    assert (status(MODEL), status(OTHER)) == ("amended", "scored")
    back = history.record(GAME, [shot(1)])
    assert (status(MODEL), status(OTHER)) == ("scored", "amended")
    assert [(c.what, '"distance":20' in str(c.after)) for c in back.corrections] == [("amended", True)]


def test_prediction_from_outdated_inputs_is_amended_from_the_start(history: TwoStepHistory) -> None:
    """A killed ping may have sent inputs that the league has corrected since."""
    history.record(
        GAME, [shot(1, features={"distance": 30})], scores=Scores(MODEL, "unblocked", [(1, 0.5, {"distance": 20})])
    )
    row = stored(history).shots[0]
    assert (row["status"], row["probability"], row["distance"]) == ("amended", 0.5, 30)


def test_change_of_features_that_are_no_inputs_amends_nothing(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1), shot(2)])
    history.score([(1, 0.25, {"distance": 20})])
    recorded = history.record(GAME, [shot(1, features={"speed": 3}), shot(2, features={"distance": 30})])
    assert recorded.corrections == ()  # not an input of 1's prediction; 2 was never scored


def test_pending_shots_are_counted_before_any_model(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1), shot(2, is_home=False, missing="coordinates")])
    assert {team: (row["pending"], row["xg"]) for team, row in by_team(history, None).items()} == {
        "CAR": (1, 0.0), "WSH": (1, 0.0),
    }  # fmt: skip
    history.score([(1, 0.25, {})])
    assert {team: (row["pending"], row["xg"]) for team, row in by_team(history).items()} == {
        "CAR": (0, 0.25), "WSH": (1, 0.0),
    }  # fmt: skip


def test_empty_net_and_penalty_shots_are_summed_apart(history: TwoStepHistory) -> None:
    history.record(
        GAME,
        [shot(1, "goal", empty_net=True, features={"strength_state": "5v6"}),
         shot(2, penalty_shot=True, features={"strength_state": "PS"}), shot(3, "goal")],
    )  # fmt: skip
    score(history)
    row = by_team(history)["CAR"]
    assert (row["xg"], row["xg_5v5"], row["xg_empty_net"], row["xg_penalty_shots"]) == (0.75, 0.25, 0.25, 0.25)
    assert (row["goals"], row["goals_5v5"], row["goals_empty_net"], row["goals_penalty_shots"]) == (2, 1, 1, 0)


def test_misses_are_not_pending_for_an_on_goal_model(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1), shot(2, "missed-shot"), shot(3, "goal")])
    history.score([(1, 0.25, {}), (3, 0.25, {})], OTHER, "on-goal")
    assert (by_team(history, OTHER)["CAR"]["shots"], by_team(history, OTHER)["CAR"]["pending"]) == (2, 0)


def test_running_sum_is_per_team_without_retracted_shots(history: TwoStepHistory) -> None:
    shots = [shot(1), shot(2, is_home=False, position=1), shot(3, position=2), shot(4, position=3)]
    history.record(GAME, shots)
    score(history)
    history.record(GAME, [replace(s, position=i) for i, s in enumerate(s for s in shots if s.event_id != 3)])
    running = {row["event_id"]: row["running_xg"] for row in stored(history).shots}
    assert (running[1], running[2], running[4]) == (0.25, 0.25, 0.5)


def test_probability_outside_0_and_1_is_refused_with_its_whole_answer(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1), shot(2)])
    with pytest.raises(DatabaseError, match="probability"):
        history.score([(1, 0.5, {}), (2, 1.5, {})])
    assert score(history) == [1, 2]  # nor is the rest of that answer


def test_unpinged_game_reads_as_none(history: TwoStepHistory) -> None:
    assert history.read_game(GAME.game_id) is None
    assert (history.games(), history.count_games(), history.models(), history.seasons()) == ([], 0, [], [])


def test_file_without_our_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    open_writer(path, {max(MIGRATIONS): "CREATE TABLE notes (note TEXT) STRICT;"}).close()
    with pytest.raises(DatabaseError, match=r"no such table.*not of this program"):
        History(path).read_game(GAME.game_id)
    with pytest.raises(DatabaseError, match=r"no such table.*not of this program"):
        History(path).record_all([GameUpdate(GAME, [])])


def test_empty_file_becomes_a_history(tmp_path: Path) -> None:
    """A full disk may leave such a file."""
    (tmp_path / "history.db").touch()
    assert History(tmp_path / "history.db").read_game(GAME.game_id) is None


def test_game_is_read_under_the_named_model_or_the_latest(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1), shot(2)])
    score(history, MODEL, p=0.25)
    score(history, OTHER, p=0.5)
    assert stored(history, None).model == OTHER
    assert stored(history, None).models == (MODEL, OTHER)
    assert [row["probability"] for row in stored(history, MODEL).shots] == [0.25, 0.25]
    assert stored(history, "nobody/knows:1").model == OTHER


def test_manpower_is_that_of_the_latest_answer(history: TwoStepHistory) -> None:
    even = ManpowerRow(0, 10, "1551")
    first = ManpowerRow(10, 130, "1451", (130, 250), (), "home", 10)
    second = ManpowerRow(130, 210, "1541", (), (210,), "away", 130)
    history.record(GAME, [], [even, first, second])
    begun = ManpowerRow(210, 210, "1451", (330,), (), "home", 210)  # by the last play so far
    rows = (even, replace(first, end_s=120), replace(second, start_s=120), begun)
    history.record(GAME, [], rows)
    assert stored(history).manpower == rows
    assert history._read("SELECT * FROM power_plays") == [
        {"game_id": GAME.game_id, "start_s": 10, "end_s": 120, "is_home": 1},
        {"game_id": GAME.game_id, "start_s": 120, "end_s": 210, "is_home": 0},
    ]


def test_unchanged_manpower_is_not_written_again(history: TwoStepHistory) -> None:
    rows = [ManpowerRow(0, 10, "1551"), ManpowerRow(10, 130, "1451", (130,), (), "home", 10)]
    history.record(GAME, [], rows)
    with closing(open_writer(history._path, MIGRATIONS)) as connection:
        connection.execute("CREATE TRIGGER none BEFORE DELETE ON manpower BEGIN SELECT raise(ABORT, 'written'); END")
    history.record(GAME, [], rows)
    with pytest.raises(DatabaseError, match="written"):
        history.record(GAME, [], rows[:1])


# -- attempts that no model rates -------------------------------------------------------------------------------------


def blocked(event_id: int, *, is_home: bool = True, **more: Any) -> BlockedRow:
    values: dict[str, Any] = {"x": 60.0, "y": -5.0, "code": "1551", "strength": "5v5", "by_teammate": False} | more
    return BlockedRow(
        event_id, period=1, seconds=70, is_home=is_home, shooter_id=1, shooter="A", blocker_id=2, blocker="C", **values
    )


def times_of(history: History) -> dict[int, tuple[str, str | None]]:
    rows = history._read("SELECT event_id, first_seen_at, retracted_at FROM blocked_attempts")
    return {row["event_id"]: (row["first_seen_at"], row["retracted_at"]) for row in rows}


def test_blocked_attempt_is_stored_corrected_retracted_and_restored(history: TwoStepHistory) -> None:
    history.record(GAME, [], blocked=[blocked(7), blocked(8)])
    seen = times_of(history)
    history.record(GAME, [], blocked=[blocked(7, x=61.0)])
    assert [(row["event_id"], row["x"]) for row in stored(history, None).blocked] == [(7, 61.0)]
    assert [times_of(history)[8][1] is not None, times_of(history)[7]] == [True, seen[7]]
    history.record(GAME, [], blocked=[blocked(7, x=61.0), blocked(8)])
    assert times_of(history) == seen


def test_unreadable_blocked_attempt_stays(history: TwoStepHistory) -> None:
    history.record(GAME, [], blocked=[blocked(7), blocked(8)])
    history.record(GAME, [], blocked=[blocked(7)], unreadable={8})
    history.record(GAME, [], blocked=[], unreadable=None)
    history.record(GAME, [], blocked=None)
    assert [row["event_id"] for row in stored(history, None).blocked] == [7, 8]


def test_unchanged_blocked_attempts_are_not_written_again(history: TwoStepHistory) -> None:
    history.record(GAME, [], blocked=[blocked(7)])
    with closing(open_writer(history._path, MIGRATIONS)) as connection:
        connection.execute(
            "CREATE TRIGGER none BEFORE UPDATE ON blocked_attempts BEGIN SELECT raise(ABORT, 'written'); END"
        )
    history.record(GAME, [], blocked=[blocked(7)])
    with pytest.raises(DatabaseError, match="written"):
        history.record(GAME, [], blocked=[blocked(7, by_teammate=True)])


def test_blocked_attempt_is_shown_from_when_it_was_seen_until_it_was_retracted(
    history: TwoStepHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for second, rows in ((0, []), (10, [blocked(7)]), (20, [])):
        monkeypatch.setattr("db.times.now", lambda second=second: f"2021-11-28T18:00:{second:02d}.000Z")
        history.record(GAME, [], blocked=rows)
    shown = [
        [row["event_id"] for row in found.blocked]
        for second in (5, 15, 25)
        if (found := history.read_game(GAME.game_id, None, Moment(wall=f"2021-11-28T18:00:{second:02d}.000Z")))
    ]
    assert shown == [[], [7], []]


def test_attempts_by_team_count_blocked_and_short_ones_apart_and_leave_out_retracted_ones(
    history: TwoStepHistory,
) -> None:
    misses = [shot(3, "missed-shot", reason="short"), shot(4, "missed-shot", reason="wide-left")]
    shots = [shot(1, "goal"), shot(2), *misses]
    history.record(GAME, [*shots, shot(5), shot(6, is_home=False)], blocked=[blocked(7), blocked(8), blocked(9)])
    history.record(GAME, [*shots, shot(6, is_home=False)], blocked=[blocked(7), blocked(8)])
    rows = history._read("SELECT * FROM attempts_by_team ORDER BY team")
    assert [list(row.values())[1:] for row in rows] == [
        ["CAR", 1, 1, 1, 2, 4, 3, 2, 6],
        ["WSH", 0, 1, 0, 1, 1, 1, 0, 1],
    ]


def test_team_with_blocked_attempts_alone_is_counted(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1)], blocked=[blocked(7, is_home=False), blocked(8, is_home=False)])
    rows = history._read("SELECT team, unblocked, blocked, attempts FROM attempts_by_team ORDER BY team")
    assert [tuple(row.values()) for row in rows] == [("CAR", 1, 0, 1), ("WSH", 0, 2, 2)]


def test_query_of_one_game_reads_no_other(history: TwoStepHistory) -> None:
    history.record(GAME, [])
    for view in ("attempts", "attempts_by_team", "power_plays"):
        plan = history._read(f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE game_id = 1")
        scans = [row["detail"] for row in plan if row["detail"].startswith("SCAN")]
        of_tables = [scan for scan in scans if not scan.startswith("SCAN (subquery")]
        assert set(of_tables) <= {"SCAN a", f"SCAN {view}"}, view  # what was found of the game


def test_own_goal_is_no_shot_on_goal_once_the_game_is_official(history: TwoStepHistory) -> None:
    """Before, a goal may only lack its shot type for now."""
    goals = [shot(1, "goal", features={"shot_type": "wrist"}), shot(2, "goal", features={"shot_type": None})]
    for state, on_goal in (("live", 2), ("final", 1)):
        history.record(replace(GAME, state=state), goals)
        assert history._read("SELECT goals, on_goal FROM attempts_by_team") == [{"goals": 2, "on_goal": on_goal}]


@pytest.mark.parametrize(
    ("code", "strength", "is_home", "situation"),
    [
        ("1551", "5v5", True, "5v5"),
        ("1451", "5v4", True, "power play"),
        ("1451", "4v5", False, "short-handed"),
        ("0651", "5v6", True, "empty net"),
        ("0651", "6v5", False, "extra attacker"),
        ("1441", "4v4", True, "other even"),
        ("0101", "PS", True, "penalty shot"),
        (None, None, True, "not told"),
    ],
)
def test_blocked_attempt_has_the_situation_that_a_shot_would_have(
    history: TwoStepHistory, code: str | None, strength: str | None, is_home: bool, situation: str
) -> None:
    empty, extra = (code or "1551")[0 if is_home else 3] == "0", (code or "1551")[3 if is_home else 0] == "0"
    friendly, opposing = (int(n) for n in strength.split("v")) if strength and "v" in strength else (None, None)
    features = {"strength_state": strength, "extra_attacker": int(extra)}
    features |= {"friendly_skaters": friendly, "opposing_skaters": opposing}
    taken = shot(1, is_home=is_home, empty_net=empty, penalty_shot=strength == "PS", features=features)
    history.record(GAME, [taken], blocked=[blocked(7, is_home=is_home, code=code, strength=strength)])
    assert {row["situation"] for row in stored(history, None).attempts} == {situation}
    assert [row["situation"] for row in stored(history, None).shots] == [situation]


def test_reason_of_a_miss_is_stored_and_corrected_and_amends_nothing(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1, "missed-shot")])
    score(history)
    ping = history.record(GAME, [shot(1, "missed-shot", reason="wide-left")])
    (row,) = stored(history).shots
    assert (row["reason"], row["status"], ping.corrections) == ("wide-left", "scored", ())


# -- over all games ---------------------------------------------------------------------------------------------------


def test_search_by_words_finds_games_latest_first_with_totals(history: TwoStepHistory) -> None:
    later = replace(
        GAME, game_id=2021020400, start_time="2021-12-05T18:00:00Z", game_date="2021-12-05", home_abbrev="NYR",
        home_name="New York Rangers",
    )  # fmt: skip
    history.record(GAME, [shot(1, "goal"), shot(2, is_home=False)])
    score(history)
    history.record(later, [])

    def found(search: str) -> list[int]:
        assert history.count_games(search) == len(history.games(search))
        return [row["game_id"] for row in history.games(search)]

    assert found("") == [2021020400, 2021020329]
    assert found("rangers wash") == [2021020400]
    assert found("CAR") == found("2021-11") == found("20210203") == [2021020329]
    assert found("' OR 1 --") == found("%") == []
    assert [row["game_id"] for row in history.games(limit=1, offset=1)] == [2021020329]
    assert {row["team"]: (row["xg"], row["goals"]) for row in history.games("CAR")[0]["totals"]} == {
        "CAR": (0.25, 1),
        "WSH": (0.25, 0),
    }


def test_search_uses_the_leagues_date_and_ignores_accents(history: TwoStepHistory) -> None:
    """A start at 19:00 in New York is on the next day in UTC."""
    game = replace(
        GAME, start_time="2023-02-01T00:00:00Z", game_date="2023-01-31", away_abbrev="MTL",
        away_name="Montr\u00e9al Canadiens",
    )  # fmt: skip
    history.record(game, [])
    found = {
        search: history.count_games(search)
        for search in (
            "2023-01-31",
            "2023-01",
            "2023-02-01",
            "montreal",
            "MONTR\u00c9AL",
            "Montre\u0301al mtl",
            "toronto",
        )
    }
    assert found == {
        "2023-01-31": 1, "2023-01": 1, "2023-02-01": 0, "montreal": 1, "MONTR\u00c9AL": 1, "Montre\u0301al mtl": 1,
        "toronto": 0,
    }  # fmt: skip
    history.record(replace(game, away_abbrev="QUE", away_name="Qu\u00e9bec Nordiques"), [])
    assert (history.count_games("quebec"), history.count_games("montreal")) == (1, 0)


@pytest.mark.parametrize(
    ("game_type", "competition"),
    [(1, "preseason"), (4, "all-star"), (12, "all-star"), (9, "olympics"), (19, "4 nations"), (20, "4 nations"),
     (6, "other")],
)  # fmt: skip
def test_season_sums_cover_regular_season_and_playoffs_only(
    history: TwoStepHistory, game_type: int, competition: str
) -> None:
    for number, kind in enumerate((2, 3, game_type)):
        game_id = GAME.game_id + number
        history.record(replace(GAME, game_id=game_id, game_type=kind), [shot(1)])
        history.score([(1, 0.25 + number / 100, {})], game_id=game_id)

    def sums(*which: str) -> tuple[Any, ...]:
        teams = {row["team"]: (row["games"], row["xg"]) for row in history.teams(MODEL, None, *which)}
        return teams["CAR"], round(sum(row["xg"] for row in history.calibration(MODEL, *which)), 9)

    assert sums() == sums("season") == ((2, 0.51), 0.51)
    assert sums(competition) == ((1, 0.27), 0.27)
    assert history.competitions(MODEL) == ["season", competition]
    assert [(row["games"], row["shots"]) for row in history.models()] == [(2, 2)]
    assert history.count_games() == 3
    # as an answer without the type is read: by the game's id, until the feed has it
    history.record(replace(GAME, game_id=GAME.game_id + 2), [shot(1)])
    assert (sums(), history.competitions(MODEL)) == (((3, 0.78), 0.78), ["season"])


def test_training_seasons_of_a_model_are_stored_once_known(history: TwoStepHistory) -> None:
    def note(trained_on: list[int] | None) -> Any:
        scores = Scores(MODEL, "unblocked", [(1, 0.25, {})], trained_on=trained_on)
        history.record(GAME, [shot(1)], scores=scores)
        return history.models()[0]["trained_on"]

    assert note(None) is None
    assert note([20202021, 20222023]) == note(None) == "[20202021,20222023]"


def test_sums_over_all_games_follow_every_change(history: TwoStepHistory) -> None:
    shots = [shot(1, "goal"), shot(2), shot(3, is_home=False)]
    history.record(GAME, shots)
    score(history, p=0.25)
    history.record(replace(GAME, game_id=2021020330), [shot(1, is_home=False)])
    history.score([(1, 0.6, {})], game_id=2021020330)

    def by_step() -> list[tuple[int, int, float, int, float]]:
        return [
            (r["step"], r["shots"], r["xg"], r["goals"], round(r["log_loss"], 9)) for r in history.calibration(MODEL)
        ]

    step = 10  # from 0.22 to 0.3
    loss = -math.log(0.25) - 2 * math.log(0.75)
    assert by_step() == [(step, 3, 0.75, 1, round(loss, 9)), (12, 1, 0.6, 0, round(-math.log(0.4), 9))]
    carolina, washington = history.teams(MODEL)
    assert (carolina["games"], carolina["xg"], carolina["goals"]) == (2, 0.5, 1)
    assert carolina["xg_against"] == washington["xg"] == pytest.approx(0.85)
    assert washington["goals_against"] == 1
    assert history.teams(MODEL, 20202021) == []
    assert [(row["model"], row["games"], row["shots"]) for row in history.models()] == [(MODEL, 2, 4)]

    history.record(GAME, [replace(shots[0], outcome="missed-shot"), shots[2]])  # no goal after all, and one retracted
    assert by_step()[0] == (step, 2, 0.5, 0, round(-2 * math.log(0.75), 9))
    assert history.teams(MODEL)[0]["goals"] == 0

    history.record(replace(GAME, home_abbrev="HFD", season=20202021), [shots[2]])  # missing from its first answer
    assert [(row["team"], row["games"], row["xg"]) for row in history.teams(MODEL, 20202021)] == [
        ("HFD", 1, 0.0), ("WSH", 1, 0.25),
    ]  # fmt: skip
    assert [(row["team"], row["games"]) for row in history.teams(MODEL)] == [("CAR", 1), ("HFD", 1), ("WSH", 2)]
    history.record(GAME, [])
    assert [(row["games"], row["shots"]) for row in history.models()] == [(1, 1)]
    assert history.teams(MODEL, 20202021) == []


def test_scores_of_another_model_are_added_without_touching_the_game(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1, "goal"), shot(2, "missed-shot"), shot(3)])
    score(history)
    before = history.game_row(GAME.game_id)
    moved = {"distance": 99, "strength_state": "5v5"}  # as when an answer is repeated after a correction
    scores = Scores(OTHER, "unblocked", [(1, 0.5, {"distance": 20}), (2, 0.1, moved)])
    assert history.add_scores({GAME.game_id: scores}) == 2
    assert history.add_scores({GAME.game_id: scores}) == 0
    assert history.game_row(GAME.game_id) == before
    assert by_team(history, OTHER)["CAR"]["xg"] == pytest.approx(0.6)
    assert [(row["model"], row["games"], row["shots"]) for row in history.models()] == [(MODEL, 1, 3), (OTHER, 1, 2)]
    read = history.read_game(GAME.game_id, OTHER)
    assert read is not None
    assert {row["event_id"]: row["status"] for row in read.shots} == {1: "scored", 2: "amended", 3: "pending"}


def test_unscored_games_are_those_with_a_shot_of_the_models_population(history: TwoStepHistory) -> None:
    history.record(GAME, [shot(1), shot(2, "missed-shot")])
    history.add_scores({GAME.game_id: Scores(OTHER, "on-goal", [(1, 0.5, {})])})
    assert history.unscored_games(OTHER, "on-goal") == []
    assert history.unscored_games(OTHER, "unblocked") == [GAME.game_id]
    assert history.unscored_games(OTHER, "unblocked", season=20222023) == []
    assert history.unscored_games(OTHER, "unblocked", since="2021-11-29") == []
    assert history.unscored_games(OTHER, "unblocked", 20212022, "2021-11-28") == [GAME.game_id]
    history.record(GAME, [shot(1)])  # the other shot is taken back
    assert history.unscored_games(OTHER, "unblocked") == []


def test_migration_gives_stored_games_the_leagues_date(tmp_path: Path) -> None:
    """The rule in SQL agrees with the time zone at every hour of 20 years."""
    path = tmp_path / "history.db"
    start, hour = datetime(2007, 1, 1, tzinfo=UTC), timedelta(hours=1)
    moments = [(start + n * hour).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(24 * 365 * 20)]
    with closing(open_writer(path, {1: MIGRATIONS[1]})) as connection, transaction(connection):
        connection.executemany(
            "INSERT INTO games VALUES (?, 0, 2, ?, 1, 'A', 'Montr\u00e9al A', 0, 2, 'B', 'B', 0, '', 0, '', 0, 0, '',"
            " NULL)",
            enumerate(moments),
        )
    with closing(open_writer(path, MIGRATIONS)) as connection:
        dates = [row[0] for row in connection.execute("SELECT game_date FROM games ORDER BY game_id")]
    assert dates == [league_date(moment) for moment in moments]
    assert History(path).count_games("montreal") == len(moments)


def test_migration_from_version_1_adds_up_stored_games(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(open_writer(path, {1: MIGRATIONS[1]})) as connection:
        connection.execute("INSERT INTO models VALUES (?, 'unblocked', '')", (MODEL,))
        known = asdict(GAME) | {"pinged_at": "", "model": MODEL}
        game = {row["name"]: known[row["name"]] for row in connection.execute("PRAGMA table_info(games)")}
        connection.execute(f"INSERT INTO games VALUES ({','.join('?' * len(game))})", tuple(game.values()))
        for event_id, amended_at in ((1, None), (2, "2021-11-28T19:00:00Z")):
            connection.execute(
                "INSERT INTO shots VALUES (?, ?, 0, 1, 60, 1, 'A', 'B', 'goal', 0, 0, '{}', NULL, '', ?, NULL)",
                (GAME.game_id, event_id, amended_at),
            )
            values = (GAME.game_id, event_id, MODEL)
            connection.execute("INSERT INTO predictions VALUES (?, ?, ?, 0.25, '{}', '')", values)
    history = TwoStepHistory(path)
    assert [row["status"] for row in stored(history).shots] == ["scored", "amended"]
    history.record(GAME, [shot(1, "goal")])
    assert [(row["shots"], row["xg"], row["goals"]) for row in history.calibration(MODEL)] == [(1, 0.25, 1)]
