"""`Idempotency-Key`: a request that is sent again gets the answer that it had, and nothing is scored a second time.

After the IETF's draft of that header, but for one thing: a key counts together with the model and the body, so that the
same key with another body is another request. The memory is bounded and dies with the process: after a restart of the
service, or a thousand answers later, a request counts as new.
"""

import hashlib
import threading
from collections.abc import Callable
from typing import Final

from xgserve.flights import Flights

MAX_ANSWERS: Final = 1000
MAX_BYTES: Final = 32_000_000  # of all answers that are kept


class Answers:
    """The latest answers to requests that came with a key. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights = Flights[bytes]()
        self._known: dict[bytes, bytes] = {}  # the oldest first
        self._bytes = 0

    def once(self, key: str, model_id: str, body: bytes, answer: Callable[[], bytes]) -> bytes:
        """Return what `answer` returns, or what it returned when the same was asked under this key; "" is no key.

        Waits for an answer that another thread is still making. What `answer` raises is not remembered.
        """
        if not key:
            return answer()
        question = hashlib.sha256(f"{key}\n{model_id}\n".encode() + body).digest()
        return self._flights.share(question, lambda: self._known.get(question) or self._kept(question, answer()))

    def _kept(self, question: bytes, answer: bytes) -> bytes:
        with self._lock:
            self._known[question] = answer
            self._bytes += len(answer)
            while len(self._known) > MAX_ANSWERS or self._bytes > MAX_BYTES:
                self._bytes -= len(self._known.pop(next(iter(self._known))))
        return answer
