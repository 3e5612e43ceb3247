"""HTTP to the NHL: one game's play-by-play, one day's games."""

import hashlib
import http.client
import logging
import re
import time
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from msgspec import Struct
from msgspec.structs import replace
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from db import times
from livegame.dates import LEAGUE_ZONE
from livegame.deadline import DeadlineAdapter
from livegame.errors import FeedError, FeedMalformed, FeedUnavailable, GameNotFound
from livegame.parsing.json_bytes import read_json
from livegame.parsing.parse import parse_game
from livegame.parsing.schedule import parse_day
from livegame.plays import Day, Game
from livegame.settings import USER_AGENT

logger = logging.getLogger("livegame.feed")

CONNECT_TIMEOUT_S: Final = 3.05
READ_TIMEOUT_S: Final = 10.0  # between two pieces of an answer
RETRIES: Final = 2
REDIRECTS: Final = 3
MAX_BYTES: Final = 20_000_000
_CHUNK: Final = 65_536
# The league lets caches keep an answer for 20 s. A server that allows much more would make games stand still.
MAX_FRESH_S: Final = 30.0
_KEPT: Final = 32  # answers: an evening's games
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])", re.IGNORECASE)
_NOT_KEPT: Final = re.compile(r"no-cache|no-store", re.IGNORECASE)


class Answer(Struct, frozen=True):
    """What the feed sent, not parsed yet."""

    what: str  # for messages
    body: bytes
    fresh_s: float = 0.0  # for how long the feed says that it has nothing newer

    @property
    def digest(self) -> str:
        """SHA-256 of the body."""
        return hashlib.sha256(self.body).hexdigest()

    def json(self) -> Any:
        """Parse the body.

        Raises:
            FeedMalformed: it is not JSON.
        """
        try:
            return read_json(self.body)
        except (ValueError, RecursionError) as error:
            kind = "HTML" if self.body.lstrip()[:1] == b"<" else "half a document or none"
            raise FeedMalformed(
                f"the feed answered {self.what} with {kind} instead of JSON; try again later"
            ) from error


@dataclass(frozen=True, slots=True)
class _Kept:
    etag: str | None
    answer: Answer
    fresh_until: float  # monotonic


