"""Ping games once: read their play-by-play, have the new shots rated, store everything. Made for cron.

Prints a line for each game in which something changed, and nothing otherwise. What of a feed's answer could not be
read is said on stderr, once. A game that is far away is asked for once an hour at most.

Exit codes: 0 done, 1 done but not printed, 2 usage, 3 feed, 4 prediction service, 5 database, 6 out of time or another
ping at work, 7 a fault of the program; the highest of them when several games are pinged.
"""

import argparse
import json
import logging
import signal
from typing import TYPE_CHECKING, Final, NoReturn

from db.connection import DatabaseError
from db.environment import SettingsError
from livegame.client import GameClient, Ping
from livegame.errors import FeedError, GameBusy, InvalidGameId, LiveGameError, UnexpectedError
from livegame.feed import Feed, valid_game_id
from livegame.plays import GameState
from livegame.scoring.inputs import FeatureMapError
from livegame.settings import ClientSettings
from scripts.command import complain, report, run, say
from xgserve.client import ServingError

if TYPE_CHECKING:
    from livegame.reports.game import TeamTotals

TIMEOUT_S: Final = 55  # cron's shortest interval is a minute


class OutOfTime(BaseException):
    """The time allowed for the whole run is over. It comes at any moment, and nobody else may catch it."""


EXIT_CODES: Final[dict[type[BaseException], int]] = {
    SettingsError: 2,
    FeatureMapError: 2,
    InvalidGameId: 2,
    FeedError: 3,
    ServingError: 4,
    DatabaseError: 5,
    GameBusy: 6,
    OutOfTime: 6,
    UnexpectedError: 7,
    LiveGameError: 4,  # what is left of them: the loaded model does not suit us
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(options.timeout)
    logging.getLogger("livegame").addHandler(logging.NullHandler())  # what it warns of is said here, in short
    worst = 0
    try:
        settings = ClientSettings.from_env()
        client = GameClient.from_settings(settings)
        for game_id in _games(client, settings, options):
            try:
                ping = client.ping(game_id)
            except (LiveGameError, ServingError, DatabaseError) as error:
                worst = max(worst, _complain(error, f"game {game_id}: "))
            else:
                if ping.has_new_problems:
                    _warn(ping)
                if ping.changed:
                    worst = max(worst, say(_as_json(ping) if options.json else _as_line(ping)))
    except tuple(EXIT_CODES) as error:
        worst = max(worst, _complain(error))
    finally:
        signal.alarm(0)
    return worst


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ping_game", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("game_id", nargs="*", default=[], metavar="GAME_ID", help="such as 2021020329")
    which.add_argument(
        "--today", action="store_true", help="today's games that have begun, and incomplete ones of the last week"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for each game instead of a sentence")
    parser.add_argument("--timeout", type=_seconds, default=TIMEOUT_S, metavar="S", help=f"default {TIMEOUT_S}")
    return parser


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 3600:
        raise argparse.ArgumentTypeError("must be whole seconds from 1 to 3600")
    return int(text)


def _out_of_time(_signal: int, _frame: object) -> NoReturn:
    raise OutOfTime("ran out of time; what was stored stays, the next ping completes it")


def _games(client: GameClient, settings: ClientSettings, options: argparse.Namespace) -> list[int]:
    """The games to ask for: what is worth it of those that were named, or of today's and of what is incomplete."""
    if not options.today:
        return [game_id for game_id in map(valid_game_id, options.game_id) if not client.is_far(game_id)]
    begun = (GameState.LIVE, GameState.OVER, GameState.FINAL)
    games = Feed(settings.feed_url, settings.user_agent).day().games
    today = [game.game_id for game in games if game.state in begun]
    return [*today, *(game_id for game_id in client.incomplete_games() if game_id not in today)]


def _complain(error: BaseException, subject: str = "") -> int:
    return complain(f"{subject}{error}", next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind)))


def _warn(ping: Ping) -> None:
    first, others = ping.problems[0], len(ping.problems) - 1
    more = f" (and {others} more)" if others else ""
    report(f"ping_game: game {ping.game_id}: {first}{more}")


def _as_line(ping: Ping) -> str:
    report = ping.report
    teams = ", ".join(
        f"{team.abbrev} {team.counted.xg:.2f} xG ({team.counted.goals})" for team in (report.away, report.home)
    )
    notes = [f"{len(ping.new)} new shots", f"{ping.scored} rated"]
    notes += [f"{report.pending} pending"] if report.pending else []
    notes += [f"{len(ping.corrections)} corrections"] if ping.corrections else []
    notes += [ping.problems[0]] if ping.problems else []
    return f"{report.game_id} {report.title}: {report.status}: {teams}; {', '.join(notes)}"


def _as_json(ping: Ping) -> str:
    report = ping.report

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
