"""`python -m xgserve`: the prediction service on waitress, until SIGTERM, Ctrl-C or the end of its terminal."""

import logging
import signal
import sys
import threading
from types import FrameType

from waitress.server import BaseWSGIServer

from db.environment import SettingsError
from xgserve.app import create_app
from xgserve.settings import ServiceSettings
from xgserve.web.server import make_server, serve


def main() -> int:
    """Serve until told to stop; return the exit code (0 stopped, 1 cannot listen, 2 bad settings)."""
    try:
        settings = ServiceSettings.from_env()
    except SettingsError as error:
        sys.stderr.write(f"xgserve: {error}\n")
        return 2
    logging.captureWarnings(True)
    # do not collect what no log line shows: https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    stop = threading.Event()
    server: BaseWSGIServer | None = None

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        if server is not None:
            server.pull_trigger()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # ignored by `nohup`
            signal.signal(number, on_signal)
    app = create_app(settings, sys.stderr)
    try:
        server = make_server(app, settings)
        serve(server, stop)
    except OSError as error:
        sys.stderr.write(f"xgserve: cannot listen on {settings.host}:{settings.port}: {error}\n")
        return 1
    finally:
        app.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
