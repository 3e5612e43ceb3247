"""Team colours that can be read on white and on black, and that colour-blind people tell apart."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Final

from coloraide import Color

BACKGROUNDS: Final = ("#ffffff", "#1a1a18")  # of the light and the dark theme
CONTRAST: Final = 3.0  # WCAG 2.2, 1.4.11: what graphics need
APART: Final = 0.12  # difference in OKLab, with full and with deficient colour vision
VISIONS: Final = ("protan", "deutan", "tritan")
NEUTRAL: Final = ("#d55e00", "#3b82c4")  # vermilion and blue, for teams that are not listed

# The two colours that each club is known by, the first one first.
_CLUBS: Final = {
    "ANA": ("#f47a38", "#b9975b"),
    "ARI": ("#8c2633", "#b9a77c"),
    "ATL": ("#041e42", "#c8102e"),
    "BOS": ("#ffb81c", "#5b5f66"),
    "BUF": ("#003087", "#ffb81c"),
    "CAR": ("#cc0000", "#7d868c"),
    "CBJ": ("#002654", "#ce1126"),
    "CGY": ("#d2001c", "#faaf19"),
    "CHI": ("#cf0a2c", "#5b5f66"),
    "COL": ("#6f263d", "#236192"),
    "DAL": ("#006847", "#8f8f8c"),
    "DET": ("#ce1126", "#7d868c"),
    "EDM": ("#ff4c00", "#041e42"),
    "FLA": ("#c8102e", "#041e42"),
    "LAK": ("#6a7075", "#572a84"),
    "MIN": ("#154734", "#a6192e"),
    "MTL": ("#af1e2d", "#192168"),
    "NJD": ("#ce1126", "#00843d"),
    "NSH": ("#ffb81c", "#041e42"),
    "NYI": ("#00539b", "#f47d30"),
    "NYR": ("#0038a8", "#ce1126"),
    "OTT": ("#c52032", "#c2912c"),
    "PHI": ("#f74902", "#5b5f66"),
    "PHX": ("#8c2633", "#b9a77c"),
    "PIT": ("#fcb514", "#5b5f66"),
    "SEA": ("#4f9ba8", "#e9072b"),
    "SJS": ("#006d75", "#ea7200"),
    "STL": ("#002f87", "#fcb514"),
    "TBL": ("#002868", "#7d868c"),
    "TOR": ("#00205b", "#7d868c"),
    "UTA": ("#71afe5", "#5b5f66"),
    "VAN": ("#00205b", "#00843d"),
    "VGK": ("#b4975a", "#333f42"),
    "WPG": ("#041e42", "#ac162c"),
    "WSH": ("#c8102e", "#041e42"),
}


@cache
def team_colours(away: str, home: str) -> tuple[str, str]:
    """Colours of the two teams of a game, away first, by their abbreviations.

    Each club's first colour, in a shade that stands out on both backgrounds; where the two are too alike for anybody,
    the second colour of one of them, the away team's before the home team's.
    """
    return next(pair for pair in _pairs(away, home) if apart(*pair) >= APART)


def apart(one: str, other: str) -> float:
    """How different two colours are for whoever tells them apart worst, as a distance in OKLab."""
    pairs = [(Color(one), Color(other))]
    pairs += [(Color(one).filter(vision), Color(other).filter(vision)) for vision in VISIONS]
    return min(a.delta_e(b, method="ok") for a, b in pairs)


def contrast(colour: str) -> float:
    """The lower one of a colour's contrasts with the two backgrounds (WCAG 2.2)."""
    return float(min(Color(colour).contrast(background) for background in BACKGROUNDS))


def _pairs(away: str, home: str) -> Iterator[tuple[str, str]]:
    ours, theirs = (_CLUBS.get(team, NEUTRAL[::-1] if team == home else NEUTRAL) for team in (away, home))
    for (second_home, home_colour), (second_away, away_colour) in product(enumerate(theirs), enumerate(ours)):
        if not (second_home and second_away):
            yield _shade(away_colour), _shade(home_colour)
    yield NEUTRAL


@cache
def _shade(colour: str) -> str:
    """The colour, as light or as dark as it must be to stand out on both backgrounds; its hue stays."""
    shade = Color(colour).convert("oklch")
    step = -0.01 if shade.luminance() > 0.2 else 0.01
    while contrast(written := shade.convert("srgb").fit(method="oklch-chroma").to_string(hex=True)) < CONTRAST:
        shade["lightness"] += step
    return written
