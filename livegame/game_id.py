"""The league's game ids, as people type them."""

import re
from typing import Final

from livegame.errors import InvalidGameId

_GAME_ID: Final = re.compile(r"(19|20)\d\d\d\d\d{4}")
_GAME_ID_IN_TEXT: Final = re.compile(r"(?<!\d)(?:19|20)\d{8}(?!\d)", re.ASCII)
_SPACE_IN_NUMBER: Final = re.compile(r"(?<=\d)\s+(?=\d)", re.ASCII)


def valid_game_id(text: str | int) -> int:
    """Return the game id as a number.

    Raises:
        InvalidGameId: it is not one of the league's ten-digit numbers.
    """
    if not _GAME_ID.fullmatch(str(text).strip()):
        raise InvalidGameId(
            f"{str(text)[:40]!r} is not a game id: it has ten digits, the season's first year, the kind of game (02"
            " regular season, 03 playoffs) and a number, as in 2021020329"
        )
    return int(text)


def game_id_in(text: str) -> int:
    """Return the one game id in what a person typed or pasted: "2023 020 294", or the address of a page.

    Raises:
        InvalidGameId: the text holds none, or more than one.
    """
    found = set(_GAME_ID_IN_TEXT.findall(_SPACE_IN_NUMBER.sub("", text)))
    return valid_game_id(found.pop() if len(found) == 1 else text)
