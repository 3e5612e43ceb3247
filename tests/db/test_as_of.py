"""A game as of an earlier moment is what was read of it then."""

import os
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db import times
from db.connection import open_reader
from db.history import BlockedRow, GameRow, GameUpdate, History, ManpowerRow, Moment, Scores, ShotRow, StoredGame
from db.history.schema import MIGRATIONS

MODELS = ("bundled/a:1@sha256:000000000000", "bundled/b:1@sha256:111111111111")
GAME = GameRow(
    2021020329, 20212022, 2, "2021-11-28T18:00:00Z", 12, "CAR", "Carolina Hurricanes", 0, 15, "WSH",
    "Washington Capitals", 0, "live", 1, "REG", 1200, in_intermission=False, game_date="2021-11-28",
)  # fmt: skip
NOT_SHOWN = ("fingerprint", "stale_at", "events", "time_stamp")


class _Clock:
    def __init__(self) -> None:
        self.at = datetime(2021, 11, 28, 18, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def wait(self, seconds: float) -> str:
        self.at += timedelta(seconds=seconds)
        return times.now()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(times, "utc_now", clock)
    return clock


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history.db")


def shot(event_id: int, seconds: int = 60, **more: Any) -> ShotRow:
    features = {"distance": 20.5, "strength_state": "5v5", "shot_type": "wrist", "x": 60} | more.pop("features", {})
    values: dict[str, Any] = {"outcome": "shot-on-goal", "is_home": True, "period": 1} | more
    return ShotRow(
        event_id, position=0, seconds=seconds, shooter="A", goalie="B", penalty_shot=False, empty_net=False,
        missing=None, features=features, **values,
    )  # fmt: skip


def scores(shots: list[ShotRow], model: str = MODELS[0], fingerprint: str | None = None) -> Scores:
    return Scores(model, "unblocked", [(s.event_id, 0.125, dict(s.features)) for s in shots], fingerprint)


def shown(game: StoredGame | None) -> StoredGame | None:
    """Return what a reader can see of a stored game; a shot's position in the feed only orders it."""
    if game is None:
        return None

    def without_position(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"position": None} for row in rows]

    is_complete = game.game["fingerprint"] is not None
    row = game.game | dict.fromkeys(NOT_SHOWN) | {"is_complete": is_complete}
    return replace(game, game=row, goals=without_position(game.goals), shots=without_position(game.shots))


def _changed(chance: random.Random, shots: list[ShotRow]) -> list[ShotRow]:
    """Return the shots as the league might show them next: some are new, gone, moved or of another outcome."""
    after = [s for s in shots if chance.random() > 0.1]
    for number, one in enumerate(after):
        if chance.random() < 0.2:
            after[number] = replace(one, outcome=chance.choice(["goal", "shot-on-goal", "missed-shot"]))
        if chance.random() < 0.2:
            features = dict(one.features) | {"x": chance.choice([60, 61.5, None]), "unused": chance.random() < 0.5}
            after[number] = replace(after[number], features=features)
    if chance.random() < 0.7:
        event_id = chance.randrange(1000)
        if all(s.event_id != event_id for s in after):
            after.append(shot(event_id, chance.randrange(1200), is_home=chance.random() < 0.5))
    return [
        replace(s, position=number) for number, s in enumerate(sorted(after, key=lambda s: (s.seconds, s.event_id)))
    ]


@pytest.mark.parametrize("seed", range(int(os.environ.get("XG_TEST_MOMENTS", "2"))))
def test_game_as_of_each_ping_is_what_was_read_after_it(history: History, clock: _Clock, seed: int) -> None:
    chance = random.Random(seed)
    shots: list[ShotRow] = []
    game = GAME
    seen: list[tuple[str, list[StoredGame | None]]] = []
    for number in range(24):
        shots = _changed(chance, shots)
        home = sum(s.outcome == "goal" and s.is_home for s in shots)
        game = replace(game, seconds_left=1200 - 20 * number, home_score=home, state="live" if number < 23 else "final")
        update = GameUpdate(game, shots)
        if number != 16 and chance.random() < 0.2:
            history.note_ping(GAME.game_id, None)
        elif chance.random() < 0.2:
            history.record_all([update])
        else:
            unscored = [s for s in shots if chance.random() < 0.8]
            model = MODELS[0] if number < 12 else MODELS[1]
            of_game = scores([replace(s, features={"x": s.features["x"]}) for s in unscored], model, f"{number}")
            history.record_all([replace(update, scores=of_game)])
        if number == 16:
            history.add_scores({GAME.game_id: scores(shots, MODELS[0])})
        seen.append((times.now(), [history.read_game(GAME.game_id, m) for m in (None, *MODELS)]))
        clock.wait(chance.choice([0.001, 0.5, 5]))
    for wall, then in seen:
        for asked, game_then in zip((None, *MODELS), then, strict=True):
            assert shown(history.read_game(GAME.game_id, asked, Moment(wall=wall))) == shown(game_then), (wall, asked)
        rows = history.games_at([GAME.game_id, 2021020330], Moment(wall=wall))
        assert list(rows.values()) == [] if then[0] is None else rows[GAME.game_id]["state"] == then[0].game["state"]


def test_game_first_pinged_later_is_not_there(history: History, clock: _Clock) -> None:
    before = clock.wait(0)
    clock.wait(1)
    history.record_all([GameUpdate(GAME, [shot(1)])])
    assert history.read_game(GAME.game_id, moment=Moment(wall=before)) is None
    assert history.games_at([GAME.game_id], Moment(wall=before)) == {}


