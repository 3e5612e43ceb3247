"""From an answer of either feed to a `Game`.

An unreadable play is left out and named in the game's `problems`. Only a field that every game needs, such as its
id, rejects the whole answer.
"""

from collections.abc import Iterator
from typing import Any

from livegame.errors import FeedMalformed
from livegame.parsing.gamecenter import parse_gamecenter
from livegame.parsing.readers import Unreadable
from livegame.parsing.statsapi import parse_statsapi
from livegame.plays import Game


def parse_game(feed: Any) -> Game:
    """Read one answer of either feed.

    Raises:
        FeedMalformed: it is not a game in a known shape; the message names what is missing.
    """
    if not isinstance(feed, dict):
        raise FeedMalformed(f"expected a game's JSON object from the feed, got {type(feed).__name__}")
    try:
        if "plays" in feed and "homeTeam" in feed:
            return parse_gamecenter(feed)
        if "liveData" in feed:
            return parse_statsapi(feed)
    except Unreadable as problem:
        raise FeedMalformed(f"the feed's answer is not a readable play-by-play: {problem}") from problem
    raise FeedMalformed("the feed's answer is not a play-by-play: it has neither plays nor liveData")


def cut_after_each_play(feed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a readable answer of either feed as it was after each of its plays, in the order of the clock."""
    if "plays" in feed:
        plays = sorted(feed["plays"], key=lambda raw: (raw["periodDescriptor"]["number"], raw["timeInPeriod"]))
        for end in range(1, len(plays) + 1):
            yield feed | {"plays": plays[:end]}
    else:
        live = feed["liveData"]
        plays = sorted(live["plays"]["allPlays"], key=lambda raw: (raw["about"]["period"], raw["about"]["periodTime"]))
        for end in range(1, len(plays) + 1):
            yield feed | {"liveData": live | {"plays": live["plays"] | {"allPlays": plays[:end]}}}
