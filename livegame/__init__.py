"""The game client: reads NHL games, makes features of their shots, has them scored once, and keeps the history."""

from typing import Final

__version__: Final = "0.1.0"
