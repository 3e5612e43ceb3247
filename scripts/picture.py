"""Draw a stored game as one picture, to be posted: score, expected goals, shots, and how the game went.

    python -m scripts.picture 2021020329
    python -m scripts.picture 2021020329 --dark --to tonight.png

It shows the game as the history has it, without asking the league, and counts as the page does by default: attempts at
an empty net are left out. An existing file is replaced.

Exit codes: 0 done, 2 usage, 3 the file cannot be written, 5 the history cannot be read, or does not have the game.
"""

from pathlib import Path

from db.connection import DatabaseError
from db.environment import SettingsError
from db.history import History
from livegame.errors import InvalidGameId
from livegame.game_id import game_id_in
from livegame.reports.counting import Count
from livegame.reports.game import game_report
from livegame.settings import ClientSettings
from scripts.arguments import command_parser
from scripts.command import fail, print_line, run
from ui.charts.picture import picture_name, picture_of


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = command_parser("picture", __doc__)
    parser.add_argument("game", help="the game's number, or the address of its page")
    parser.add_argument("--to", type=Path, metavar="FILE", help="default: a name such as 2023-11-24_NSH-STL_xg.png")
    parser.add_argument("--dark", action="store_true", help="light on dark")
    options = parser.parse_args(arguments)
    try:
        game_id = game_id_in(options.game)
        history = History(ClientSettings.from_env().history_db)
        report = game_report(history, game_id, count=Count.NO_EMPTY_NET)
        if report is None:
            return fail(f"game {game_id} is not in the history; ping it first: scripts/ping_game.py {game_id}", 5)
        if not report.has_begun:
            return fail(f"game {game_id} has not begun ({report.status}), so there is nothing to draw", 5)
        drawn = picture_of(history, report, "dark" if options.dark else "light")
    except (InvalidGameId, SettingsError) as error:
        parser.error(str(error))
    except DatabaseError as error:
        return fail(error, 5)
    to = options.to or Path(picture_name(report))
    to.write_bytes(drawn)
    return print_line(f"{to}: {report.title}, {report.status}")


if __name__ == "__main__":
    run(main)
