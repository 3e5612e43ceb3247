"""A feed in a process of its own that answers any game's play-by-play with one recorded answer, as bytes."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIEnvironment

import waitress.server

CONDITIONAL: Final = "/conditional"  # below this path, answers have an ETag and are not sent twice
_ID: Final = b'"id":'


def as_game(answer: bytes, game_id: int) -> bytes:
    """Return the recorded answer as if it were another game's."""
    before, _, after = answer.partition(_ID)
    return before + _ID + str(game_id).encode() + after.lstrip()[10:]


@contextmanager
def running_feed(recording: Path) -> Iterator[str]:
    """Serve the answer that the file holds; yield the feed's address."""
    process = subprocess.Popen([sys.executable, "-m", "bench.feed", str(recording)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None  # noqa: S101
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Serve a file's bytes, and print the port for the process that started this one."""
    answer = Path(sys.argv[1]).read_bytes()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        path = environ["PATH_INFO"]
        body = as_game(answer, int(path.removeprefix(CONDITIONAL).split("/")[3]))
        headers = [("Content-Type", "application/json")]
        if path.startswith(CONDITIONAL):
            etag = f'"{hashlib.sha256(body).hexdigest()}"'
            headers.append(("ETag", etag))
            if environ.get("HTTP_IF_NONE_MATCH") == etag:
                start_response("304 Not Modified", headers)
                return []
        start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    server: Any = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=2)
    os.write(1, f"{server.effective_port}\n".encode())
    server.run()


if __name__ == "__main__":
    main()
