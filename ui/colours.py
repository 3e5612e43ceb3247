"""Team colours that stand out on the page's background and differ enough for every kind of colour vision."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Final, Literal, NamedTuple

from coloraide import Color

Theme = Literal["light", "dark"]

BACKGROUNDS: Final[dict[Theme, str]] = {"light": "#ffffff", "dark": "#1a1a18"}
INK: Final[dict[Theme, str]] = {"light": "#31333f", "dark": "#e6e6e4"}  # of text in charts
CONTRAST: Final = 3.0  # WCAG 2.2, 1.4.11: for graphics
APART: Final = 0.18  # difference in OKLab with full colour vision
APART_DEFICIENT: Final = 0.12  # and with each deficiency
VISIONS: Final = ("protan", "deutan", "tritan")
NEUTRAL: Final = ("#d55e00", "#3b82c4")  # vermilion and blue, for teams that are not listed


class TeamColours(NamedTuple):
    """The colours of a game's teams, for marks; text uses `ink`, since team colours have too little contrast."""

    away: str
    home: str
    ink: str = INK["light"]
    paper: str = BACKGROUNDS["light"]  # the page's background


# The two colours that each club is known by, the better known first.
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
def team_colours(away: str, home: str, theme: Theme = "light") -> TeamColours:
    """Return the colours of a game's two teams, by their abbreviations, on a theme's background.

    Use each club's first colour, in a shade that stands out on the background. If the two are too alike, try the away
    team's second colour, then the home team's, then both; else use two neutral colours.
    """
    return TeamColours(
        *next(pair for pair in _pairs(away, home, theme) if are_apart(*pair)), INK[theme], BACKGROUNDS[theme]
    )


def are_apart(one: str, other: str) -> bool:
    """Return whether two colours differ enough with full vision and with each deficiency."""
    return difference(one, other) >= APART and all(difference(one, other, v) >= APART_DEFICIENT for v in VISIONS)


def difference(one: str, other: str, vision: str | None = None) -> float:
    """Return the distance of two colours in OKLab, with full vision or with a deficiency of `VISIONS`."""
    first, second = (Color(colour) if vision is None else Color(colour).filter(vision) for colour in (one, other))
    return float(first.delta_e(second, method="ok"))


def contrast(colour: str, theme: Theme) -> float:
    """Return a colour's contrast with a theme's background (WCAG 2.2)."""
    return float(Color(colour).contrast(BACKGROUNDS[theme]))


def _pairs(away: str, home: str, theme: Theme) -> Iterator[tuple[str, str]]:
    ours, theirs = (_CLUBS.get(team, NEUTRAL[::-1] if team == home else NEUTRAL) for team in (away, home))
    for home_colour, away_colour in product(theirs, ours):
        yield _shade(away_colour, theme), _shade(home_colour, theme)
    yield _shade(NEUTRAL[0], theme), _shade(NEUTRAL[1], theme)


@cache
def _shade(colour: str, theme: Theme) -> str:
    """Return the colour, lightened or darkened until it stands out on the background; its hue stays."""
    shade = Color(colour).convert("oklch")
    step = -0.01 if theme == "light" else 0.01
    while contrast(written := shade.convert("srgb").fit(method="oklch-chroma").to_string(hex=True), theme) < CONTRAST:
        shade["lightness"] += step
    return written
