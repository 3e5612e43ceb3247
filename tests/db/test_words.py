"""Words as people type them in a search."""

import pytest

from db.words import folded


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("St\u00fctzle", "stutzle"),
        ("Montr\u00e9al", "montreal"),
        ("Montre\u0301al", "montreal"),  # the same in two characters
        ("Slafkovsk\u00fd", "slafkovsky"),
        ("S\u00f8ren \u0141ukasz \u00d0uro", "soren lukasz duro"),
        ("Gro\u00df", "gross"),
        ("O\u2019Reilly", "o'reilly"),
        ("Ekman\u2010Larsson", "ekman-larsson"),
        ("\u0130lker", "ilker"),
    ],
)
def test_folded_text_ignores_accents_and_case(written: str, typed: str) -> None:
    assert folded(written) == folded(written.upper()) == typed
