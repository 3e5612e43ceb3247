"""The service's settings: read from the environment once, here and nowhere else."""

import logging
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from db.environment import Environment, names, number, setting, size, whole
from db.serving import FILE_NAME
from xgserve.contract import LEVELS
from xgserve.names import SAFE_NAME, ModelName, is_name


def _level(text: str) -> int:
    if text.upper() not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return logging.getLevelNamesMapping()[text.upper()]


def _registry(text: str) -> str:
    """Return the address of a registry unchanged: Comet's ends with a slash."""
    try:
        has_host = bool(urlsplit(text).hostname)
    except ValueError:
        has_host = False
    if not has_host:
        raise ValueError("must be an address such as https://comet.example.com/clientlib/")
    return text


def _model(text: str) -> ModelName:
    workspace, _, rest = text.partition("/")
    model, _, version = rest.partition(":")
    if not (is_name(workspace) and is_name(model) and SAFE_NAME.fullmatch(version)):
        raise ValueError("must be workspace/model:version, such as bundled/xg-default:1.0.0")
    return ModelName(workspace, model, version)


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(Environment):
    """What an operator of the service can set; docs/settings.md explains each."""

    host: str = setting("XG_SERVING_HOST", "127.0.0.1")
    port: int = setting("XG_SERVING_PORT", 8890, whole(0, 65535))
    threads: int = setting("XG_SERVING_THREADS", 4, whole(2, 64))
    max_body_bytes: int = setting("XG_MAX_BODY_MB", 16 << 20, size(0.001, 1024, 1 << 20))

    log_level: int = setting("XG_LOG_LEVEL", logging.INFO, _level)
    log_max_days: float = setting("XG_LOG_MAX_DAYS", 30.0, number(0.001, 36_500))
    log_max_rows: int = setting("XG_LOG_MAX_ROWS", 200_000, whole(1, 1_000_000_000))

    workspaces: frozenset[str] = setting("XG_WORKSPACES", frozenset(), names)
    trust_pickle_workspaces: frozenset[str] = setting("XG_TRUST_PICKLE_WORKSPACES", frozenset(), names)
    default_model: str = setting("XG_DEFAULT_MODEL", "bundled/xg-default")
    pinned_model: ModelName | None = setting("XG_MODEL", None, _model)

    comet_api_key: str | None = setting("COMET_API_KEY", None, is_secret=True)
    comet_url: str | None = setting("COMET_URL_OVERRIDE", None, _registry)
    download_timeout_s: float = setting("XG_DOWNLOAD_TIMEOUT_S", 120.0, number(1, 3600))
    trial_timeout_s: float = setting("XG_TRIAL_TIMEOUT_S", 60.0, number(1, 3600))
    model_max_bytes: int = setting("XG_MODEL_MAX_MB", 500_000_000, size(0.001, 100_000, 1_000_000))
    cache_max_bytes: int = setting("XG_CACHE_MAX_MB", 2_000_000_000, size(1, 1_000_000, 1_000_000))

    @property
    def database(self) -> Path:
        """The file of the log and the activations."""
        return self.data_dir / FILE_NAME

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be logged."""
        return tuple(secret for secret in (self.comet_api_key, self.admin_token) if secret)
