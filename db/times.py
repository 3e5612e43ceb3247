"""Times as the databases keep them: UTC, ISO 8601, milliseconds, so that text order is time order."""

from datetime import UTC, datetime


def timestamp(at: datetime) -> str:
    """Return a time as the databases keep it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def now() -> str:
    """Return the current time as the databases keep it."""
    return timestamp(utc_now())
