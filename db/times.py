"""Times as the databases keep them: UTC, ISO 8601, milliseconds, so that text order is time order."""

from datetime import UTC, datetime


def timestamp(at: datetime) -> str:
    """Return a time as the databases keep it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    """Return the current time in that form."""
    return timestamp(datetime.now(UTC))
