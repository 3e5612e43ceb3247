"""Serve recorded games as if they were live, until interrupted."""

import argparse
import os

from waitress.server import create_server

from db.environment import SettingsError
from livegame.errors import LiveGameError
from livegame.recordings.replay import create_app
from livegame.settings import ClientSettings
from scripts.arguments import whole_number
from scripts.command import FILES, fail, run


def main(arguments: list[str] | None = None) -> int:
    """Run the replay feed on the port that XG_REPLAY_PORT names; return the exit code (2: bad settings, 3: files)."""
    parser = argparse.ArgumentParser(prog="replay", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--speed", help="game seconds per second; default: XG_REPLAY_SPEED")
    parser.add_argument(
        "--begin-at", type=whole_number(0, 99, "a minute of the game"), default=0, metavar="MINUTE", help="of each game"
    )
    parser.add_argument("--game", type=int, metavar="ID", help="serve only this recorded game, on its own day")
    parser.add_argument("--restart", action="store_true", help="start every game again")
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
        return fail(error, 2)
    except LiveGameError as error:
        return fail(error, FILES)
    try:
        server = create_server(app, host=options.host, port=settings.replay_port, threads=4)
    except (OSError, ValueError) as error:  # ValueError: no such host
        return fail(f"cannot listen on {options.host}:{settings.replay_port}: {error}", FILES)
    print(f"replay feed on http://{options.host}:{settings.replay_port}, {settings.replay_speed:g}x", flush=True)
    server.run()
    return 0


if __name__ == "__main__":
    run(main)
