"""Copy history.db while it is in use; the copy is whole and needs no other file."""

import argparse
import sys
from pathlib import Path

from db.connection import DatabaseError, backup
from livegame.settings import Settings, SettingsError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 done, 2 settings, 5 database."""
    parser = argparse.ArgumentParser(prog="backup", description=__doc__)
    parser.add_argument("target", type=Path, help="the copy; it must not exist yet")
    options = parser.parse_args(arguments)
    try:
        backup(Settings.from_env().history_db, options.target)
    except SettingsError as error:
        parser.error(str(error))
    except DatabaseError as error:
        print(f"backup: {error}", file=sys.stderr)
        return 5
    print(f"{options.target}: {options.target.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
