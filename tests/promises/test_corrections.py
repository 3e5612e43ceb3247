"""Whatever the league corrects, in any order of its answers: the sums are those of its last answer.

What the service scores, what it answers and what the history adds up are compared with the rules, which this file
states a second time: a shot is scored once per model, when its inputs are complete, and keeps that prediction.
"""

import os
import random
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from itertools import count, permutations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from db.history import Recorded
from livegame.client import GameClient
from livegame.plays import UNBLOCKED_ATTEMPTS, Game, GameState, Play
from livegame.recordings.files import read_recording
from livegame.reports.sums import Sums
from tests.conftest import Service
from tests.games import AWAY, HOME, FeedServer, game, play
from tests.helpers import make_client, record, reported
from tests.xgserve.helpers import load_model
from xgserve.model.model import Model
from xgserve.names import ModelName
from xgserve.registry.bundle import FOLDER

# XG_TEST_CORRECTIONS=2000 pytest tests/promises/test_corrections.py -s --timeout=3000
SEQUENCES = int(os.environ.get("XG_TEST_CORRECTIONS", "20"))
MODELS = ("xg-distance", "xg-default")
_GAME_IDS = count(2030020001)  # the service answers the same shots again without scoring them


class Rules:
    """What must be stored after each state of a game."""

    def __init__(self) -> None:
        self.last: Game | None = None  # the last state that was accepted
        self.ever: set[int] = set()  # plays of all accepted states
        self.kept: dict[int, Any] = {}  # shots missing from an answer that was cut short; they stay as stored
        self.first: dict[str, dict[int, dict[Any, Any]]] = {}  # model -> event -> what it was scored with
        self.probability: dict[str, dict[int, float]] = {}
        self.seen: set[int] = set()

    def follow(self, client: GameClient, shown: Game, ping: Recorded) -> None:
        """Accept or reject a state, and compare the ping that saw it with the rules."""
        assert ping.is_older is not self._accept(shown)
        if ping.is_older:
            assert not ping.changed
            return
        report = reported(client, ping)
        model = str(report.model)
        first, probability = self.first.setdefault(model, {}), self.probability.setdefault(model, {})
        shots = {shot.event_id: shot for shot in shown.shots} | self.kept
        rows: dict[int, dict[Any, Any]] = {row["event_id"]: row for row in report.shots.to_dict("records")}
        self.seen |= set(shots)
        present = shots.keys() - self.kept.keys()
        new = [e for e in shots if e in present and e not in first and (shown.is_over or not shots[e].missing)]
        assert ping.scored == len(new)
        for event_id in new:
            first[event_id] = {name: None if pd.isna(value) else value for name, value in rows[event_id].items()}
            probability[event_id] = rows[event_id]["probability"]
        assert set(rows) == self.seen
        assert set(report.present["event_id"]) == set(shots)
        for event_id, row in rows.items():
            if event_id not in shots:
                assert row["status"] == "retracted"
            elif event_id not in first:
                assert (row["status"], pd.isna(row["probability"])) == ("pending", True)
            else:
                inputs = {name: None if pd.isna(row[name]) else row[name] for name in input_names(model)}
                agrees = inputs.items() <= first[event_id].items()
                assert row["status"] == ("scored" if agrees else "amended")
                assert row["probability"] == probability[event_id]
        for side, team in ((report.home, shown.home), (report.away, shown.away)):
            self._add_up(side.counted, [shot for shot in shots.values() if shot.team_id == team.team_id], probability)

    def _accept(self, shown: Game) -> bool:
        """Return whether this state is to be stored: neither older than the last one, nor cut short during the game."""
        last, plays = self.last, {play.event_id for play in shown.plays}
        is_first = last is None
        known = set() if last is None else {play.event_id for play in last.plays} | self.kept.keys()
        if last is not None and known and plays <= self.ever:
            stages = (GameState.NOT_STARTED, GameState.LIVE, GameState.FINAL)
            if shown.time_stamp and last.time_stamp:
                older = shown.time_stamp < last.time_stamp
            else:
                now, before = (
                    (stages.index(g.state), g.period, g.in_intermission, -g.seconds_left) for g in (shown, last)
                )
                is_live = shown.state is GameState.LIVE
                older = (now < before and (now[0] < before[0] or is_live)) and not (is_live and now[1:] > before[1:])
            if older:
                return False
        lost = known - plays
        is_whole = shown.is_over and shown.has_end and not shown.problems
        is_cut = bool(known) and (len(lost) > 10 or not plays) and not is_whole
        if is_cut and plays <= self.ever and not shown.is_over:
            return False
        before_shots = {} if is_first or last is None else {s.event_id: s for s in last.shots} | self.kept
        self.kept = {e: shot for e, shot in before_shots.items() if is_cut and e not in plays}
        self.last, self.ever = shown, self.ever | plays
        return True

    @staticmethod
    def _add_up(sums: Sums, shots: Sequence[Any], probability: dict[int, float]) -> None:
        scored = [shot for shot in shots if shot.event_id in probability]
        assert sums.xg == pytest.approx(sum(probability[shot.event_id] for shot in scored))
        assert (sums.goals, sums.shots, sums.pending) == (
            sum(shot.is_goal for shot in shots), len(shots), len(shots) - len(scored),
        )  # fmt: skip


