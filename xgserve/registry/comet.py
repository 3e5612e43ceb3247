"""The registry on Comet, through its own SDK, in a bounded child process.

The SDK wraps exception hooks and loggers when imported, holds whole downloads in memory, retries for minutes and has
no deadline for a whole download; so the service never imports it. The functions above the line run in the service,
`handle` and those below in the child.
"""

import errno
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from xgserve.errors import (
    DownloadFailed,
    DownloadTooSlow,
    KeyRefused,
    ModelTooLarge,
    RegistryError,
    StorageFailed,
    UnknownModel,
)
from xgserve.names import SAFE_NAME, is_name, version_order
from xgserve.registry.archive import unpack
from xgserve.sandbox.child import ChildDied, ChildTimeout, limit_memory, run_child
from xgserve.text import clipped

LATEST = "latest"  # the newest version, whatever its stages
API_TIMEOUT_S = 5
READ_TIMEOUT_S = 10
MAX_LISTED_MODELS = 50
MAX_LISTED_VERSIONS = 50
MAX_LISTED_WORKSPACES = 5
MEMORY_HEADROOM_BYTES = 128 << 20

# Proxy and CA settings are passed on.
NETWORK_VARIABLES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


@dataclass(frozen=True)
class Comet:
    """Access to Comet; `url` overrides the public server, `max_bytes` bounds a model as sent and as unpacked."""

    key: str
    url: str | None
    max_bytes: int

    def download(
        self,
        workspace: str,
        model: str,
        version: str | None,
        *,
        skip: Sequence[str],
        folder: Path,
        scratch: Path,
        seconds: float,
    ) -> str:
        """Download a model's files into the empty `folder` and return its concrete version.

        `version` is a version, the name of a stage, or None for the newest. A concrete version in `skip` is not
        downloaded, only returned. `scratch` is an empty folder for the child.

        Raises:
            RegistryError: the model could not be downloaded; the message says why.
            OSError: `scratch` cannot be written.
        """
        # Not `Model.download`, which the SDK recommends: it follows file names and links that lead elsewhere, starts
        # threads, bounds nothing, hides why it failed, and old servers do not have it.
        answer = self._ask(
            {
                "do": "download",
                "workspace": workspace,
                "model": model,
                "version": version,
                "skip": list(skip),
                "folder": str(folder.absolute()),
                "max_bytes": self.max_bytes,
            },
            scratch,
            seconds,
        )
        return str(answer["version"])

    def version_in(self, workspace: str, model: str, stage: str, *, scratch: Path, seconds: float) -> str:
        """Return the newest version in a stage, with a status or with a tag; of all for "latest". One request.

        Raises:
            RegistryError: the registry did not answer, or has no such version.
            OSError: `scratch` cannot be written.
        """
        request = {"do": "find", "workspace": workspace, "model": model, "stage": stage}
        return str(self._ask(request, scratch, seconds)["version"])

    def models(
        self, workspaces: Sequence[str], *, scratch: Path, seconds: float
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Return what the registry offers, as `{"workspace", "model", "version", "stages"}`, newest version first.

        The second list names the models whose names cannot be used here. Without `workspaces`, those of the key's owner
        are read. After half of `seconds`, the lists end with what was read by then.

        Raises:
            RegistryError: the registry did not answer.
            OSError: `scratch` cannot be written.
        """
        request = {"do": "list", "workspaces": list(workspaces), "seconds": seconds / 2}
        answer = self._ask(request, scratch, seconds)
        return answer["models"], answer["unusable"]

    def _ask(self, request: dict[str, Any], scratch: Path, seconds: float) -> dict[str, Any]:
        server = (urlsplit(self.url).hostname if self.url else None) or "comet.com"
        try:
            return run_child(
                "xgserve.registry.comet",
                {**request, "server": server},
                scratch=scratch,
                seconds=seconds,
                file_bytes=self.max_bytes + (1 << 20),
                writable=[Path(request["folder"])] if "folder" in request else [],
                network=True,
                environment=self._environment(),
            )
        except ChildTimeout as error:
            setting = " (XG_DOWNLOAD_TIMEOUT_S sets the limit)" if request["do"] == "download" else ""
            raise DownloadTooSlow(f"Comet ({server}) did not deliver within {seconds:g} s{setting}") from error
        except ChildDied as error:
            raise DownloadFailed(f"the download process {redact(str(error), self.key)}") from error

    def _environment(self) -> dict[str, str]:
        environment = {name: os.environ[name] for name in NETWORK_VARIABLES if name in os.environ}
        if self.url:
            environment["COMET_URL_OVERRIDE"] = self.url
        return environment | {
            "COMET_API_KEY": self.key,
            "COMET_DISABLE_AUTO_LOGGING": "1",
            "COMET_ERROR_TRACKING_ENABLE": "false",
            "COMET_INTERNAL_REPORTING": "false",
            "COMET_LOGGING_CONSOLE": "CRITICAL",
            "COMET_HTTP_SESSION_RETRY_TOTAL": "0",
            # no version: the SDK then sends no request of its own before each of ours, to ask how old the server is
            "COMET_REST_V2_MINIMAL_BACKEND_VERSION": "none",
            "COMET_TIMEOUT_API": str(API_TIMEOUT_S),
            "COMET_TIMEOUT_FILE_DOWNLOAD": str(READ_TIMEOUT_S),
        }


def redact(text: str, key: str) -> str:
    """Return the text without the API key, and without the part of it that the SDK itself quotes."""
    for part in {key, key.partition("*")[0]} - {""}:  # a key may carry a server's address after a star
        text = text.replace(part, "[key]")
    return re.sub(r"(?i)(api key:\s*)[^\s,]+", r"\1[key]", text)


# ---------------------------------------------------------------------------------------------------------------------
# In the child


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """In the child: download a model, or list what the registry offers.

    Raises:
        RegistryError: as for the methods of `Comet`.
    """
    # imported first: the memory limit starts from what the import itself needs
    import comet_ml
    import comet_ml.exceptions
    import requests

    limit_memory(MEMORY_HEADROOM_BYTES + 2 * request.get("max_bytes", 0))
    _stay_on_the_server(requests)
    server = request["server"]
    try:
        # its cache would hold every download in memory
        api = comet_ml.API(cache=False)  # type: ignore[no-untyped-call]
        do = {"download": _download, "find": _find, "list": _list}[request["do"]]
        return do(api, request)
    except RegistryError:
        raise
    except SentElsewhere as error:
        raise DownloadFailed(
            f"Comet ({server}) sends the request on to {error}, which is not followed: the API key and what is loaded "
            "are Comet's alone; check the address in COMET_URL_OVERRIDE and the proxy"
        ) from error
    except MemoryError as error:
        raise ModelTooLarge(
            "the download needs more memory than is allowed; XG_MODEL_MAX_MB sets what the service takes"
        ) from error
    except comet_ml.exceptions.CometRestApiException as error:
        refusal = _refusal(request, error.response.status_code, _said(error.safe_msg))
        if (wait_s := _retry_after_s(error.response.headers.get("Retry-After", ""))) is not None:
            refusal.details["retry_after_s"] = wait_s
        raise refusal from error
    except requests.exceptions.InvalidHeader as error:
        raise KeyRefused("COMET_API_KEY holds characters that no key has, such as a line break") from error
    except requests.exceptions.RequestException as error:
        raise _transport(server, error) from error
    except OSError as error:
        raise _storage(error) from error
    except Exception as error:  # the SDK raises nearly anything on answers that it does not expect
        raise DownloadFailed(
            f"Comet ({server}) gave an answer that its SDK cannot read ({type(error).__name__})"
        ) from error


class SentElsewhere(Exception):
    """The server redirected to another one, which the message names."""


def _stay_on_the_server(requests: Any) -> None:
    """Make the SDK's HTTP library refuse redirects to other servers, before anything is sent there."""
    target_of = requests.Session.get_redirect_target

    def get_redirect_target(session: Any, response: Any) -> str | None:
        target: str | None = target_of(session, response)
        if target is not None and not _same_server(response.url, urljoin(response.url, target)):
            raise SentElsewhere(_server_of(urljoin(response.url, target)))
        return target

    requests.Session.get_redirect_target = get_redirect_target


def _same_server(asked: str, target: str) -> bool:
    """Return whether a redirect stays on the server, or only switches to HTTPS there."""
    before, after = urlsplit(asked), urlsplit(target)
    turns_safe = (before.scheme, after.scheme) == ("http", "https") and before.hostname == after.hostname
    return turns_safe or (before.scheme, before.netloc) == (after.scheme, after.netloc)


def _server_of(address: str) -> str:
    parts = urlsplit(address)
    server = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return clipped(server, 100) if server.isprintable() else "another server"


def _download(api: Any, request: dict[str, Any]) -> dict[str, Any]:
    workspace, model = request["workspace"], request["model"]
    details = api.get_registry_model_details(workspace, model)
    version = _resolve(details["versions"], f"{workspace}/{model}", request["version"])
    if version in request["skip"]:
        return {"version": version}
    api.download_registry_model(workspace, model, version, output_path=".", expand=False)
    archive = Path(f"{model}_{version}.zip")
    unpack(archive, Path(request["folder"]), max_bytes=request["max_bytes"])
    archive.unlink()
    return {"version": version}


def _find(api: Any, request: dict[str, Any]) -> dict[str, Any]:
    # Not `Model.find_versions`: it takes a status or a tag, and Comet does not say which of them a name is. The details
    # have both, and the stages of old servers, in one request.
    details = api.get_registry_model_details(request["workspace"], request["model"])
    return {"version": _in_stage(details["versions"], f"{request['workspace']}/{request['model']}", request["stage"])}


def _resolve(versions: list[dict[str, Any]], model: str, wanted: str | None) -> str:
    """Return the concrete version for a version, a stage (the newest in it) or None (the newest)."""
    for entry in _usable(versions):
        if wanted is None or wanted == entry["version"]:
            return str(entry["version"])
    return _in_stage(versions, model, wanted, "version or stage")


def _in_stage(versions: list[dict[str, Any]], model: str, stage: str | None, asked: str = "version in stage") -> str:
    """Return the newest version in a stage, whatever its case; the newest of all for "latest"."""
    usable = _usable(versions)
    for entry in usable:
        names = {name.casefold() for name in _stages(entry)} | {LATEST}
        if stage is not None and stage.casefold() in names:
            return str(entry["version"])
    known = ", ".join(entry["version"] for entry in usable[:10]) or "none"
    stages = ", ".join(sorted({stage for entry in usable for stage in _stages(entry)})[:10]) or "none"
    wanted = f"{asked} {stage!r}" if stage is not None else "version"
    raise UnknownModel(f"{model} has no {wanted} on Comet; versions: {known}; stages: {stages}")


def _usable(versions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the versions whose names can be folders of the cache, newest first."""
    named = [entry for entry in versions if SAFE_NAME.fullmatch(entry["version"])]
    return sorted(named, key=lambda entry: version_order(entry["version"]), reverse=True)


def _stages(entry: dict[str, Any]) -> list[str]:
    """Return the names of a version: its stages (old servers), status and tags (new ones)."""
    named = [*(entry.get("stages") or []), entry.get("status"), *(entry.get("tags") or [])]
    return list(dict.fromkeys(name for name in named if isinstance(name, str) and name not in ("", "None")))


def _list(api: Any, request: dict[str, Any]) -> dict[str, Any]:
    stop_at = time.monotonic() + request["seconds"]
    found: list[dict[str, Any]] = []
    unusable: list[str] = []
    for workspace in (request["workspaces"] or api.get_workspaces() or [])[:MAX_LISTED_WORKSPACES]:
        for model in (api.get_registry_model_names(workspace) or [])[:MAX_LISTED_MODELS]:
            if time.monotonic() > stop_at:
                return {"models": found, "unusable": unusable}
            if not (is_name(workspace) and is_name(model)):
                unusable.append(f"{workspace}/{model}"[:200])
                continue
            entries = _usable(api.get_registry_model_details(workspace, model)["versions"])
            found += [
                {
                    "workspace": workspace,
                    "model": model,
                    "version": entry["version"],
                    "stages": _stages(entry),
                }
                for entry in entries[:MAX_LISTED_VERSIONS]
            ]
    return {"models": found, "unusable": unusable}


def _refusal(request: dict[str, Any], status: int, said: str) -> RegistryError:
    server = request["server"]
    if status in (401, 403):
        return KeyRefused(
            f"Comet ({server}) refuses the API key (status {status}{said}); check COMET_API_KEY of the service"
        )
    if status in (400, 404) and request["do"] != "list":  # 400: an unknown workspace
        asked = f"{request['workspace']}/{request['model']}"
        return UnknownModel(
            f"Comet ({server}) knows no {asked}, or not for this key (status {status}{said}); check the names"
        )
    if status == 429:
        return DownloadFailed(f"Comet ({server}) receives too many requests (status 429); try again later")
    if status == 200:
        return DownloadFailed(f"Comet ({server}) gave an answer that is not JSON; is its address right?")
    return DownloadFailed(f"Comet ({server}) answered with status {status}{said}; try again later")


def _retry_after_s(header: str) -> float | None:
    """Return the seconds that a `Retry-After` asks to wait, given as seconds or as a date; None for anything else."""
    with suppress(TypeError, ValueError):  # no date, or one without a time zone
        seconds = float(header) if header.isascii() and header.isdigit() else _seconds_until(header)
        return max(0.0, seconds)
    return None


def _seconds_until(date: str) -> float:
    return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()


def _said(message: object) -> str:
    """Return the server's own message, on one short line and without the key."""
    words = " ".join(str(message or "").split())[:200]
    return redact(f": {words}", os.environ["COMET_API_KEY"]) if words else ""


def _transport(server: str, error: Exception) -> RegistryError:
    import requests
    import urllib3

    reason = getattr(error.args[0] if error.args else None, "reason", error)
    # in this order: urllib3 counts a refused connection as a timeout
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return DownloadFailed(f"the name {server} cannot be resolved; check the network and the address of Comet")
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return DownloadFailed(f"Comet ({server}) cannot be reached: no connection; check the network")
    if isinstance(error, requests.exceptions.Timeout) or isinstance(reason, urllib3.exceptions.TimeoutError):
        return DownloadTooSlow(f"Comet ({server}) does not answer; check the network and try again")
    if isinstance(error, requests.exceptions.SSLError):
        return DownloadFailed(f"Comet ({server}) shows a certificate that is not trusted; see REQUESTS_CA_BUNDLE")
    return DownloadFailed(f"the connection to Comet ({server}) broke off ({type(error).__name__}); try again")


def _storage(error: OSError) -> RegistryError:
    if error.errno == errno.EFBIG:
        return ModelTooLarge("the download is larger than XG_MODEL_MAX_MB allows")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return StorageFailed(f"the model cache cannot be written: {error.strerror}; free some space in XG_DATA_DIR")
    return DownloadFailed(f"the model cannot be unpacked: {error.strerror or type(error).__name__}")
