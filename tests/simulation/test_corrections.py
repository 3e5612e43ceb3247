"""The rule on the league's corrections, on a history of a made-up game and on the same one with a false note."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from db.history import History, Scores
from livegame.features.rows import game_update
from tests.simulation.evidence import Evidence
from tests.simulation.league import League
from tests.simulation.rules import Run
from tests.simulation.rules.corrections import corrected
from tests.simulation.truth import GamePlan, versions

GAME = 2025020001
PLAN = GamePlan(GAME, "made", 10.0, 100.0, 3)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run in which each version of a game was stored, and each shot was scored when it came."""
    history = History(tmp_path / "history.db")
    scored: set[int] = set()
    for version in versions(PLAN):
        update = game_update(version.game)
        new = [shot for shot in update.shots if shot.event_id not in scored]
        scored |= {shot.event_id for shot in new}
        inputs = [(shot.event_id, 0.1, {"x": shot.features["x"], "is_home": shot.features["is_home"]}) for shot in new]
        history.record_all([replace(update, scores=Scores("model", "unblocked", inputs))])
    league = League(Random(1), (PLAN,), lambda: 0.0)
    return Run(Evidence(lambda: 0.0, lambda: None), league, Counter(), tmp_path)


def test_notes_of_a_game_with_all_kinds_of_corrections_lead_to_its_end(run: Run) -> None:
    assert corrected(run) == []
    kinds = {row["what"] for row in run.rows("SELECT what FROM corrections")}
    assert kinds == {"retracted", "restored", "outcome", "amended"}


@pytest.mark.parametrize(
    "false",
    [
        "DELETE FROM corrections WHERE what = 'restored'",
        "DELETE FROM corrections WHERE what = 'retracted'",
        "UPDATE corrections SET after = 'missed-shot' WHERE what = 'outcome' AND after = 'goal'",
        "UPDATE predictions SET amended_at = NULL WHERE amended_at IS NOT NULL",
        "UPDATE predictions SET amended_at = 'then' WHERE amended_at IS NULL",
    ],
)
def test_false_note_breaks_the_rule(run: Run, false: str) -> None:
    with closing(sqlite3.connect(run.history)) as connection, connection:
        assert connection.execute(false).rowcount
    assert {found.rule for found in corrected(run)} == {"corrected"}
