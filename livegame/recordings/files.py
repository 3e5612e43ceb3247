"""Recorded games on disk: raw answers of either feed, and the bundled sample in a compact form of our own."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from msgspec.structs import asdict

from livegame.errors import FeedMalformed
from livegame.parsing.json_bytes import read_json
from livegame.parsing.parse import parse_game
from livegame.plays import BlockedAttempt, Game, GameState, Penalty, Play, Player, Shot, Team, class_of

SAMPLE_FOLDER: Final = Path(__file__).parents[1] / "sample"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_COLUMNS: Final = tuple(
    dict.fromkeys(Shot.__struct_fields__ + Penalty.__struct_fields__ + BlockedAttempt.__struct_fields__)
)
_NO_HEADER: Final = ("plays", "players", "problems", "unreadable")
_HEADER: Final = tuple(name for name in Game.__struct_fields__ if name not in _NO_HEADER)


def find_recordings(folder: Path) -> dict[int, Path]:
    """Return the files below `folder` named `<game id>.json` or `<game id>.json.gz`, by game id.

    Of several files for one game the last path counts. The bundled sample is always included.
    """
    found = {int(path.name[:10]): path for path in SAMPLE_FOLDER.glob("*.json")}
    for path in sorted(folder.rglob("*.json*")):
        stem = path.name.removesuffix(".gz").removesuffix(".json")
        if stem.isdecimal() and len(stem) == 10:
            found[int(stem)] = path
    return found


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded game as it is on disk, not parsed yet."""

    name: str  # its file, and the line if a file holds many
    content: bytes  # a raw answer of either feed or our own compact form, gzipped or not
    disk_bytes: int  # its size on disk, compressed

    @property
    def digest(self) -> str:
        """The SHA-256 of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    def game(self) -> Game:
        """Parse it.

        Raises:
            FeedMalformed: it is not a recorded game; the message names the file.
        """
        try:
            is_gzip = self.content.startswith(_GZIP_MAGIC)
            raw = read_json(gzip.decompress(self.content) if is_gzip else self.content)
            return load_compact(raw) if isinstance(raw, dict) and "columns" in raw else parse_game(raw)
        except (OSError, EOFError, ValueError, zlib.error, FeedMalformed) as error:
            raise FeedMalformed(f"{self.name} is not a recorded game: {error}") from error
        except (LookupError, TypeError, RecursionError) as error:
            raise FeedMalformed(f"{self.name} is not a recorded game: {type(error).__name__}") from error


def load_recording(path: Path) -> Recording:
    """Read a file that `find_recordings` found, without parsing it.

    Raises:
        FeedMalformed: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FeedMalformed(f"{path} cannot be read: {error.strerror}") from error
    return Recording(str(path), content, len(content))


@lru_cache(maxsize=64)  # the games of a busy evening
def read_recording(path: Path) -> Game:
    """Read and parse a file that `find_recordings` found.

    Raises:
        FeedMalformed: it is not a recorded game.
    """
    return load_recording(path).game()


def dump_compact(game: Game) -> str:
    """Return the game as JSON text: a header, the players, and a table with one play per line."""
    header = {name: getattr(game, name) for name in _HEADER}
    header |= {"home": asdict(game.home), "away": asdict(game.away)}
    players = [[player_id, player.team_id, player.name] for player_id, player in sorted(game.players.items())]
    rows = [[getattr(play, column, None) for column in _COLUMNS] for play in game.plays]
    lines = [
        f'"game": {json.dumps(header)}',
        f'"players": [\n{_lines(players)}\n]',
        f'"columns": {json.dumps(_COLUMNS)}',
        f'"plays": [\n{_lines(rows)}\n]',
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def load_compact(table: Mapping[str, Any]) -> Game:
    """Return the game that `dump_compact` wrote."""
    header = dict(table["game"])
    header |= {"home": Team(**header["home"]), "away": Team(**header["away"]), "state": GameState(header["state"])}
    plays = tuple(_play(dict(zip(table["columns"], row, strict=True))) for row in table["plays"])
    players = {player_id: Player(name, team_id) for player_id, team_id, name in table["players"]}
    return Game(**header, plays=plays, players=players)


def _play(values: dict[str, Any]) -> Play:
    of = class_of(values["kind"])
    if of is Shot:
        values["missing"] = tuple(values["missing"])
    return of(**{name: values[name] for name in of.__struct_fields__})


def _lines(rows: list[list[Any]]) -> str:
    return ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
