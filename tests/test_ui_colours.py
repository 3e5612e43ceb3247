"""Team colours: seen on both backgrounds, told apart by everybody, still the clubs' own."""

from itertools import permutations

import pytest
from coloraide import Color

from ui.colours import _CLUBS, APART, CONTRAST, NEUTRAL, apart, contrast, team_colours


@pytest.mark.parametrize("club", sorted(_CLUBS))
def test_a_clubs_games_are_readable_whoever_it_meets(club: str) -> None:
    for away, home in [*((club, other) for other in _CLUBS if other != club), (club, "???"), ("???", club)]:
        colours = team_colours(away, home)
        assert min(map(contrast, colours)) >= CONTRAST, (away, home)
        assert apart(*colours) >= APART, (away, home)


def test_most_games_show_a_colour_of_either_club() -> None:
    games = list(permutations(_CLUBS, 2))
    assert sum(team_colours(*game) == NEUTRAL for game in games) < len(games) / 15


def test_red_and_green_count_as_alike() -> None:
    assert Color("#a8743a").delta_e("#5f8f3a", method="ok") > apart("#a8743a", "#5f8f3a")
    assert apart("#ce1126", "#ce1126") == 0


def test_a_shade_keeps_the_hue() -> None:
    blue, red = (Color(colour).convert("oklch")["hue"] for colour in team_colours("WSH", "CAR"))
    assert 240 < blue < 270
    assert 20 < red < 40
