"""An answer of either feed into a `Game`.

A play that cannot be read is left out and named in the game's `problems`; only what a game is nothing without, its id
and its teams, has the whole answer refused.
"""

from typing import Any

from livegame.errors import FeedMalformed
from livegame.parsing.gamecenter import parse_present
from livegame.parsing.readers import Unreadable
from livegame.parsing.statsapi import parse_legacy
from livegame.plays import Game


def parse_game(feed: Any) -> Game:
    """Read one answer of either feed.

    Raises:
        FeedMalformed: it is not a game in a shape we know; the message names what was missing.
    """
    if not isinstance(feed, dict):
        raise FeedMalformed(f"expected a game's JSON object from the feed, got {type(feed).__name__}")
    try:
        if "plays" in feed and "homeTeam" in feed:
            return parse_present(feed)
        if "liveData" in feed:
            return parse_legacy(feed)
    except Unreadable as problem:
        raise FeedMalformed(f"the feed's answer is not a play-by-play that we can read: {problem}") from problem
    raise FeedMalformed("the feed's answer is not a play-by-play: it has neither plays nor liveData")
