"""Serve recorded games as if they were live, until interrupted."""

import argparse
import sys

import waitress

from livegame.replay import create_app
from livegame.settings import Settings, SettingsError


def main() -> int:
    """Run the replay feed on the port that XG_REPLAY_PORT names; return the exit code (2: bad settings)."""
    parser = argparse.ArgumentParser(prog="replay", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    parser.add_argument("--speed", type=float, default=settings.replay_speed, help="game seconds in a second")
    parser.add_argument("--restart", action="store_true", help="begin every game anew")
    options = parser.parse_args()
    state = settings.data_dir / "replay.json"
    if options.restart:
        state.unlink(missing_ok=True)
    app = create_app(settings.recordings, state, options.speed)
    print(f"replay feed on http://{options.host}:{settings.replay_port}, {options.speed:g}x", flush=True)
    waitress.serve(app, host=options.host, port=settings.replay_port, threads=4, _quiet=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
