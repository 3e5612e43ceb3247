"""The league's dates: a game belongs to the day on which it starts in New York, wherever it is read or played."""

from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

LEAGUE_ZONE: Final = ZoneInfo("America/New_York")


@lru_cache(maxsize=1024)
def league_date(moment: str) -> str:
    """Return the league's date, such as "2023-01-31", of a moment in UTC (ISO 8601)."""
    return datetime.fromisoformat(moment).astimezone(LEAGUE_ZONE).date().isoformat()
