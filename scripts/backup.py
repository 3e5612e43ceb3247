"""Copy history.db and serving.db into a folder while they are in use, and check the copies.

Each copy is consistent, complete and needs no other file. A damaged database is reported and not copied.
docs/promises.md explains how to restore a copy.
"""

import argparse
from pathlib import Path

from db.backup import backup
from db.connection import DatabaseError
from db.environment import SettingsError
from db.serving import FILE_NAME as SERVING_DB
from livegame.settings import ClientSettings
from scripts.command import fail, run


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 2 settings, 5 database."""
    parser = argparse.ArgumentParser(prog="backup", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="where the copies go; created if missing, nothing in it is overwritten"
    )
    options = parser.parse_args(arguments)
    try:
        settings = ClientSettings.from_env()
        options.folder.mkdir(parents=True, exist_ok=True)
        sources = [settings.history_db, settings.data_dir / SERVING_DB]
        for source in sources:
            if source.exists() or source == settings.history_db:  # the service's data may be elsewhere
                copy = options.folder / source.name
                backup(source, copy)
                print(f"{copy}: {copy.stat().st_size:,} bytes, checked", flush=True)
    except SettingsError as error:
        parser.error(str(error))
    except (DatabaseError, OSError) as error:
        return fail(error, 5)
    return 0


if __name__ == "__main__":
    run(main)
