"""Start the Streamlit dashboard on the port that XG_UI_PORT names."""

import os
import sys
import tomllib
from pathlib import Path
from typing import Final

from db.environment import SettingsError
from livegame.notices.addresses import check
from livegame.settings import ClientSettings
from scripts.command import fail, run

UI: Final = Path(__file__).resolve().parents[1] / "ui"


def main() -> int:
    """Replace this process with the Streamlit server; return the exit code if that fails."""
    try:
        settings = ClientSettings.from_env()
        check(settings.notify)
    except SettingsError as error:
        return fail(error, 2)
    command = [sys.executable, "-m", "streamlit", "run", str(UI / "server.py"), f"--server.port={settings.ui_port}"]
    if settings.allowed_hosts:  # the option replaces the file's list
        always = tomllib.loads((UI / ".streamlit" / "config.toml").read_text())["server"]["allowedHosts"]
        command += [f"--server.allowedHosts={name}" for name in (*always, *settings.allowed_hosts)]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter
    raise AssertionError("execv does not return")


if __name__ == "__main__":
    run(main)
