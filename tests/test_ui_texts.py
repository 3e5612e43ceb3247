"""What the page says, word by word."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.history import History
from livegame.client import Ping
from tests.conftest import Service
from tests.games import play
from tests.ui_reports import SHOTS, report_of
from ui import texts
from xgserve.client import ServiceUnavailable


def test_a_ping_is_told_in_numbers(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    events = tuple(report.shots["event_id"])
    nothing = Ping(report.game_id, (), (), 0, History(tmp_path / "history.db"))
    assert texts.ping_words(nothing) == "Nothing new"
    assert texts.ping_words(replace(nothing, new=events, scored=4)) == "4 new shots"
    assert texts.ping_words(replace(nothing, new=events[:1], scored=4)) == "1 new shot, 4 shots scored"
    assert texts.ping_words(replace(nothing, scored=4)) == "4 shots scored"


def test_the_score_line_holds_both_counts_and_their_signed_difference(tmp_path: Path, service: Service) -> None:
    team = replace(report_of(tmp_path, service.url, *SHOTS).home, xg=2.314, goals=2, difference=0.314)
    assert (texts.xg_and_goals(team), texts.difference(team)) == ("2.31 (2)", "+0.31")
    assert texts.difference(replace(team, difference=-0.31)) == "-0.31"
    assert texts.difference(replace(team, difference=-0.001)) == "+0.00"


def test_pending_shots_are_told_with_the_reason(tmp_path: Path, service: Service) -> None:
    with pytest.raises(ServiceUnavailable):
        report_of(tmp_path, "http://127.0.0.1:9", *SHOTS)
    untyped = play(900, "shot-on-goal", 100, x=70, y=1, shot_type=None)
    report = report_of(tmp_path, service.url, *SHOTS, untyped, play(901, "missed-shot", 120, x=None, y=None))
    assert texts.pending_words(report, report.away) is None
    assert texts.pending_words(report, report.home) == (
        "2 shots pending: the league has not told the coordinates and shot type yet"
    )


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-01-01T11:59:48.000Z", "12 s ago"),
        ("2026-01-01T11:57:59.000Z", "2 min ago"),
        ("2026-01-01T09:00:00.000Z", "3 h ago"),
        ("2025-12-29T12:00:00.000Z", "3 d ago"),
        ("2026-01-01T12:00:05.000Z", "0 s ago"),  # another machine's clock
    ],
)
def test_ages(moment: str, words: str) -> None:
    assert texts.ago(moment, datetime(2026, 1, 1, 12, tzinfo=UTC)) == words


def test_text_from_outside_is_not_taken_for_markdown() -> None:
    assert texts.plain("**a** [b](http://c) :red[d] <i> $e$") == (
        r"\*\*a\*\* \[b\]\(http\://c\) \:red\[d\] \<i\> \$e\$"
    )


def test_corrections_are_told_in_words_until_they_are_undone(tmp_path: Path, service: Service) -> None:
    faceoff, shot, miss, goal, other = SHOTS
    report = report_of(tmp_path, service.url, *SHOTS)
    assert texts.correction_words(report) == ""
    report = report_of(tmp_path, service.url, *SHOTS[:4], replace(other, x=-30))
    assert texts.correction_words(report).startswith("The league has amended 1 shot since.")
    report = report_of(tmp_path, service.url, faceoff, shot, miss, replace(goal, kind="shot-on-goal"))
    assert texts.correction_words(report).startswith(
        "The league has taken back 1 shot and changed the outcome of 1 shot since."
    )
    report = report_of(tmp_path, service.url, *SHOTS)
    assert {*report.corrections["what"]} == {"amended", "retracted", "restored", "outcome"}
    assert texts.correction_words(report) == ""
