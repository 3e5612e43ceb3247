"""A stand-in for Comet's server on loopback, with the routes that its SDK asks, and ways to misbehave."""

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "standin-key-4f1c9d27"

Handler = BaseHTTPRequestHandler


@dataclass
class Version:
    """A version of a model: the zip file that Comet would send, and its names; old servers have only stages."""

    archive: bytes
    stages: list[str]
    status: str | None = None
    tags: list[str] | None = None

    def names(self) -> dict[str, Any]:
        new = {"status": self.status, "tags": self.tags}
        return {"stages": self.stages} | {name: value for name, value in new.items() if value is not None}


Answer = Callable[[Handler], None]


class StandIn:
    """The server: what it holds, what it was asked, and how it is told to misbehave.

    `faults` maps a route ("download", "details", "names", "workspaces", "alive") to what answers in its place.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.faults: dict[str, Answer] = {}
        self.closing = threading.Event()
        self._models: dict[tuple[str, str], dict[str, Version]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(
        self,
        workspace: str,
        model: str,
        version: str,
        archive: bytes,
        stages: list[str] | None = None,
        status: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        """Register a version of a model, given as the zip file that Comet would send."""
        self._models.setdefault((workspace, model), {})[version] = Version(archive, stages or [], status, tags)

    def move(self, workspace: str, model: str, stage: str, to: str | None) -> None:
        """Let one version be in the stage; None: no version."""
        for version, held in self._models[workspace, model].items():
            held.stages = [name for name in held.stages if name != stage] + [stage] * (version == to)

    @contextmanager
    def running(self) -> Iterator["StandIn"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handler(self) -> type[Handler]:
        standin = self

        class _Handler(Handler):
            def do_GET(self) -> None:  # noqa: N802 - the base class names it
                standin.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return _Handler

    def answer(self, handler: Handler) -> None:
        url = urlsplit(handler.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        routes: dict[str, tuple[str, Callable[[Handler, Mapping[str, str]], None]]] = {
            "/clientlib/isAlive/ver": ("alive", self._alive),
            "/api/rest/v2/workspaces": ("workspaces", self._workspaces),
            "/api/rest/v2/registry-model": ("names", self._names),
            "/api/rest/v2/registry-model/details": ("details", self._details),
            "/api/rest/v2/registry-model/item/download": ("download", self._download),
        }
        name, route = routes.get(url.path, (url.path, self._unknown))
        self.asked.append(name)
        try:
            if name in self.faults:
                self.faults[name](handler)
            elif name != "alive" and handler.headers.get("Authorization") != KEY:
                send_json(handler, {"msg": "user with that api key does not exist"}, 401)
            else:
                route(handler, asked)
        except (BrokenPipeError, ConnectionResetError):  # the other side gave up, as some tests want it to
            pass

    def _alive(self, handler: Handler, asked: Mapping[str, str]) -> None:  # noqa: ARG002
        send_json(handler, {"version": "4.35.0"})

    def _workspaces(self, handler: Handler, asked: Mapping[str, str]) -> None:  # noqa: ARG002
        send_json(handler, {"workspaceNames": sorted({workspace for workspace, _ in self._models})})

    def _names(self, handler: Handler, asked: Mapping[str, str]) -> None:
        names = [model for workspace, model in self._models if workspace == asked["workspaceName"]]
        if names:
            send_json(handler, {"registryModels": [{"modelName": name} for name in names]})
        else:
            send_json(handler, {"msg": f"no such workspace {asked['workspaceName']!r}"}, 400)

    def _details(self, handler: Handler, asked: Mapping[str, str]) -> None:
        model = asked["workspaceName"], asked["modelName"]
        if model not in self._models:
            send_json(handler, {"msg": f"Model {'/'.join(model)} does not exist"}, 404)
            return
        versions = [
            {"registryModelItemId": f"it-{version}", "version": version, "assets": []} | held.names()
            for version, held in self._models[model].items()
        ]
        send_json(handler, {"registryModelId": "rm", "modelName": model[1], "versions": versions})

    def _download(self, handler: Handler, asked: Mapping[str, str]) -> None:
        send(handler, self._models[asked["workspaceName"], asked["modelName"]][asked["version"]].archive)

    def _unknown(self, handler: Handler, asked: Mapping[str, str]) -> None:  # noqa: ARG002
        send_json(handler, {"msg": "no such route"}, 404)


def send(handler: Handler, content: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Type": "application/octet-stream"} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def send_json(handler: Handler, answer: Any, status: int = 200) -> None:
    # the SDK takes this content type and no other, not even with a charset
    send(handler, json.dumps(answer).encode(), status, **{"Content-Type": "application/json"})


def status(code: int, message: str = "said the stand-in", **headers: str) -> Answer:
    """Answer with an error status."""
    content = json.dumps({"msg": message}).encode()
    return lambda handler: send(handler, content, code, **{"Content-Type": "application/json"} | headers)


def redirect(code: int, target: Callable[[Handler], str]) -> Answer:
    """Send the request on to where `target` says."""
    return lambda handler: send(handler, b"", code, Location=target(handler))


def page(code: int = 200) -> Answer:
    """Answer with a web page, as proxies and sign-in pages do."""
    content = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
    return lambda handler: send(handler, content, code, **{"Content-Type": "text/html"})


def body(content: bytes) -> Answer:
    return lambda handler: send(handler, content)


def short_body(content: bytes) -> Answer:
    """Promise the whole content, send half of it, hang up."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        handler.close_connection = True

    return answer


def gzip_bomb(megabytes: int) -> Answer:
    """A small answer that the HTTP library itself unpacks to a large one."""
    content = gzip.compress(bytes(megabytes << 20))
    return lambda handler: send(handler, content, Content_Encoding="gzip")


def hang(standin: StandIn) -> Answer:
    """Take the request and never answer."""

    def answer(handler: Handler) -> None:
        _wait(standin, 60)
        handler.close_connection = True

    return answer


def trickle(standin: StandIn, content: bytes, pause: float = 0.1) -> Answer:
    """Send one byte after the other, each in time for any timeout that counts from byte to byte."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for index in range(len(content)):
            handler.wfile.write(content[index : index + 1])
            handler.wfile.flush()
            if _wait(standin, pause):
                return

    return answer


def slowly(seconds: float, then: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        time.sleep(seconds)
        send(handler, then)

    return answer


def _wait(standin: StandIn, seconds: float) -> bool:
    return standin.closing.wait(seconds)
