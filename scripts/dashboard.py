"""Start the Streamlit dashboard on the port that XG_UI_PORT names."""

import os
import sys
from pathlib import Path

from livegame.settings import Settings, SettingsError


def main() -> None:
    """Become the Streamlit server."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        sys.exit(str(error))
    page = Path(__file__).resolve().parents[1] / "ui" / "app.py"
    command = [sys.executable, "-m", "streamlit", "run", str(page), f"--server.port={settings.ui_port}"]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter


if __name__ == "__main__":
    main()
