"""The errors of the game client. Each message says what to do next; `exit_code` is what a command ends with.

    LiveGameError
    ├── InvalidGameId           2
    ├── FeatureMapError         2
    ├── FeedError               3
    │   ├── GameNotFound        3
    │   ├── FeedUnavailable     3
    │   └── FeedMalformed       3
    ├── ReplayError             3
    ├── UnknownFeatures         4
    ├── ModelKeepsChanging      4
    ├── GameBusy                6
    ├── RescoreRunning          6
    ├── BackfillBusy            6
    ├── WorkersUnavailable      6
    └── UnexpectedError         7

A class without an exit code inherits its base's. `scripts.command` has the exit codes for the errors of `db` and
`xgserve.client`.
"""

from typing import ClassVar


class LiveGameError(Exception):
    """Base of the errors that the game client raises itself."""

    exit_code: ClassVar[int]


class InvalidGameId(LiveGameError):
    """The game id is not one of the league's ten-digit numbers."""

    exit_code = 2


class FeatureMapError(LiveGameError):
    """The feature map cannot be read."""

    exit_code = 2


class FeedError(LiveGameError):
    """The feed, or a recording of it, did not give a usable answer."""

    exit_code = 3


class GameNotFound(FeedError):
    """The feed knows no game of this id."""


class FeedUnavailable(FeedError):
    """The feed could not be reached, or kept failing, within the time allowed."""


class FeedMalformed(FeedError):
    """The feed answered with something that is not a game: HTML, half a document, an unknown shape."""


class ReplayError(LiveGameError):
    """A recorded game cannot be replayed: the recording is missing, or a file or folder that it needs is unusable."""

    exit_code = 3


class UnknownFeatures(LiveGameError):
    """The model expects columns that are neither our features nor in the feature map."""

    exit_code = 4

    def __init__(self, model: str, names: tuple[str, ...]) -> None:
        super().__init__(
            f"{model} wants columns that this client does not know: {', '.join(names)}; map each to one of our features"
            " in the file that XG_FEATURE_MAP names"
        )
        self.names = names


class ModelKeepsChanging(LiveGameError):
    """The service's model was swapped again and again while it was asked to score the same shots."""

    exit_code = 4


class GameBusy(LiveGameError):
    """Another ping held the game's lock for longer than we wait."""

    exit_code = 6

    def __init__(self, game_id: int, waited_s: float) -> None:
        super().__init__(f"another process has been pinging game {game_id} for {waited_s:g} s; try again in a moment")
        self.game_id = game_id


class RescoreRunning(LiveGameError):
    """Another rescore is running on this data folder."""

    exit_code = 6

    def __init__(self) -> None:
        super().__init__("another rescore is running on this data folder; wait for its end, or stop it")


class BackfillBusy(LiveGameError):
    """Another backfill has been storing games of this data folder for longer than we wait."""

    exit_code = 6

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"another backfill has been storing games for {waited_s:g} s; try again when it is done")


class WorkersUnavailable(LiveGameError):
    """The processes or the cluster that read recordings cannot be used."""

    exit_code = 6


class UnexpectedError(LiveGameError):
    """A fault of this program or of a library that nobody foresaw; the log has its traceback."""

    exit_code = 7

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"unexpected {type(error).__name__}: {str(error)[:200] or 'no details'}; this is a fault of the program,"
            " please report it with the last lines of the log"
        )


class PingedMeanwhile(Exception):
    """Not an error: two other pings completed while this one waited for the lock, so nothing is left to do."""
