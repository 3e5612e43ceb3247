"""The service's settings: read from the environment once, here and nowhere else."""

import errno
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from db.serving import FILE_NAME
from xgserve.names import SAFE_NAME, ModelName, is_name

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

MIN_TOKEN_LENGTH = 16


class SettingsError(Exception):
    """An environment variable has a value that cannot be used; the message names it."""


@dataclass(frozen=True)
class Settings:
    """What an operator can set; docs/settings.md explains each."""

    data_dir: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = 8890
    threads: int = 4
    allowed_hosts: frozenset[str] = frozenset()
    max_body_bytes: int = 16 << 20

    log_level: int = logging.INFO
    log_max_days: float = 30.0
    log_max_rows: int = 200_000

    admin_token: str | None = field(default=None, repr=False)
    workspaces: frozenset[str] = frozenset()
    trust_pickle_workspaces: frozenset[str] = frozenset()
    default_model: str = "bundled/xg-default"
    pinned_model: ModelName | None = None

    comet_api_key: str | None = field(default=None, repr=False)
    comet_url: str | None = None
    download_timeout_s: float = 120.0
    trial_timeout_s: float = 60.0
    model_max_bytes: int = 500_000_000
    cache_max_bytes: int = 2_000_000_000

    @property
    def database(self) -> Path:
        """The file of the log and the activations."""
        return self.data_dir / FILE_NAME

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written to a log."""
        return tuple(secret for secret in (self.comet_api_key, self.admin_token) if secret)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; what is unset or empty keeps its default.

        Raises:
            SettingsError: a value cannot be used.
        """
        read = _Reader(environment)
        return cls(
            data_dir=read.path("XG_DATA_DIR", "data"),
            host=read.text("XG_SERVING_HOST", cls.host),
            port=read.integer("XG_SERVING_PORT", cls.port, 0, 65535),
            threads=read.integer("XG_SERVING_THREADS", cls.threads, 2, 64),
            allowed_hosts=frozenset(name.lower() for name in read.names("XG_ALLOWED_HOSTS")),
            max_body_bytes=int(read.number("XG_MAX_BODY_MB", cls.max_body_bytes >> 20, 0.001, 1024) * (1 << 20)),
            log_level=read.level("XG_LOG_LEVEL", cls.log_level),
            log_max_days=read.number("XG_LOG_MAX_DAYS", cls.log_max_days, 0.001, 36_500),
            log_max_rows=read.integer("XG_LOG_MAX_ROWS", cls.log_max_rows, 1, 1_000_000_000),
            admin_token=read.token("XG_ADMIN_TOKEN"),
            workspaces=read.names("XG_WORKSPACES"),
            trust_pickle_workspaces=read.names("XG_TRUST_PICKLE_WORKSPACES"),
            default_model=read.text("XG_DEFAULT_MODEL", cls.default_model),
            pinned_model=read.model("XG_MODEL"),
            comet_api_key=read.text("COMET_API_KEY", "") or None,
            comet_url=read.url("COMET_URL_OVERRIDE"),
            download_timeout_s=read.number("XG_DOWNLOAD_TIMEOUT_S", cls.download_timeout_s, 1, 3600),
            trial_timeout_s=read.number("XG_TRIAL_TIMEOUT_S", cls.trial_timeout_s, 1, 3600),
            model_max_bytes=int(read.number("XG_MODEL_MAX_MB", cls.model_max_bytes / 1e6, 0.001, 100_000) * 1e6),
            cache_max_bytes=int(read.number("XG_CACHE_MAX_MB", cls.cache_max_bytes / 1e6, 1, 1_000_000) * 1e6),
        )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "").strip() or default

    def path(self, name: str, default: str) -> Path:
        path = Path(self.text(name, default))
        try:
            path.lstat()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # all others may change until it is used
                raise SettingsError(f"{name} cannot be a path: {error.strerror}") from None
        return path

    def token(self, name: str) -> str | None:
        text = self.text(name, "")
        if not text.isascii():
            raise SettingsError(f"{name} must be of ASCII characters: clients disagree on how to send others")
        if text and len(text) < MIN_TOKEN_LENGTH:
            raise SettingsError(
                f"{name} has {len(text)} characters, which can be guessed; it must have {MIN_TOKEN_LENGTH} or more,"
                " such as `openssl rand -hex 16` prints"
            )
        return text or None

    def url(self, name: str) -> str | None:
        text = self.text(name, "")
        try:
            if text and not urlsplit(text).hostname:
                raise ValueError("no host")
        except ValueError:
            raise SettingsError(
                f"{name}={text!r} must be an address such as https://comet.example.com/clientlib/"
            ) from None
        return text or None

    def names(self, name: str) -> frozenset[str]:
        return frozenset(part.strip() for part in self.text(name, "").split(",") if part.strip())

    def number(self, name: str, default: float, least: float, most: float) -> float:
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            raise SettingsError(f"{name}={text!r} is not a number") from None
        if not least <= value <= most:
            raise SettingsError(f"{name}={text} must lie between {least:g} and {most:g}")
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        value = self.number(name, default, least, most)
        if value != int(value):
            raise SettingsError(f"{name}={self.text(name, '')} must be a whole number")
        return int(value)

    def model(self, name: str) -> ModelName | None:
        text = self.text(name, "")
        if not text:
            return None
        workspace, _, rest = text.partition("/")
        model, _, version = rest.partition(":")
        if not (is_name(workspace) and is_name(model) and SAFE_NAME.fullmatch(version)):
            raise SettingsError(f"{name}={text!r} must be workspace/model:version, such as bundled/xg-default:1.0.0")
        return ModelName(workspace, model, version)

    def level(self, name: str, default: int) -> int:
        text = self.text(name, logging.getLevelName(default)).upper()
        if text not in LEVELS:
            raise SettingsError(f"{name}={text!r} must be one of {', '.join(LEVELS)}")
        return int(getattr(logging, text))