def check_states(service: Service, states: Sequence[tuple[Game, str | None]], feed: FeedServer | None = None) -> None:
    """Ping each state in turn, after a swap where a model is named, and compare all that is stored with the rules."""
    with tempfile.TemporaryDirectory() as folder:
        database, feed_url = Path(folder) / "history.db", feed.url if feed else "http://127.0.0.1:9"
        client = make_client(Path(folder), feed_url, service.url)

        def show(shown: Game) -> Recorded:
            if feed is None:
                return record(client, shown)
            feed.show(shown)
            return client.ping(shown.game_id)

        service.begin()
        rules = Rules()
        game_id = next(_GAME_IDS)
        states = [(replace(shown, game_id=game_id), model) for shown, model in states]
        for shown, model in states:
            if model is not None:
                service.client.download_registry_model("bundled", model)
            rules.follow(client, shown, show(shown))
            assert sums_of_games(database) == sums_of_shots(database)
        assert service.rows_scored() == sum(len(first) for first in rules.first.values())
        last = states[-1][0]
        again = show(last)
        assert not again.changed
        for scorer in (loaded(name) for name in MODELS):
            first = rules.first.get(scorer.id, {})
            columns = {f.name: [shot[f.name] for shot in first.values()] for f in scorer.columns}
            expected = scorer.predict(columns, list(first)).tolist()
            assert list(rules.probability.get(scorer.id, {}).values()) == pytest.approx(expected)


@cache
def loaded(name: str) -> Model:
    """Return a bundled model, which computes what the service should have answered."""
    return load_model(FOLDER / name / "1.0.0" / "model.skops", ModelName("bundled", name, "1.0.0"))


def input_names(model_id: str) -> list[str]:
    """Return the names of a bundled model's columns."""
    return [column.name for column in loaded(model_id.split("/")[1].split(":")[0]).columns]


def sums_of_games(database: Path) -> set[tuple[Any, ...]]:
    return _sums(
        database, "SELECT model, is_home, sum(shots), round(sum(xg), 6), sum(goals) FROM game_totals GROUP BY 1, 2"
    )


def sums_of_shots(database: Path) -> set[tuple[Any, ...]]:
    return _sums(
        database,
        "SELECT model, is_home, count(*), round(sum(probability), 6), sum(is_goal) FROM shot_probabilities"
        " WHERE probability IS NOT NULL AND status <> 'retracted' GROUP BY 1, 2",
    )


def _sums(database: Path, query: str) -> set[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return set(connection.execute(query))


# -- made up ----------------------------------------------------------------------------------------------------------

KINDS = ("goal", "shot-on-goal", "missed-shot", "blocked-shot", "faceoff", "hit")
PLACES = ((80.0, 5.0), (60.0, -20.0), (-70.0, 11.0), (None, None))


@st.composite
def plays(draw: st.DrawFn) -> tuple[Play, ...]:
    """Draw some of nine events, in any order, each of any kind, anywhere, by either team."""
    event_ids = draw(st.lists(st.sampled_from([812, 11, 300, 7, 55, 54, 901, 13, 2]), max_size=7, unique=True))
    found = []
    for event_id in event_ids:
        kind, (x, y) = draw(st.sampled_from(KINDS)), draw(st.sampled_from(PLACES))
        more: dict[str, Any] = {"situation": draw(st.sampled_from(["1551", "1451", "0651", None]))}
        if kind in UNBLOCKED_ATTEMPTS:
            more["shot_type"] = draw(st.sampled_from(["wrist", "snap", None]))
        team = draw(st.sampled_from([HOME, AWAY]))
        found.append(play(event_id, kind, draw(st.integers(0, 90)), team, x, y, **more))
    return tuple(found)


@st.composite
def states(draw: st.DrawFn) -> list[tuple[Game, str | None]]:
    """Draw what the feed shows of one game, state by state, the last of which may be final."""
    shown = [game(*draw(plays())) for _ in range(draw(st.integers(2, 5)))]
    if draw(st.booleans()):
        shown[-1] = replace(shown[-1], state=GameState.FINAL, period=3, seconds_left=0)
    return [(state, draw(st.sampled_from([None] * 6 + [*MODELS]))) for state in shown]


HALF = play(5, "goal", 10, HOME, None, None, home_defends=None)  # none of its inputs depends on the team
OVER: dict[str, Any] = {"state": GameState.FINAL, "period": 3, "seconds_left": 0}


@example([(game(HALF, **OVER), None), (game(replace(HALF, team_id=AWAY), **OVER), None)])
@settings(
    max_examples=SEQUENCES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(states())
def test_made_up_corrections_in_any_order_follow_the_rules(
    service: Service, feed: FeedServer, states: list[tuple[Game, str | None]]
) -> None:
    check_states(service, states, feed)


# -- recorded ---------------------------------------------------------------------------------------------------------


def recorded_states(recordings: Path, game_id: int) -> list[Game]:
    """Return all recorded states of a game, from any day and in either shape, and its first and second half."""
    paths = [
        *sorted((recordings / "games").glob(f"*/{game_id}.json.gz")),
        *sorted((recordings / "live").glob(f"*{game_id}/*")),
        *sorted((recordings / "refetched").glob(f"{game_id}/*")),
    ]
    whole = [read_recording(path) for path in paths]
    final = max(whole, key=lambda shown: len(shown.plays))
    half = replace(final, plays=final.plays[: len(final.plays) // 2], state=GameState.LIVE)
    return [*whole, half, replace(half, plays=final.plays[len(final.plays) // 2 :])]


@pytest.mark.recordings
@pytest.mark.parametrize("game_id", [2022020804, 2019020611, 2022030411, 2022020001, 2019020007])
def test_recorded_states_in_any_order_follow_the_rules(recordings: Path, service: Service, game_id: int) -> None:
    states = recorded_states(recordings, game_id)
    assert len(states) >= 3
    orders = list(permutations(states))
    for order in random.Random(game_id).sample(orders, min(len(orders), max(2, SEQUENCES // 15))):
        check_states(service, [(state, None) for state in order])