def test_game_by_its_own_clock_has_the_shots_up_to_that_second(history: History, clock: _Clock) -> None:
    shots = [shot(1, 60), shot(2, 61), shot(3, 0, period=2), shot(4, 30, period=2)]
    history.record_all([GameUpdate(GAME, shots, scores=scores(shots))])

    def at(second: int, wall: str | None = None) -> list[int]:
        found = history.read_game(GAME.game_id, moment=Moment(second, wall))
        return [] if found is None else [row["event_id"] for row in found.shots]

    assert [at(second) for second in (59, 60, 61, 1229, 1230)] == [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]
    first = clock.wait(0)
    clock.wait(1)
    history.record_all([GameUpdate(GAME, [*shots, shot(5, 10)])])
    assert (at(60), at(60, first)) == ([5, 1], [1])


def count(history: History, table: str) -> int:
    with closing(open_reader(history._path, MIGRATIONS)) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found


def test_only_changes_are_kept(history: History, clock: _Clock) -> None:
    shots = [shot(1), shot(2)]
    history.record_all([GameUpdate(GAME, shots, scores=scores(shots, fingerprint="f"))])
    tables = ("game_states", "shot_versions", "recent_pings")
    assert [count(history, table) for table in tables] == [1, 0, 0]
    for _ in range(15):
        clock.wait(30)
        assert history.confirm(GAME.game_id, "f")
    turned = [replace(shots[1], position=0), replace(shots[0], position=1)]
    history.record_all([GameUpdate(GAME, turned, scores=scores([], fingerprint="g"))])
    assert [count(history, table) for table in tables] == [1, 0, 11]
    history.record_all([GameUpdate(replace(GAME, seconds_left=900), turned[:1], scores=scores([], fingerprint="g"))])
    assert [count(history, table) for table in tables] == [2, 1, 11]
    history.forget(GAME.game_id)
    assert [count(history, table) for table in tables] == [0, 0, 0]


def test_versions_have_the_columns_of_shots(history: History) -> None:
    history.record_all([])
    with closing(open_reader(history._path, MIGRATIONS)) as connection:
        columns: Callable[[str], set[str]] = lambda table: {  # noqa: E731
            row["name"] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        }
        assert columns("shot_versions") == columns("shots") - {"position", "first_seen_at"} | {"replaced_at"}
        assert columns("blocked_versions") == columns("blocked_attempts") - {"first_seen_at"} | {"replaced_at"}
        assert columns("manpower_versions") == columns("manpower") | {"replaced_at"}
        assert columns("game_states") - columns("games") == {"seen_at", "is_complete"}


def test_stretch_of_manpower_is_there_once_a_ping_has_seen_it(history: History, clock: _Clock) -> None:
    def seen(*stretches: tuple[int, int, str]) -> str:
        clock.wait(10)
        history.record_all([GameUpdate(GAME, [], [ManpowerRow(*stretch) for stretch in stretches])])
        return times.now()

    first = seen((0, 500, "1551"))
    second = seen((0, 518, "1551"), (518, 530, "1541"))
    third = seen((0, 518, "1551"), (518, 600, "1541"))
    begun = {}
    for at in (first, second, third):
        read = history.read_game(GAME.game_id, moment=Moment(wall=at))
        assert read is not None
        begun[at] = [row.start_s for row in read.manpower]
    assert begun == {first: [0], second: [0, 518], third: [0, 518]}


def test_replaced_manpower_and_blocked_attempts_are_those_of_then(history: History, clock: _Clock) -> None:
    """A penalty is reported late and taken back; a blocked attempt is changed, taken back and there again."""
    block = BlockedRow(7, 1, 60, True, 1, "A", None, None, False, 60.0, 5.0, "1551", "5v5")
    even, late = [ManpowerRow(0, 500, "1551")], [ManpowerRow(0, 90, "1551"), ManpowerRow(90, 500, "1451", (210,))]
    answers = [
        ([block], even),
        ([replace(block, blocker_id=2, blocker="B", is_home=False)], late),
        ([], [*late, ManpowerRow(500, 510, "1551")]),
        ([block], even),
        ([block], [ManpowerRow(0, 600, "1551")]),
    ]
    seen = []
    for blocked, manpower in answers:
        clock.wait(10)
        history.record_all([GameUpdate(GAME, [], manpower, blocked=blocked)])
        seen.append((times.now(), history.read_game(GAME.game_id)))
    for wall, then in seen:
        read = history.read_game(GAME.game_id, moment=Moment(wall=wall))
        assert read is not None
        assert then is not None
        assert (read.attempts, read.blocked) == (then.attempts, then.blocked), wall
        # the last stretch of then may have become longer: whoever reads it cuts it at the clock of then
        assert read.manpower[:-1] == then.manpower[:-1], wall
        assert replace(read.manpower[-1], end_s=0) == replace(then.manpower[-1], end_s=0), wall


def test_list_of_games_is_as_of_then(history: History, clock: _Clock) -> None:
    shots = [shot(1, outcome="goal"), shot(2, 90)]
    first = clock.wait(0)
    clock.wait(5)
    history.record_all([GameUpdate(replace(GAME, home_score=1), shots[:1], scores=scores(shots[:1]))])
    second, then = times.now(), history.games()
    clock.wait(5)
    history.record_all([GameUpdate(replace(GAME, home_score=1, state="final"), shots, scores=scores(shots))])
    (game,) = history.games(moment=Moment(wall=second))
    assert [(game["state"], game["totals"])] == [(row["state"], row["totals"]) for row in then]
    (hidden,) = history.games(moment=Moment(wall=first))
    assert (hidden["state"], hidden["home_score"], hidden["totals"]) == ("not started", 0, [])
