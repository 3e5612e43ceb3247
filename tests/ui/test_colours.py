"""Team colours: visible on the page's background, told apart by every reader, still the clubs' own."""

from itertools import permutations

import pytest
from coloraide import Color

from ui.colours import (
    _CLUBS,
    APART,
    APART_DEFICIENT,
    BACKGROUNDS,
    CONTRAST,
    INK,
    NEUTRAL,
    VISIONS,
    Theme,
    contrast,
    difference,
    team_colours,
)

THEMES: tuple[Theme, ...] = ("light", "dark")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("club", sorted(_CLUBS))
def test_club_colours_against_any_opponent_are_readable(club: str, theme: Theme) -> None:
    for away, home in [*((club, other) for other in _CLUBS if other != club), (club, "???"), ("???", club)]:
        colours = team_colours(away, home, theme)
        both = (colours.away, colours.home)
        assert min(contrast(colour, theme) for colour in both) >= CONTRAST, (away, home)
        assert difference(*both) >= APART == 0.18, (away, home)
        assert min(difference(*both, vision) for vision in VISIONS) >= APART_DEFICIENT, (away, home)


@pytest.mark.parametrize("theme", THEMES)
def test_most_games_show_club_colours(theme: Theme) -> None:
    games = list(permutations(_CLUBS, 2))
    assert sum(team_colours(*game, theme)[:2] == NEUTRAL for game in games) < len(games) / 30


def test_red_and_green_are_close_for_deficient_vision() -> None:
    red_and_green = ("#a8743a", "#5f8f3a")
    assert difference(*red_and_green) > min(difference(*red_and_green, vision) for vision in VISIONS)
    assert difference("#ce1126", "#ce1126") == 0


def test_shade_keeps_the_hue_and_suits_the_background() -> None:
    for theme in THEMES:
        blue, red = (Color(colour).convert("oklch")["hue"] for colour in team_colours("WSH", "CAR", theme)[:2])
        assert 240 < blue < 270
        assert 20 < red < 40
    light, dark = (team_colours("VAN", "SJS", theme).away for theme in THEMES)
    assert Color(dark).luminance() > Color(light).luminance()


@pytest.mark.parametrize("theme", THEMES)
def test_words_beside_the_colours_have_enough_contrast(theme: Theme) -> None:
    assert Color(INK[theme]).contrast(BACKGROUNDS[theme]) >= 4.5  # WCAG 2.2, 1.4.3
    assert team_colours("WSH", "CAR", theme).ink == INK[theme]
