"""Take recorded games (raw answers of either feed, `.json` or `.json.gz`) into the history and have them scored.

Games that are there already are compared with the recording, as a ping would; nothing is scored twice.
"""

import argparse
import sys
from pathlib import Path

from db.connection import DatabaseError
from livegame.client import GameClient
from livegame.exceptions import LiveGameError
from livegame.recordings import find_recordings, read_recording
from livegame.settings import Settings, SettingsError
from xgserve.client import ServingError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when every game went in, 1 when some did not."""
    parser = argparse.ArgumentParser(prog="backfill", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="default: XG_RECORDINGS")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_env()
        client = GameClient.from_settings(settings)
    except (SettingsError, LiveGameError) as error:
        parser.error(str(error))
    recordings = find_recordings(options.folder or settings.recordings)
    failed = 0
    for number, (game_id, path) in enumerate(sorted(recordings.items()), start=1):
        counter = f"{number}/{len(recordings)} {game_id}"
        try:
            ping = client.take(read_recording(path))
        except (LiveGameError, ServingError, DatabaseError) as error:
            failed += 1
            print(f"{counter}: {error}", file=sys.stderr, flush=True)
        else:
            print(f"{counter} {ping.report.title}: {len(ping.report.shots)} shots, {ping.scored} scored", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
