"""Settings from environment variables: one line declares each, and an unusable value is refused by name."""

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

MIN_TOKEN_LENGTH: Final = 16
_LONGEST_ADDRESS: Final = 2_000  # characters
_SHOWN: Final = 100  # characters of a value in a message


class SettingsError(Exception):
    """A variable has a value that cannot be used; the message names it and says what it takes."""

    exit_code = 2


def setting(name: str, default: object, read: Callable[[str], object] = str, *, is_secret: bool = False) -> Any:
    """Declare a field of `Environment` by its variable, default and reader.

    `read` takes the stripped text, and raises `ValueError` with "must be ..." if it is unusable.
    """
    return field(default=default, repr=not is_secret, metadata={"variable": name, "read": read})


def number(low: float, high: float, what: str = "a number") -> Callable[[str], float]:
    """Return a reader of numbers from `low` to `high`."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if low <= (value := float(text)) <= high:
                return value
        raise ValueError(f"must be {what} from {low:g} to {high:g}")

    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` to `high`."""
    in_range = number(low, high, "a whole number")

    def read(text: str) -> int:
        value = in_range(text)
        if value != int(value):
            raise ValueError("must be a whole number")
        return int(value)

    return read


def size(low: float, high: float, unit: int) -> Callable[[str], int]:
    """Return a reader of sizes from `low` to `high` in units of `unit` bytes; it returns bytes."""
    in_range = number(low, high)
    return lambda text: int(in_range(text) * unit)


def names(text: str) -> frozenset[str]:
    """Read comma-separated names."""
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def path(text: str) -> Path:
    """Read the path of a file or folder, whether or not it exists."""
    try:
        Path(text).lstat()
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):  # other errors may be gone by the time it is used
            raise ValueError(f"cannot be a path: {error.strerror}") from None
    return Path(text)


def address(text: str) -> str:
    """Read the http(s) address of a server, to which paths can be added."""
    try:
        parts = urlsplit(text)
        _ = parts.port
        is_host = bool((parts.hostname or "").encode("idna"))  # no empty or overlong part
    except ValueError:
        is_host = False
    is_plain = len(text) <= _LONGEST_ADDRESS and text.isprintable() and not set(" ?#\\") & set(text)
    if not (is_host and is_plain and text.startswith(("http://", "https://"))):
        raise ValueError("must be an http(s) address such as https://api-web.nhle.com")
    return text.rstrip("/")


def token(text: str) -> str:
    """Read a secret that callers send in a header."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must consist of ASCII characters: clients disagree on how to send others")
    if len(text) < MIN_TOKEN_LENGTH:
        raise ValueError(
            f"has {len(text)} characters and can be guessed; it must have {MIN_TOKEN_LENGTH} or more, such as"
            " `openssl rand -hex 16` prints"
        )
    return text


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The settings that the service and its clients share; each adds its own."""

    data_dir: Path = setting("XG_DATA_DIR", Path("data"), path)
    allowed_hosts: frozenset[str] = setting("XG_ALLOWED_HOSTS", frozenset(), lambda text: names(text.lower()))
    admin_token: str | None = setting("XG_ADMIN_TOKEN", None, token, is_secret=True)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; what is unset or empty keeps its default.

        Raises:
            SettingsError: a value cannot be used.
        """
        given: dict[str, Any] = {}
        for declared in fields(cls):
            name, read = declared.metadata["variable"], declared.metadata["read"]
            text = environ.get(name, "").strip()
            if not text:
                continue
            try:
                given[declared.name] = read(text)
            except ValueError as error:
                shown = f"={_short(text)}" if declared.repr else ""  # never a secret
                raise SettingsError(f"{name}{shown} {error}") from None
        return cls(**given)


def _short(value: str) -> str:
    return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}... ({len(value):,} characters)"
