"""HTTP to the NHL: one game's play-by-play, one day's games."""

import hashlib
import re
import time
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from livegame.exceptions import FeedMalformed, FeedUnavailable, GameNotFound, InvalidGameId
from livegame.json_bytes import read_json
from livegame.plays import Day, Game, parse_day, parse_game

CONNECT_TIMEOUT_S: Final = 3.05
READ_TIMEOUT_S: Final = 10.0
DEADLINE_S: Final = 30.0
RETRIES: Final = 2
MAX_BYTES: Final = 20_000_000
_GAME_ID: Final = re.compile(r"(19|20)\d\d\d\d\d{4}")
_CHUNK: Final = 65_536


def valid_game_id(text: str | int) -> int:
    """The game id as a number.

    Raises:
        InvalidGameId: it is not one of the league's ten-digit numbers.
    """
    if not _GAME_ID.fullmatch(str(text).strip()):
        raise InvalidGameId(
            f"{str(text)[:40]!r} is not a game id: it has ten digits, the season's first year, the kind of game (02"
            " regular season, 03 playoffs) and a number, as in 2021020329"
        )
    return int(text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the feed sent, unread."""

    what: str  # in words
    body: bytes

    @property
    def digest(self) -> str:
        """The same for the same bytes."""
        return hashlib.sha256(self.body).hexdigest()

    def json(self) -> Any:
        """Read it.

        Raises:
            FeedMalformed: it is not JSON.
        """
        try:
            return read_json(self.body)
        except ValueError as error:
            kind = "HTML" if self.body.lstrip()[:1] == b"<" else "half a document or none"
            raise FeedMalformed(
                f"the feed answered {self.what} with {kind} instead of JSON; try again later"
            ) from error


class Feed:
    """Reads `api-web.nhle.com` or whatever serves the same paths. Safe to share between threads for reading.

    Answers are asked for conditionally: where the server sends an ETag and says "not modified", the last answer
    stands.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = requests.Session()
        retry = Retry(
            total=RETRIES,
            backoff_factor=0.3,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods={"GET"},
            retry_after_max=5,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))
        self._session.headers["Accept"] = "application/json"
        self._last: dict[str, tuple[str, Answer]] = {}  # path -> ETag, answer

    def game(self, game_id: str | int) -> Game:
        """One game's whole play-by-play, as it stands now.

        Raises:
            InvalidGameId: not a game id; nothing was asked.
            GameNotFound: the feed knows no such game.
            FeedUnavailable: no answer in time, or a server's error after all retries.
            FeedMalformed: an answer that is not this game.
        """
        number = valid_game_id(game_id)
        return self.read_game(number, self.answer(number))

    def answer(self, game_id: int) -> Answer:
        """What `game` reads, unread. Raises the same errors but `FeedMalformed`."""
        return self._fetch(f"/v1/gamecenter/{game_id}/play-by-play", f"game {game_id}")

    def read_game(self, game_id: int, answer: Answer) -> Game:
        """Read what `answer` returned.

        Raises:
            FeedMalformed: it is not this game.
        """
        game = parse_game(self._json(answer))
        if game.game_id != game_id:
            raise FeedMalformed(f"asked for game {game_id}, the feed answered with game {game.game_id}")
        return game

    def day(self, day: date | None = None) -> Day:
        """The games of one day, by default the league's own today. Raises the same errors as `game`."""
        which = day.isoformat() if day else "now"
        return parse_day(self.read(f"/v1/score/{which}", f"the games of {which}"))

    def read(self, path: str, what: str) -> Any:
        """The answer to any path as it comes; `what` names it in messages. Raises the same errors as `game`."""
        return self._json(self._fetch(path, what))

    def _json(self, answer: Answer) -> Any:
        try:
            return answer.json()
        except FeedMalformed:
            self._last = {}  # or the server would say for ever that it is not modified
            raise

    def _fetch(self, path: str, what: str) -> Answer:
        etag, last = self._last.get(path, (None, None))
        url = self._base_url + path
        try:
            with self._session.get(
                url,
                headers={"If-None-Match": etag} if etag else {},
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                stream=True,
            ) as response:
                if response.status_code == requests.codes.not_modified and last:
                    return last
                if response.status_code == requests.codes.not_found:
                    raise GameNotFound(f"the feed knows no such thing as {what}; check the number")
                if response.status_code != requests.codes.ok:
                    raise FeedUnavailable(f"the feed answered {response.status_code} for {what}; try again later")
                body = _body(response, what)
        except requests.RequestException as error:
            raise FeedUnavailable(
                f"no whole answer from {self._base_url} for {what} ({type(error).__name__}); check the network and"
                " XG_FEED_URL"
            ) from error
        answer = Answer(what, body)
        if "ETag" in response.headers:
            self._last = {path: (response.headers["ETag"], answer)}  # one game is watched at a time
        return answer


def _body(response: requests.Response, what: str) -> bytes:
    # requests' own timeout is per read: a server that trickles would keep us for ever
    deadline = time.monotonic() + DEADLINE_S
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise FeedMalformed(f"the feed's answer for {what} is larger than {MAX_BYTES // 1_000_000} MB")
        if time.monotonic() > deadline:
            raise FeedUnavailable(f"the feed took longer than {DEADLINE_S:g} s to send {what}; try again later")
    return bytes(body)
