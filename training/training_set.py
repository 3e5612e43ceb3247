"""The training frame of recorded seasons; a named season that is missing is downloaded."""

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Final

import pandas as pd

from livegame.features.frames import training_frame
from livegame.feed import Feed
from livegame.recordings.files import Recording
from livegame.recordings.seasons import download_season, find_seasons, is_counted, season_recordings
from livegame.recordings.workers import open_workers
from livegame.settings import ClientSettings
from training.errors import NoRecordings

BATCH: Final = 64  # games that a worker gets at a time


def recorded_seasons(settings: ClientSettings) -> list[int]:
    """Return the complete seasons below the folder of recordings, oldest first."""
    return list(find_seasons(settings.recordings))


def load_frame(
    settings: ClientSettings, wanted: Collection[int], report: Callable[[str], None], cluster: str | None = None
) -> pd.DataFrame:
    """Return the training frame of the wanted seasons, or of all recorded ones if none is named.

    It is computed on all cores of this machine, or on the Dask cluster at the address `cluster`.

    Raises:
        NoRecordings: no season is recorded and none was named, or a named one has no finished game.
        FeedError: a season could not be downloaded or read.
        WorkersUnavailable: the cluster cannot be used.
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
            season, settings.recordings / "seasons", Feed(settings.feed_url, settings.user_agent).read, report=report
        )

    def recordings() -> Iterator[Recording]:
        for season, folder in sorted(folders.items()):
            report(f"reading season {season} from {folder}")
            yield from season_recordings(folder)

    with open_workers(cluster) as workers:
        every = recordings()
        frames = list(workers.map(_frame, iter(lambda: list(islice(every, BATCH)), [])))
    # an empty frame would turn the columns of the others into objects
    frame = pd.concat([part for part in frames if len(part)] or [training_frame([])], ignore_index=True)
    without = sorted(set(folders) - set(frame["season"]))
    if without:
        raise NoRecordings(f"no finished game of {', '.join(map(str, without))} to train on")
    return frame


def _frame(recordings: list[Recording]) -> pd.DataFrame:
    return training_frame(game for recording in recordings if is_counted(game := recording.game()))
