"""How the page writes numbers, dates and text from outside."""

import re
from datetime import UTC, datetime

import pytest

from ui import words


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
def test_age_is_rounded_down_to_one_unit(moment: str, text: str) -> None:
    assert words.ago(moment, datetime(2026, 1, 1, 12, tzinfo=UTC)) == text


def test_markdown_in_text_from_outside_is_escaped() -> None:
    assert words.plain("**a** [b](c) :red[d] <i> $e$ &lt;") == (r"\*\*a\*\* \[b\]\(c\) \:red\[d\] \<i\> \$e\$ \&lt;")


@pytest.mark.parametrize(
    "text",
    ["http://evil.example/x", "HTTPS://evil.example", "see www.evil.example", "mail@evil.example"],
)
def test_address_in_text_from_outside_is_no_link(text: str) -> None:
    said = words.plain(text).replace("\\", "")
    assert not re.search(r"https?://|www\.|@\w", said, re.IGNORECASE)
    assert said.replace("\N{WORD JOINER}", "") == text


@pytest.mark.parametrize(
    "name",
    ["http://evil.example", "HTTPS://evil.example/x", "www.evil.example", "a@evil.example", "mailto:a@evil.example"],
)
def test_address_in_a_name_is_no_link(name: str) -> None:
    """GitHub's Markdown makes links of these (https://github.github.com/gfm/#autolinks-extension-), escaped or not."""
    written = re.sub(r"\\(.)", r"\1", words.plain(name))
    assert not re.search(r"https?://|www\.|[-.\w+]@[-\w]", written, re.IGNORECASE)
    assert written.replace("\u2060", "") == name


@pytest.mark.parametrize(
    ("text", "said"),
    [("is it running?", "Is it running?"), ("it is away", "It is away."), ("no.", "No."), ("Stop!", "Stop!")],
)
def test_sentence_has_one_final_mark(text: str, said: str) -> None:
    assert words.sentence(text) == said


@pytest.mark.parametrize(
    ("note", "text"),
    [
        ("game 3: startTimeUTC is missing", "game 3: the start time is missing"),
        ("gameState is 'HALT'; treated as live", "the game state is 'HALT'; treated as live"),
        ("event 13: details.xCoord is 'abc'", "event 13: the location is 'abc'"),
        ("homeTeam.name.default is 5", "the home team's name is 5"),
        ("awayTeam is a list", "the away team is a list"),
        ("play 1: about.eventId is -13", "play 1: the number is -13"),
        ("event 11 is listed twice; the first counts", "event 11 is listed twice; the first counts"),
        ("someNewField is missing", "the some new field is missing"),
    ],
)
def test_note_on_the_feed_has_no_field_names(note: str, text: str) -> None:
    assert words.league_words(note) == text


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "0%"), (0.004, "<1%"), (0.006, "1%"), (0.5, "50%"), (0.994, "99%"), (0.996, ">99%"), (1.0, "100%")],
)
def test_chance_that_is_not_certain_is_neither_0_nor_100_percent(probability: float, text: str) -> None:
    assert words.chance_words(probability) == text
