"""A receiver of notices on loopback, as a json:// address reaches it, and what it got."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from tests.games import serving

Manner = Literal["accepts", "refuses", "hangs", "loses the answer"]


@dataclass
class Receiver:
    """What a receiver got, in the order of arrival: title and body of each message."""

    address: str = ""
    manner: Manner = "accepts"
    got: list[tuple[str, str]] = field(default_factory=list)
    asked: int = 0  # requests, whether they were taken or not
    pause_s: float = 0.0  # between taking a message and answering
    ends: threading.Event = field(default_factory=threading.Event)

    @property
    def titles(self) -> list[str]:
        """The titles, in the order of arrival."""
        return [title for title, _ in self.got]

    def counted(self) -> Counter[str]:
        """Return how often each title has arrived."""
        return Counter(self.titles)


@contextmanager
def receiver(manner: Manner = "accepts") -> Iterator[Receiver]:
    """Run a receiver on a free loopback port."""
    found = Receiver(manner=manner)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.asked += 1
            manner = found.manner
            if manner == "hangs":
                found.ends.wait()
            if manner in ("accepts", "loses the answer"):
                found.got.append((said["title"], said["message"]))
            time.sleep(found.pause_s)
            if manner in ("accepts", "refuses"):
                self.send_response(200 if manner == "accepts" else 404)
                self.end_headers()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        found.address = url.replace("http://", "json://user:" + SECRET + "@")
        try:
            yield found
        finally:
            found.ends.set()


SECRET = "a-secret-that-must-appear-nowhere"
