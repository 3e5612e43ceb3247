"""A deadline for whole answers over HTTP: the read timeout of `requests` starts again with every byte."""

import http.client
import io
import time
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from livegame.errors import FeedUnavailable

DEADLINE_S: Final = 30.0


class DeadlineAdapter(HTTPAdapter):
    """Raises `FeedUnavailable` if an answer, from status line to last byte, takes longer than DEADLINE_S."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Apply the deadline to direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Apply the deadline to connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _TimedReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._stop_at = time.monotonic() + DEADLINE_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._stop_at:
            raise FeedUnavailable(f"the feed has not sent its whole answer in {DEADLINE_S:g} s; try again later")
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach()))


class _Http(HTTPConnection):
    response_class = _TimedResponse


class _Https(HTTPSConnection):
    response_class = _TimedResponse


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS: Final = {"http": _HttpPool, "https": _HttpsPool}
