"""Serve recorded games as if they were live, until interrupted."""

import argparse
import os

from waitress.server import create_server

from db.environment import SettingsError
from livegame.errors import LiveGameError
from livegame.recordings.replay import create_app
from livegame.settings import ClientSettings
from scripts.command import FILES, complain, run


def main(arguments: list[str] | None = None) -> int:
    """Run the replay feed on the port that XG_REPLAY_PORT names; return the exit code (2: bad settings, 3: files)."""
    parser = argparse.ArgumentParser(prog="replay", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--speed", help="game seconds in a second; default: XG_REPLAY_SPEED")
    parser.add_argument("--begin-at", type=_minute, default=0, metavar="MINUTE", help="of each game")
    parser.add_argument("--game", type=int, metavar="ID", help="serve this recorded game alone, on its own day")
    parser.add_argument("--restart", action="store_true", help="begin every game anew")
    options = parser.parse_args(arguments)
    try:
        settings = ClientSettings.from_env(os.environ | ({"XG_REPLAY_SPEED": options.speed} if options.speed else {}))
        state = settings.data_dir / "replay.json"
        if options.restart:
            state.unlink(missing_ok=True)
        app = create_app(
            settings.recordings, state, settings.replay_speed, begin_s=60 * options.begin_at, only=options.game
        )
    except SettingsError as error:
        return complain(error, 2)
    except LiveGameError as error:
        return complain(error, FILES)
    try:
        server = create_server(app, host=options.host, port=settings.replay_port, threads=4)
    except (OSError, ValueError) as error:  # ValueError: no such host
        return complain(f"cannot listen on {options.host}:{settings.replay_port}: {error}", FILES)
    print(f"replay feed on http://{options.host}:{settings.replay_port}, {settings.replay_speed:g}x", flush=True)
    server.run()
    return 0


def _minute(text: str) -> int:
    if not text.isdecimal() or len(text) > 2:
        raise argparse.ArgumentTypeError("must be a minute of the game, from 0 to 99")
    return int(text)


if __name__ == "__main__":
    run(main)