class Feed:
    """Reads `api-web.nhle.com` or a server with the same paths. Threads may share it.

    An answer is reused while it is fresh by its `Cache-Control`; after that the request is conditional on its ETag. No
    query string is ever sent, since one would bypass the league's caches.
    """

    def __init__(self, base_url: str, user_agent: str = USER_AGENT) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = _Session()
        retry = Retry(
            total=RETRIES,
            backoff_factor=0.3,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods={"GET"},
            respect_retry_after_header=False,  # the next ping is soon enough
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, DeadlineAdapter(max_retries=retry))
        self._session.headers.update({"Accept": "application/json", "User-Agent": user_agent})
        self._kept: dict[str, _Kept] = {}  # by path, the latest request last

    def answer(self, game_id: int) -> Answer:
        """Fetch one game's whole play-by-play as it stands now.

        Raises:
            GameNotFound: the feed knows no such game.
            FeedUnavailable: no answer in time, or a server error after all retries.
            FeedMalformed: the answer is too large.
        """
        return self._fetch(f"/v1/gamecenter/{game_id}/play-by-play", f"game {game_id}")

    def read_game(self, game_id: int, answer: Answer) -> Game:
        """Parse what `answer` returned.

        Raises:
            FeedMalformed: it is not JSON, or not this game.
        """
        game = parse_game(self._json(answer))
        if game.game_id != game_id:
            raise FeedMalformed(f"asked for game {game_id}, the feed answered with game {game.game_id}")
        return game

    def day(self, day: date | None = None) -> Day:
        """Fetch the games of one day, by default the league's own today. Raises the errors of `answer` and `read_game`.

        What the league calls "now" is yesterday's list until about noon in New York, so today's list is appended.
        """
        listed = self._day(day.isoformat() if day else "now")
        if day is not None or listed.next is None or listed.next > times.utc_now().astimezone(LEAGUE_ZONE).date():
            return listed
        try:
            today = self._day(listed.next.isoformat())
        except FeedError as error:
            return replace(listed, problems=(*listed.problems, str(error)))
        ids = {game.game_id for game in today.games}
        games = (*(game for game in listed.games if game.game_id not in ids), *today.games)
        return replace(today, games=games, problems=(*listed.problems, *today.problems))

    def _day(self, which: str) -> Day:
        listed = parse_day(self.read(f"/v1/score/{which}", f"the games of {which}"))
        if listed.problems:
            logger.warning("the games of %s, in the feed's answer: %s", which, "; ".join(listed.problems))
        return listed

    def read(self, path: str, what: str) -> Any:
        """Return the JSON at any path; `what` names it in messages. Raises the errors of `answer` and `read_game`."""
        return self._json(self._fetch(path, what))

    def _json(self, answer: Answer) -> Any:
        try:
            return answer.json()
        except FeedMalformed:
            self._kept = {}  # or the server would answer "not modified" for ever
            raise

    def _fetch(self, path: str, what: str) -> Answer:
        kept = self._kept.get(path)
        if kept is not None and (left := kept.fresh_until - time.monotonic()) > 0:
            return replace(kept.answer, fresh_s=left)
        try:
            with self._get(
                self._base_url + path, {"If-None-Match": kept.etag} if kept and kept.etag else {}
            ) as response:
                fresh_s = _fresh_s(response)
                if response.status_code == requests.codes.not_modified and kept:
                    return self._keep(path, kept.etag, replace(kept.answer, fresh_s=fresh_s))
                if response.status_code == requests.codes.not_found:
                    key = "number" if what.startswith("game ") else "date"
                    raise GameNotFound(f"no {what.removeprefix('the ')} in the league's feed; check the {key}")
                if response.status_code != requests.codes.ok:
                    raise FeedUnavailable(
                        f"the feed answered {response.status_code} for {what}; {_retry_hint(response)}"
                    )
                body = _body(response, what)
        except (requests.RequestException, HTTPError, http.client.HTTPException, ValueError, OSError) as error:
            # `requests` lets some errors of urllib3 and http.client through; ValueError: odd host names or headers
            raise FeedUnavailable(
                f"no whole answer from {self._base_url} for {what} ({type(error).__name__}); check the network and"
                " XG_FEED_URL"
            ) from error
        return self._keep(path, response.headers.get("ETag"), Answer(what, body, fresh_s))

    def _keep(self, path: str, etag: str | None, answer: Answer) -> Answer:
        if etag or answer.fresh_s:
            others = {other: kept for other, kept in self._kept.items() if other != path}
            newest = dict(list(others.items())[1 - _KEPT :])
            self._kept = newest | {path: _Kept(etag, answer, time.monotonic() + answer.fresh_s)}
        return answer

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        for _ in range(1 + REDIRECTS):
            response = self._session.get(url, headers=headers, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), stream=True)
            if not response.is_redirect:
                return response
            response.close()
            target = response.headers["Location"]
            if not _is_same_server(url, target):
                # a redirect must not lead us to other servers in our own network
                raise FeedUnavailable(
                    f"the feed at {self._base_url} redirects to another server, {target[:100]!r}; if it has moved, set"
                    " XG_FEED_URL to its new address"
                )
            url = urljoin(url, target)
        raise FeedUnavailable(f"the feed at {self._base_url} redirects from one address to the next; try again later")


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Leave redirects to `Feed`, which follows some of them and does not read their bodies."""


def _is_same_server(url: str, target: str) -> bool:
    """Return whether a redirect from `url` stays on the same server."""
    try:
        here, there = urlsplit(url), urlsplit(urljoin(url, target))
        return (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    except ValueError:  # not an address
        return False


def _fresh_s(response: requests.Response) -> float:
    """Return how many seconds the answer stays fresh by its headers."""
    said = response.headers.get("Cache-Control", "")
    found = _MAX_AGE.search(said)
    if not found or _NOT_KEPT.search(said):
        return 0.0
    age = response.headers.get("Age", "")  # seconds in a cache
    return min(max(float(found[1]) - (int(age) if age.isdecimal() and len(age) < 7 else 0), 0.0), MAX_FRESH_S)


def _retry_hint(response: requests.Response) -> str:
    seconds = response.headers.get("Retry-After", "")
    return f"it asks to wait {seconds} s" if seconds.isdecimal() and len(seconds) < 7 else "try again later"


def _body(response: requests.Response, what: str) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise FeedMalformed(f"the feed's answer for {what} is larger than {MAX_BYTES // 1_000_000} MB")
    return bytes(body)
