"""The training frame of recorded seasons, downloading those that are asked for and not there."""

from collections.abc import Callable, Collection, Iterator

import pandas as pd

from livegame.exceptions import FeedError
from livegame.feed import Feed
from livegame.frames import training_frame
from livegame.plays import Game
from livegame.seasons import download_season, find_seasons, read_season
from livegame.settings import Settings


class NoRecordings(FeedError):
    """There is nothing to train on."""


def recorded_seasons(settings: Settings) -> list[int]:
    """The complete seasons below the folder of recordings, oldest first."""
    return list(find_seasons(settings.recordings))


def load_frame(settings: Settings, wanted: Collection[int], report: Callable[[str], None]) -> pd.DataFrame:
    """`livegame.features.training_frame` of the wanted seasons, or of all recorded ones if none is named.

    Raises:
        NoRecordings: no season is recorded and none was named, or a named one has no finished game.
        FeedError: a season could not be downloaded or read.
    """
    recorded = find_seasons(settings.recordings)
    if not wanted and not recorded:
        raise NoRecordings(
            f"no recorded season below {settings.recordings}; point XG_RECORDINGS at some, or name one to download with"
            " --season, such as --season 20232024"
        )
    folders = {}
    for season in wanted or recorded:
        folders[season] = recorded.get(season) or download_season(
            season, settings.recordings / "seasons", Feed(settings.feed_url).read, report=report
        )

    def games() -> Iterator[Game]:
        for season, folder in sorted(folders.items()):
            report(f"reading season {season} from {folder}")
            yield from read_season(folder)

    frame = training_frame(games())
    without = sorted(set(folders) - set(frame["season"]))
    if without:
        raise NoRecordings(f"no finished game of {', '.join(map(str, without))} to train on")
    return frame
