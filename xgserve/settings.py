"""The service's settings: read from the environment once, here and nowhere else."""

import logging
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from db.environment import Environment, SettingsError, names, number, setting, size, whole
from db.serving import FILE_NAME
from xgserve.contract import LEVELS
from xgserve.names import MAX_STAGE_LENGTH, SAFE_NAME, ModelName, is_name


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


def _followed(text: str) -> ModelName:
    workspace, _, rest = text.partition("/")
    model, _, stage = rest.partition(":")
    if not (is_name(workspace) and is_name(model) and 0 < len(stage) <= MAX_STAGE_LENGTH and stage.isprintable()):
        raise ValueError(
            "must be workspace/model:stage, such as my-team/xg-boosted:Production; instead of a stage, a status, a tag "
            "or latest"
        )
    return ModelName(workspace, model, stage)


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
    max_challengers: int = setting("XG_MAX_CHALLENGERS", 3, whole(0, 10))

    followed: ModelName | None = setting("XG_FOLLOW", None, _followed)
    follow_interval_s: float = setting("XG_FOLLOW_INTERVAL_S", 300.0, number(1, 86_400))

    comet_api_key: str | None = setting("COMET_API_KEY", None, is_secret=True)
    comet_url: str | None = setting("COMET_URL_OVERRIDE", None, _registry)
    download_timeout_s: float = setting("XG_DOWNLOAD_TIMEOUT_S", 120.0, number(1, 3600))
    trial_timeout_s: float = setting("XG_TRIAL_TIMEOUT_S", 60.0, number(1, 3600))
    worker_timeout_s: float = setting("XG_WORKER_TIMEOUT_S", 10.0, number(0.1, 3600))
    model_max_bytes: int = setting("XG_MODEL_MAX_MB", 500_000_000, size(0.001, 100_000, 1_000_000))
    cache_max_bytes: int = setting("XG_CACHE_MAX_MB", 2_000_000_000, size(1, 1_000_000, 1_000_000))

    def __post_init__(self) -> None:
        """Refuse to follow what could never be followed.

        Raises:
            SettingsError: XG_FOLLOW does not go with another setting.
        """
        if self.followed is None:
            return
        shown = f"XG_FOLLOW={str(self.followed)!r}"
        if self.pinned_model is not None:
            raise SettingsError(f"{shown} swaps models, and XG_MODEL allows no swap; set one of them")
        if self.comet_api_key is None:
            raise SettingsError(f"{shown} asks Comet, and there is no key for that; set COMET_API_KEY as well")
        if self.workspaces and self.followed.workspace not in self.workspaces:
            raise SettingsError(f"{shown} is of a workspace that XG_WORKSPACES does not name; add it there")

    @property
    def database(self) -> Path:
        """The file of the log and the activations."""
        return self.data_dir / FILE_NAME

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be logged."""
        return tuple(secret for secret in (self.comet_api_key, self.admin_token) if secret)
