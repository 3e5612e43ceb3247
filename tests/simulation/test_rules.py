"""Rules that must tell a fault from an exception that the documentation admits, on evidence made by hand."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from db.connection import open_writer
from db.serving import MIGRATIONS
from tests.simulation.evidence import Acknowledged, Act, Death, Evidence, Forgotten, KeptAnswer, Noted, Scoring, Waited
from tests.simulation.league import League
from tests.simulation.rules import Run, bounds, models, requests
from xgserve.client import ServingError

MODEL = "bundled/xg-default:1.0.0@sha256:98cf8b7087ba"
SHOTS: dict[tuple[int, int], dict[str, Any]] = {(2021020329, 10): {}, (2021020329, 11): {}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(Evidence(lambda: 0.0, lambda: None), League(Random(1), (), lambda: 0.0), Counter(), tmp_path)


def ask(run: Run, at_s: float, process: str, key: str) -> None:
    run.evidence.requests.append(Noted(at_s, "cron#1", key, MODEL, SHOTS))
    run.evidence.scorings.append(Scoring(at_s, process, int(process[-1]), MODEL, key, len(SHOTS)))


def test_rows_scored_again_by_the_same_service_break_the_rule(run: Run) -> None:
    ask(run, 1, "service#1", "k")
    assert requests.once(run) == []
    ask(run, 2, "service#1", "k")
    assert [found.rule for found in requests.once(run)] == ["once"]


@pytest.mark.parametrize("dies_at", [1.5, 3.0])
@pytest.mark.parametrize("is_kept", [False, True])
def test_rows_scored_again_are_admitted_only_if_the_service_died_before_their_answer_was_on_disk(
    run: Run, dies_at: float, is_kept: bool
) -> None:
    ask(run, 1, "service#1", "k")
    if is_kept:
        run.evidence.kept.append(KeptAnswer(1.2, "service#1", "k", MODEL))
    run.evidence.deaths.append(Death(dies_at, "service#1", "killed"))
    ask(run, 2, "service#2", "k")
    is_admitted = not is_kept and dies_at < 2
    assert (requests.once(run) == [], sum(run.counts.values())) == (is_admitted, int(is_admitted))


def test_rows_scored_again_are_admitted_if_the_service_could_not_read_its_answers(run: Run) -> None:
    ask(run, 1, "service#1", "k")
    run.evidence.kept.append(KeptAnswer(1.2, "service#1", "k", MODEL))
    run.evidence.deaths.append(Death(1.3, "service#1", "killed"))
    run.evidence.forgotten.append(Forgotten(1.4, "service#2", is_trim=False))
    ask(run, 2, "service#2", "k")
    assert requests.once(run) == []


def test_the_same_rows_under_another_key_break_the_rule(run: Run) -> None:
    ask(run, 1, "service#1", "k")
    run.evidence.deaths.append(Death(1.5, "service#1", "killed"))
    ask(run, 2, "service#2", "other")
    assert [found.rule for found in requests.once(run)] == ["once"]


def test_rows_under_a_key_that_nobody_noted_break_the_rule(run: Run) -> None:
    run.evidence.scorings.append(Scoring(1, "service#1", 1, MODEL, "k", 3))
    assert "nobody noted" in requests.once(run)[0].text


def test_request_may_wait_for_a_retracted_shot_but_not_for_one_that_is_there(run: Run) -> None:
    locks = run.data_dir / "locks"
    locks.mkdir()
    noted = [[MODEL, "k", [[*shot, {}] for shot in SHOTS], [[*shot] for shot in SHOTS]]]
    (locks / "2021020329.questions").write_text(json.dumps(noted))
    run.__dict__.update(shots={shot: {"retracted_at": "then"} for shot in SHOTS}, predictions={}, loaded=(MODEL,))
    assert requests.closed(run) == []
    run.shots[2021020329, 10]["retracted_at"] = None
    assert [found.rule for found in requests.closed(run)] == ["closed"]
    run.__dict__.update(loaded=())
    assert requests.closed(run) == []


def test_model_that_was_acknowledged_must_be_recorded_and_active(run: Run) -> None:
    other = "bundled/xg-distance:1.0.0@sha256:0"
    run.evidence.acknowledged.append(Acknowledged(1, "swap", other, None))
    run.__dict__.update(loaded=(other,))
    with closing(open_writer(run.data_dir / "serving.db", MIGRATIONS)) as connection:
        record(connection, "xg-default")
        assert [found.rule for found in models.recorded_model(run)] == ["recorded model"]
        record(connection, "xg-distance")
    assert models.recorded_model(run) == []
    run.__dict__.update(loaded=(MODEL,))
    assert [found.rule for found in models.recorded_model(run)] == ["recorded model"]


def record(connection: sqlite3.Connection, model: str) -> None:
    connection.execute(
        "INSERT INTO activations (at, workspace, model, version, digest, source) VALUES ('', ?, ?, ?, '', 'bundled')",
        ("bundled", model, "1.0.0"),
    )


def test_change_that_may_have_come_about_later_leaves_the_model_open(run: Run) -> None:
    run.evidence.acknowledged.append(Acknowledged(1, "swap", "bundled/xg-distance:1.0.0@sha256:0", None))
    run.__dict__.update(loaded=(MODEL,))
    with pytest.raises(ZeroDivisionError), run.evidence.act("operator", "swap", "xg-default"):
        raise ZeroDivisionError
    assert models.recorded_model(run) == []


def test_change_that_nobody_was_told_of_may_have_replaced_an_earlier_one(run: Run) -> None:
    other = "bundled/xg-distance:1.0.0"
    run.evidence.acknowledged.append(Acknowledged(1, "load", None, None, 0.5, other))
    run.evidence.acknowledged.append(Acknowledged(9, "swap", MODEL, None, 8, MODEL.partition("@")[0]))
    run.__dict__.update(loaded=(MODEL,))
    with closing(open_writer(run.data_dir / "serving.db", MIGRATIONS)) as connection:
        record(connection, "xg-default")
    assert [found.rule for found in models.recorded_model(run)] == ["recorded model"]
    run.evidence.acts.append(Act(2, "operator#2", "operator", "swap", other))  # it died, and then the service
    run.evidence.deaths.append(Death(4, "service#1", "killed"))
    assert models.recorded_model(run) == []
    run.evidence.acts[-1].error = ServingError("refused", status=409)
    assert [found.rule for found in models.recorded_model(run)] == ["recorded model"]
    run.evidence.acts[-1].error = ServingError("the answer was cut off", status=200)
    assert models.recorded_model(run) == []


def test_wait_breaks_the_rule_beyond_its_bound(run: Run) -> None:
    run.evidence.waits.append(Waited(1, "cron#1", "a lock", 20.5, 20.0))
    assert bounds.bounded(run) == []
    run.evidence.waits.append(Waited(1, "cron#1", "a lock", 24.0, 20.0))
    assert [found.rule for found in bounds.bounded(run)] == ["bounded"]
