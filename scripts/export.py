"""Write any table or view of the history to a file, for pandas, DuckDB, spreadsheets and others.

    python -m scripts.export xg_by_team --to xg.parquet
    python -m scripts.export shot_probabilities --season 20222023 --to shots.csv
    python -m scripts.export --list

The file holds one moment of the history, also while games are running. Parquet keeps the types: integers, numbers,
booleans, dates and timestamps (UTC). CSV holds what `sqlite3 -csv -header` prints. docs/export.md has examples.

Exit codes: 0 done, 2 usage, 3 the file cannot be written, 5 database, 7 a fault of the program, 130 interrupted.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from db.connection import DatabaseError
from db.environment import SettingsError
from db.explore.descriptions import Column, Kind, descriptions
from db.explore.export import NotInHistory, exporting
from livegame.errors import InvalidGameId
from livegame.game_id import valid_game_id
from livegame.settings import ClientSettings
from scripts.arguments import command_parser, season
from scripts.command import FILES, fail, print_line, run
from scripts.progress import ProgressLine

Write = Callable[[Sequence[tuple[Any, ...]]], object]
Opened = AbstractContextManager[Write]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = command_parser("export", __doc__)
    parser.add_argument("name", nargs="?", help="the table or view; --list names them")
    parser.add_argument("--to", type=Path, metavar="FILE", help="the new file, ending in .parquet or .csv")
    parser.add_argument("--format", choices=sorted(FORMATS), help="default: by the file's ending")
    parser.add_argument("--season", type=season, metavar="S", help="only this season, such as 20222023")
    parser.add_argument("--game", metavar="ID", help="only this game, such as 2021020329")
    parser.add_argument("--list", action="store_true", help="list tables and views with what they hold")
    options = parser.parse_args(arguments)
    if options.list:
        return print_line("\n".join(f"{name:<20} {found.text}" for name, found in sorted(descriptions().items())))
    if options.name is None or options.to is None:
        parser.error("name a table or view and a file: export xg_by_team --to xg.parquet; --list lists them")
    kind = options.format or options.to.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        parser.error(f"{options.to} ends neither in .parquet nor in .csv; name one of them with --format")
    try:
        game = None if options.game is None else valid_game_id(options.game)
        rows = export(ClientSettings.from_env().history_db, options.name, options.to, kind, options.season, game)
    except (InvalidGameId, NotInHistory, SettingsError) as error:
        parser.error(str(error))
    except FileExistsError as error:
        return fail(f"{error.filename} exists already; name another file, or remove it", FILES)
    except DatabaseError as error:
        return fail(error, 5)
    return print_line(f"{options.to}: {rows:,} rows")


def export(history: Path, name: str, to: Path, kind: str, season: int | None = None, game: int | None = None) -> int:
    """Write a table or view to a new file; return how many rows it has.

    Raises:
        DatabaseError: the history cannot be read, or has no such table, view, season or game column.
        OSError: the file exists already, or cannot be written.
    """
    if to.exists():
        raise FileExistsError(None, None, str(to))
    part = to.with_name(f".{to.name}.{token_hex(4)}.part")
    line, rows = ProgressLine(), 0
    try:
        with (
            exporting(history, name, to.parent, season=season, game=game) as found,
            FORMATS[kind](part, found.columns) as write,
        ):
            for batch in found.batches:
                write(batch)
                rows += len(batch)
                line.show(f"{rows:,} rows")
        part.rename(to)
    finally:
        part.unlink(missing_ok=True)
    return rows


@contextmanager
def _csv(path: Path, columns: Mapping[str, Column]) -> Iterator[Write]:
    """Write the values as SQLite has them; NULL is empty."""
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        yield writer.writerows


@contextmanager
def _parquet(path: Path, columns: Mapping[str, Column]) -> Iterator[Write]:
    """Write each column with its type; NULL is null."""
    import pyarrow as pa  # the rest does not need it
    from pyarrow.parquet import ParquetWriter

    stored = {Kind.INTEGER: pa.int64(), Kind.NUMBER: pa.float64(), Kind.BOOLEAN: pa.int8()}
    meant = stored | {Kind.BOOLEAN: pa.bool_(), Kind.DATE: pa.date32(), Kind.TIMESTAMP: pa.timestamp("us", "UTC")}
    types = [stored.get(column.kind, pa.string()) for column in columns.values()]
    schema = pa.schema(
        pa.field(name, meant.get(column.kind, pa.string()), metadata={"description": column.text})
        for name, column in columns.items()
    )
    with ParquetWriter(path, schema, compression="zstd") as writer:

        def write(batch: Sequence[tuple[Any, ...]]) -> None:
            arrays = map(pa.array, zip(*batch, strict=True), types)
            writer.write_batch(pa.record_batch(list(arrays), schema=schema))  # casts to the meant types

        yield write


FORMATS: Final[Mapping[str, Callable[[Path, Mapping[str, Column]], Opened]]] = {"csv": _csv, "parquet": _parquet}


if __name__ == "__main__":
    run(main)
