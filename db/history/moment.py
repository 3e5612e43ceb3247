"""The moment at which a game is looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a game, by either clock or by both; without any, the game is shown as it stands now.

    By the wall clock, the game is shown as the pings had seen it by then: with the corrections and predictions of then.
    By the game's clock, it is shown as it stood at that second, under what is known today. With both, what was known by
    `wall` is cut at `game_s`.
    """

    game_s: int | None = None  # seconds of play since the game began; the shots of this second are included
    wall: str | None = None  # UTC, as `db.times` writes it; what was stored in this millisecond is included
