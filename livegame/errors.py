"""What can go wrong between the NHL's feed and a stored shot. Every message says what to do next."""


class LiveGameError(Exception):
    """Base of the errors that the game client raises itself."""


class InvalidGameId(LiveGameError):
    """The game id is not one of the league's ten-digit numbers."""


class FeedError(LiveGameError):
    """The feed did not give a usable answer."""


class GameNotFound(FeedError):
    """The feed knows no game of this id."""


class FeedUnavailable(FeedError):
    """The feed could not be reached, or kept failing, within the time allowed."""


class FeedMalformed(FeedError):
    """The feed answered with something that is not a game: HTML, half a document, an unknown shape."""


class UnexpectedError(LiveGameError):
    """A fault of this program, or of a library, that nobody foresaw: the log has its traceback."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"unexpected {type(error).__name__}: {str(error)[:200] or 'no details'}; this is a fault of the program,"
            " please report it with the log's last lines"
        )


class GameBusy(LiveGameError):
    """Another ping of the same game has been at work for longer than we wait."""

    def __init__(self, game_id: int, waited_s: float) -> None:
        super().__init__(f"game {game_id} has been pinged by another process for {waited_s:g} s; try again in a moment")
        self.game_id = game_id
