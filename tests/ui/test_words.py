"""What the page says, word by word."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from db.history import History
from livegame.client import Ping
from livegame.reports.counting import Count
from livegame.reports.game import TeamTotals, game_report
from livegame.reports.sums import Sums
from tests.conftest import Service
from tests.games import GAME_ID, play
from tests.ui.reports import SHOTS, report_of
from ui import words
from ui.parts.corrections import correction_sentence
from xgserve.client import ServiceUnavailable


def test_a_ping_is_told_in_numbers(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    events = tuple(report.shots["event_id"])
    nothing = Ping(report.game_id, (), (), 0, History(tmp_path / "history.db"))
    assert words.ping_words(nothing) == "Nothing new"
    assert words.ping_words(replace(nothing, new=events, scored=4)) == "4 new attempts"
    assert words.ping_words(replace(nothing, new=events[:1], scored=4)) == "1 new attempt, 4 attempts rated"
    assert words.ping_words(replace(nothing, scored=4)) == "4 attempts rated"


def test_the_score_line_holds_both_counts_and_their_difference_in_words(tmp_path: Path, service: Service) -> None:
    home = report_of(tmp_path, service.url, *SHOTS).home

    def team(**sums: float) -> TeamTotals:
        expected: dict[str, Any] = {"xg": 2.314, "goals": 2, "difference": 0.314}
        return replace(home, counted=replace(home.counted, **expected | sums))

    assert words.xg_and_goals(team()) == "2.31 (2)"
    assert words.difference_words(team()) == "0.31 fewer goals than expected"
    assert words.difference_words(team(difference=-0.31)) == "0.31 more goals than expected"
    assert words.difference_words(team(difference=-0.001)) == "as many goals as expected"
    assert words.difference_words(team(pending=3, pending_goals=0)) == "0.31 fewer goals than expected"
    assert words.difference_words(team(pending=3, pending_goals=1)) == ""


def test_numbers_have_a_real_minus() -> None:
    assert [words.signed(value) for value in (0.314, -0.314, -0.001)] == ["+0.31", "\N{MINUS SIGN}0.31", "+0.00"]


def test_what_the_number_leaves_out_stands_beside_it(tmp_path: Path, service: Service) -> None:
    team = report_of(tmp_path, service.url, *SHOTS).home
    assert all(words.beside_words(team, counted) == "" for counted in Count)
    team = replace(team, empty_net=Sums(shots=2, xg=1.534, goals=1), others=Sums(shots=3, xg=0.2, pending=1))
    assert words.beside_words(team, Count.ALL) == "1.53 (1) of it at an empty net"
    assert words.beside_words(replace(team, others=Sums()), Count.NO_EMPTY_NET) == "+ 1.53 (1) empty net"
    assert words.beside_words(team, Count.FIVE_ON_FIVE) == (
        "+ 0.20 (0), 1 not rated yet at other strengths + 1.53 (1) empty net"
    )


def test_pending_shots_are_told_with_the_team_and_the_reason(tmp_path: Path, service: Service) -> None:
    with pytest.raises(ServiceUnavailable):
        report_of(tmp_path, "http://127.0.0.1:9", *SHOTS)
    report = game_report(History(tmp_path / "history.db"), GAME_ID)
    assert report is not None
    assert words.pending_words(report.home) == "+ 2 not rated yet (1 goal among them)"
    assert words.pending_words(report.away) == "+ 2 not rated yet"
    assert words.waiting_words(report) == (
        "4 attempts wait for the model; they are kept, and the page catches up by itself."
    )
    untyped = play(900, "shot-on-goal", 100, x=70, y=1, shot_type=None)
    report = report_of(tmp_path, service.url, *SHOTS, untyped, play(901, "missed-shot", 120, x=None, y=None))
    assert words.pending_words(report.away) == ""
    assert words.pending_words(report.home) == "+ 2 not rated yet"
    assert words.waiting_words(report) == ("The league has not told the coordinates and shot type of 2 attempts yet.")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-01-01T11:59:48.000Z", "12 s ago"),
        ("2026-01-01T11:57:59.000Z", "2 min ago"),
        ("2026-01-01T09:00:00.000Z", "3 h ago"),
        ("2025-12-29T12:00:00.000Z", "3 d ago"),
        ("2026-01-01T12:00:05.000Z", "0 s ago"),  # another machine's clock
    ],
)
def test_ages(moment: str, text: str) -> None:
    assert words.ago(moment, datetime(2026, 1, 1, 12, tzinfo=UTC)) == text


def test_text_from_outside_is_not_taken_for_markdown() -> None:
    assert words.plain("**a** [b](c) :red[d] <i> $e$ &lt;") == (r"\*\*a\*\* \[b\]\(c\) \:red\[d\] \<i\> \$e\$ \&lt;")


@pytest.mark.parametrize(
    "text",
    ["http://evil.example/x", "HTTPS://evil.example", "see www.evil.example", "mail@evil.example"],
)
def test_no_text_becomes_a_link_by_itself(text: str) -> None:
    said = words.plain(text).replace("\\", "")
    assert not re.search(r"https?://|www\.|@\w", said, re.IGNORECASE)
    assert said.replace("\N{WORD JOINER}", "") == text


@pytest.mark.parametrize(
    ("game_id", "game_type", "text"),
    [
        (2021020329, 2, "Regular season 2021-22"),
        (2021030236, 3, "Playoffs 2021-22, round 2, game 6"),
        (2021030002, 3, "Playoffs 2021-22"),
        (2021010012, 1, "Preseason 2021-22"),
        (2021190001, 19, "4 Nations Face-Off 2021-22"),
        (2021990001, 99, "Other competition 2021-22"),
    ],
)
def test_what_a_game_is_part_of(tmp_path: Path, service: Service, game_id: int, game_type: int, text: str) -> None:
    report = report_of(tmp_path, service.url, *SHOTS, game_id=game_id, game_type=game_type)
    assert words.competition_words(report) == text
    assert words.date_words(report.date) == "Sun 28 Nov 2021"


def test_corrections_are_counted_by_shot_until_they_are_undone(tmp_path: Path, service: Service) -> None:
    faceoff, shot, miss, goal, other = SHOTS
    report = report_of(tmp_path, service.url, *SHOTS)
    assert words.correction_words(report) == ""
    report = report_of(tmp_path, service.url, *SHOTS[:4], structs.replace(other, x=-30))
    assert words.correction_words(report) == "The league has corrected 1 shot."
    report = report_of(tmp_path, service.url, faceoff, shot, miss, structs.replace(goal, kind="shot-on-goal"))
    assert words.correction_words(report) == "The league has corrected 2 shots."
    report = report_of(tmp_path, service.url, *SHOTS)
    assert {*report.corrections["what"]} == {"amended", "retracted", "restored", "outcome"}
    assert words.correction_words(report) == ""


@pytest.mark.parametrize(
    ("what", "before", "after", "text"),
    [
        ("retracted", "shot-on-goal", None, "P1 02:42 Tomasino: taken back (shot on goal)"),
        ("restored", None, "goal", "P1 02:42 Tomasino: put back (goal)"),
        ("outcome", "goal", "shot-on-goal", "P1 02:42 Tomasino: Goal, now shot on goal"),
        (
            "amended",
            {"x": 76, "y": 3, "distance": 13.3, "shot_type": "wrist"},
            {"x": 60, "y": 3, "distance": 29.2, "shot_type": None},
            "P1 02:42 Tomasino: moved, 13 ft to 29 ft from the net, type wrist, now unknown; xG 0.14 stays",
        ),
        (
            "amended",
            {"score_difference": 0},
            {"score_difference": 1},
            "P1 02:42 Tomasino: what happened before it, or the score, was corrected; xG 0.14 stays",
        ),
    ],
)
def test_a_correction_is_a_sentence(what: str, before: Any, after: Any, text: str) -> None:
    row = {"period": 1, "time": "02:42", "shooter": "Tomasino", "what": what}
    told = {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in (("before", before), ("after", after))
    }
    assert correction_sentence(row | told, 0.14) == text


@pytest.mark.parametrize(
    "name",
    ["http://evil.example", "HTTPS://evil.example/x", "www.evil.example", "a@evil.example", "mailto:a@evil.example"],
)
def test_an_address_in_a_name_becomes_no_link(name: str) -> None:
    """GitHub's Markdown makes links of these (https://github.github.com/gfm/#autolinks-extension-), escaped or not."""
    written = re.sub(r"\\(.)", r"\1", words.plain(name))
    assert not re.search(r"https?://|www\.|[-.\w+]@[-\w]", written, re.IGNORECASE)
    assert written.replace("\u2060", "") == name


@pytest.mark.parametrize(
    ("text", "said"),
    [("is it running?", "Is it running?"), ("it is away", "It is away."), ("no.", "No."), ("Stop!", "Stop!")],
)
def test_a_sentence_ends_once(text: str, said: str) -> None:
    assert words.sentence(text) == said


@pytest.mark.parametrize(
    ("note", "text"),
    [
        ("game 3: startTimeUTC is missing", "game 3: the start time is missing"),
        ("gameState is 'HALT'; treated as live", "the game state is 'HALT'; treated as live"),
        ("event 13: details.xCoord is 'abc'", "event 13: the place is 'abc'"),
        ("homeTeam.name.default is 5", "the home team's name is 5"),
        ("awayTeam is a list", "the away team is a list"),
        ("play 1: about.eventId is -13", "play 1: the number is -13"),
        ("event 11 is listed twice; the first counts", "event 11 is listed twice; the first counts"),
        ("someNewField is missing", "the some new field is missing"),
    ],
)
def test_a_note_on_the_leagues_answer_is_in_words(note: str, text: str) -> None:
    assert words.league_words(note) == text
