"""Ping games once: read their play-by-play, have new shots rated, store everything. Made for cron.

Prints one line per game in which something changed, and nothing otherwise. What cannot be read of the feed's answer is
reported on stderr once. A game that is far away is requested at most once an hour. After the pings, notices are sent to
the addresses of XG_NOTIFY, for ten seconds at most; the next run sends the rest.

Exit codes: 0 done, 1 done but not printed, 2 usage, 3 feed, 4 prediction service, 5 database, 6 out of time or another
ping of the game at work, 7 a fault of the program; with several games, the highest of them.
"""

import argparse
import json
import logging
import signal
import time
from typing import TYPE_CHECKING, Final, NoReturn

from db.connection import DatabaseError
from db.history import Recorded
from livegame.client import GameClient
from livegame.feed import Feed
from livegame.game_id import valid_game_id
from livegame.notices.addresses import subscribe
from livegame.notices.courier import PING_S, deliver_due
from livegame.plays import BEGUN
from livegame.settings import ClientSettings
from scripts.arguments import command_parser, whole_number
from scripts.command import OUR_ERRORS, exit_code, fail, print_line, run, write_stderr

if TYPE_CHECKING:
    from livegame.reports.game import GameReport, TeamTotals

TIMEOUT_S: Final = 55  # cron's shortest interval is a minute
OUT_OF_TIME: Final = 6


class OutOfTime(BaseException):
    """The time allowed for the whole run is over. Raised anywhere, it must escape `except Exception`."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(options.timeout)
    give_up = time.monotonic() + options.timeout
    logging.getLogger("livegame").addHandler(logging.NullHandler())  # its warnings are reported here, in short
    worst = 0
    try:
        settings = ClientSettings.from_env()
        try:
            told = subscribe(settings)
        except DatabaseError as error:  # games are pinged all the same
            told, worst = [], fail(f"notices: {error}", exit_code(error))
        worst = max(worst, _ping_all(settings, options))
        deliver_due(settings, told, min(PING_S, give_up - time.monotonic()))
    except OUR_ERRORS as error:
        worst = max(worst, fail(error, exit_code(error)))
    except OutOfTime as error:
        worst = max(worst, fail(error, OUT_OF_TIME))
    finally:
        signal.alarm(0)
    return worst


def _ping_all(settings: ClientSettings, options: argparse.Namespace) -> int:
    """Ping the games, print what changed, and return the exit code."""
    show = _as_json if options.json else _as_line
    worst = 0
    try:
        client = GameClient.from_settings(settings)
        for game_id in _games(client, settings, options):
            try:
                ping = client.ping(game_id)
            except OUR_ERRORS as error:
                worst = max(worst, fail(f"game {game_id}: {error}", exit_code(error)))
            else:
                if ping.has_new_problems:
                    _warn(ping)
                if ping.changed:
                    worst = max(worst, print_line(show(_report(client, ping), ping)))
    except OUR_ERRORS as error:
        worst = max(worst, fail(error, exit_code(error)))
    return worst


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("ping_game", __doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("game_id", nargs="*", default=[], metavar="GAME_ID", help="such as 2021020329")
    which.add_argument(
        "--today", action="store_true", help="today's games that have begun, and incomplete games of the last week"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object per game instead of a sentence")
    parser.add_argument(
        "--timeout",
        type=whole_number(1, 3600, "whole seconds"),
        default=TIMEOUT_S,
        metavar="S",
        help=f"default {TIMEOUT_S}",
    )
    return parser


def _out_of_time(_signal: int, _frame: object) -> NoReturn:
    raise OutOfTime("ran out of time; what is stored is kept, and the next ping completes it")


def _games(client: GameClient, settings: ClientSettings, options: argparse.Namespace) -> list[int]:
    """Return the games to ping: the named ones unless they are far away, or today's and incomplete ones."""
    if not options.today:
        return [game_id for game_id in map(valid_game_id, options.game_id) if not client.is_far(game_id)]
    games = Feed(settings.feed_url, settings.user_agent).day().games
    today = [game.game_id for game in games if game.state in BEGUN]
    return [*today, *(game_id for game_id in client.incomplete_games() if game_id not in today)]


def _warn(ping: Recorded) -> None:
    first, others = ping.problems[0], len(ping.problems) - 1
    more = f" (and {others} more)" if others else ""
    write_stderr(f"ping_game: game {ping.game_id}: {first}{more}")


def _report(client: GameClient, ping: Recorded) -> "GameReport":
    report = client.report(ping.game_id)
    assert report is not None, "the game was recorded"  # noqa: S101
    return report


def _as_line(report: "GameReport", ping: Recorded) -> str:
    teams = ", ".join(
        f"{team.abbrev} {team.counted.xg:.2f} xG ({team.counted.goals})" for team in (report.away, report.home)
    )
    notes = [f"{len(ping.new)} new shots", f"{ping.scored} rated"]
    notes += [f"{report.pending} pending"] if report.pending else []
    notes += [f"{len(ping.corrections)} corrections"] if ping.corrections else []
    notes += [ping.problems[0]] if ping.problems else []
    return f"{report.game_id} {report.title}: {report.status}: {teams}; {', '.join(notes)}"


def _as_json(report: "GameReport", ping: Recorded) -> str:
    def team(totals: "TeamTotals") -> dict[str, object]:
        sums = totals.counted
        return {"team": totals.abbrev, "xg": sums.xg, "goals": sums.goals, "difference": sums.difference}

    return json.dumps(
        {
            "game_id": report.game_id,
            "date": report.date,
            "status": report.status,
            "model": report.model,
            "away": team(report.away),
            "home": team(report.home),
            "new_shots": list(ping.new),
            "scored": ping.scored,
            "pending": report.pending,
            "problems": list(ping.problems),
            "corrections": [{"event_id": c.event_id, "what": c.what} for c in ping.corrections],
        }
    )


if __name__ == "__main__":
    run(main)
