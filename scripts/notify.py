"""Test and inspect notices: where XG_NOTIFY sends them, and what still waits.

Pings write notices of goals and results, and send them; this command is not needed for it. Addresses are called by
their service and a digest, since they hold secrets.

Exit codes: 0 done, 1 an address did not accept the test message, 2 wrong usage or setting, 5 database.
"""

import argparse
import logging
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from db.history import Outbox
from livegame.notices.addresses import Address, addresses, check, names, opened, send
from livegame.settings import ClientSettings
from scripts.arguments import command_parser
from scripts.command import OUR_ERRORS, exit_code, fail, print_line, run

NOT_ACCEPTED: Final = 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    logging.getLogger().addHandler(logging.NullHandler())  # what libraries log may hold addresses
    warnings.simplefilter("ignore")
    try:
        settings = ClientSettings.from_env()
        return _test(settings) if options.test else _list_pending(settings)
    except OUR_ERRORS as error:
        return fail(error, exit_code(error))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("notify", __doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--test", action="store_true", help="send a test message to every address of XG_NOTIFY")
    which.add_argument("--pending", action="store_true", help="list the notices that wait to be accepted")
    return parser


def _test(settings: ClientSettings) -> int:
    found = addresses(settings)
    if not found:
        return fail("XG_NOTIFY is not set; docs/notifications.md has examples", 2)
    check(settings.notify)
    with ThreadPoolExecutor(len(found)) as pool:
        problems = list(pool.map(_send_test, found))
    for address, problem in zip(found, problems, strict=True):
        print_line(f"{address.name}: {problem or 'accepted'}")
    return NOT_ACCEPTED if any(problems) else 0


def _send_test(address: Address) -> str | None:
    sender = opened(address.secret)
    about = ", ".join(sorted(address.wish.topics))
    teams = ", ".join(sorted(address.wish.teams)) or "all teams"
    said = f"A test. You will be told of {about}: {teams}."
    return "cannot be used" if sender is None else send(sender, "Live xG", said)


def _list_pending(settings: ClientSettings) -> int:
    called = names(addresses(settings))
    waiting = Outbox(settings.history_db).open_deliveries()
    for row in waiting:
        name = called.get(row["address"], f"{row['service']} {row['address'][:6]} (not in XG_NOTIFY)")
        tried = f", tried {row['attempts']} times" if row["attempts"] else ""
        problem = f": {row['problem']}" if row["problem"] else ""
        teams = f"{row['away_abbrev']} at {row['home_abbrev']}"
        print_line(f"{row['noticed_at']} {teams}, {row['kind']}, to {name}{tried}{problem}")
    if not waiting:
        print_line("Nothing waits.")
    return 0


if __name__ == "__main__":
    run(main)
