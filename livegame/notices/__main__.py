"""Deliver notices for some seconds: `python -m livegame.notices 10`, started by pings and by the dashboard."""

import logging
import os
import signal
import sys
import warnings
from typing import Final

from db.connection import DatabaseError
from db.environment import SettingsError
from livegame.notices.addresses import SEND_S
from livegame.notices.delivery import deliver
from livegame.settings import ClientSettings

_GRACE_S: Final = 10.0


def only_ours_to_stderr() -> None:
    """Print our own warnings alone: those of libraries may hold addresses."""
    ours = logging.StreamHandler()
    ours.setFormatter(logging.Formatter("notices: %(message)s"))
    logging.getLogger("livegame.notices").addHandler(ours)
    logging.getLogger().addHandler(logging.NullHandler())
    warnings.simplefilter("ignore")


def main() -> int:
    """Deliver; return 0, or 2 or 5 for settings or a history that cannot be used."""
    only_ours_to_stderr()
    try:
        seconds = float(sys.argv[1])
        signal.alarm(round(seconds + SEND_S + _GRACE_S))  # whatever happens, this process ends
        deliver(ClientSettings.from_env(), seconds)
    except (SettingsError, DatabaseError) as error:
        logging.getLogger("livegame.notices").error("%s", error)
        return 2 if isinstance(error, SettingsError) else 5
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a thread may still wait for an answer
