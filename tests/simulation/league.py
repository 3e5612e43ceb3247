"""The league of a simulation: its games, and the feed that answers for them, whose answers faults may spoil."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from random import Random
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIEnvironment

from livegame.dates import league_date
from livegame.parsing.parse import parse_game
from livegame.plays import Game
from tests.games import as_feed
from tests.simulation.events import Fault
from tests.simulation.truth import BEGAN, GamePlan, Version, versions

# What spoils answers. `steps` is how many answers, `seconds` is how old a stale one is, how long a slow one takes, how
# long a 429 asks to wait, and how many of the last plays a short one lacks.
UNUSABLE: Final = ("cut", "HTML", "404", "429", "500", "502", "503")
BELIEVABLE: Final = ("stale", "empty", "short", "PRE", "FINAL", "no clock", "unreadable", "no id", "twice", "slow")
FAULTS: Final = (*BELIEVABLE, *UNUSABLE)
_MAX_SHORT: Final = 15
_HTML: Final = b"<html><body>We will be back soon.</body></html>"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the feed sent."""

    at_s: float
    game_id: int | None  # None for a list of games
    version: int | None  # its number; None where no game was shown
    status: int
    spoiled: str = ""  # by which fault
    digest: str | None = None  # SHA-256 of the game that it shows, as the product computes it


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int


@dataclass(frozen=True, slots=True)
class Caching:
    """How a game's answers are cached."""

    grid_s: int = 0  # answers change this often, and say so in max-age; 0: at once, without max-age
    has_etag: bool = True


class League:
    """Games and their feed. All that is true of them is decided when it is made; `clock` is virtual seconds.

    `took_effect` is called with the kind and the target of a fault whenever it spoils an answer.
    """

    def __init__(
        self,
        random: Random,
        games: Iterable[GamePlan],
        clock: Callable[[], float],
        took_effect: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self.answers: list[Answer] = []
        self._clock, self._took_effect = clock, took_effect
        self._versions = {plan.game_id: versions(plan) for plan in games}
        seed = random.random()  # a game's caching does not depend on what other games there are
        # mostly short: a simulated game lasts some minutes
        ways = (Caching(), Caching(), Caching(has_etag=False), Caching(2), Caching(5), Caching(5, False), Caching(20))
        self.caching = {game_id: Random(f"{seed} {game_id}").choice(ways) for game_id in self._versions}
        self._bodies: dict[str, bytes] = {}  # of games, by digest
        self._armed: list[_Armed] = []
        self._ended_at: float | None = None

    # -- what is true -------------------------------------------------------------------------------------------------

    @property
    def game_ids(self) -> tuple[int, ...]:
        """The games, in the order of the plan."""
        return tuple(self._versions)

    def versions(self, game_id: int) -> tuple[Version, ...]:
        """Return all versions of a game, in their order."""
        return self._versions[game_id]

    def truth(self, game_id: int, at_s: float) -> Version:
        """Return the version that is true at this virtual time."""
        if self._ended_at is not None and at_s >= self._ended_at:
            return self.final(game_id)
        reached = [version for version in self._versions[game_id] if version.at_s <= at_s]
        return reached[-1] if reached else self._versions[game_id][0]

    def final(self, game_id: int) -> Version:
        """Return the last version: official, with the end of its plays."""
        return self._versions[game_id][-1]

    def agreeing(self, game: Mapping[str, Any], shots: Iterable[Mapping[str, Any]]) -> list[int]:
        """Return the numbers of the versions that a stored game agrees with.

        `game` is its row of `games`, `shots` are its rows of `shots`; retracted ones are left out here.
        """
        stored = {
            row["event_id"]: (row["outcome"], row["period"], row["seconds"], bool(row["is_home"]), row["shooter_id"])
            for row in shots
            if row["retracted_at"] is None
        }
        return [
            version.number
            for version in self._versions[game["game_id"]]
            if stored == _shots(version) and all(game[name] == value for name, value in _header(version).items())
        ]

    def shown(self, digest: str) -> Game | None:
        """Return the game that the answer with this digest shows, as the product reads it; None if none was sent."""
        body = self._bodies.get(digest)
        return parse_game(json.loads(body)) if body is not None else None

    # -- what is sent -------------------------------------------------------------------------------------------------

    def arm(self, fault: Fault) -> None:
        """Spoil the next answers about its target: a game id, "score" for the lists; any other text: all of them."""
        if fault.kind not in FAULTS:
            raise ValueError(f"the feed has no fault {fault.kind!r}")
        self._armed.append(_Armed(fault, max(fault.steps, 1)))

    def end(self) -> None:
        """Answer from now on with the final truth and without faults.

        A ping that believes an answer from before the end to be fresh asks again after at most MAX_FRESH_S.
        """
        self._armed, self._ended_at = [], self._clock()

    def app(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Answer for `livegame.feed.Feed`."""
        match environ["PATH_INFO"].strip("/").split("/"):
            case ["v1", "gamecenter", number, "play-by-play"] if number.isdecimal() and int(number) in self._versions:
                status, headers, body = self._game(int(number), environ.get("HTTP_IF_NONE_MATCH"))
            case ["v1", "score", day]:
                status, headers, body = self._score(day)
            case _:
                status, headers, body = 404, {}, b"{}"
        start_response(f"{status} x", [*headers.items(), ("Content-Length", str(len(body)))])
        return [body]

    def _game(self, game_id: int, known: str | None) -> tuple[int, dict[str, str], bytes]:
        now = self._clock()
        fault = self._due(str(game_id))
        kind = fault.kind if fault else ""
        caching = self.caching[game_id]
        slot_s = now - now % caching.grid_s if caching.grid_s and self._ended_at is None else now
        version = self.truth(game_id, slot_s - (fault.seconds if fault and kind == "stale" else 0.0))
        if fault and kind in UNUSABLE:
            self.answers.append(Answer(now, game_id, None, _status(kind), kind))
            return _unusable(fault, _body(version))
        body = _body(version) if fault is None else json.dumps(spoiled(as_answer(version), fault)).encode()
        digest = sha256(body).hexdigest()
        self._bodies[digest] = body
        etag = f'"{digest[:16]}"'
        if caching.grid_s and self._ended_at is None:  # as the league's: the hex time of a grid, not of the content
            etag = f'"{int(BEGAN.timestamp() + slot_s - (fault.seconds if fault and kind == "stale" else 0)):x}"'
        headers = {"ETag": etag} if caching.has_etag else {}
        if caching.grid_s:
            headers["Cache-Control"] = f"max-age={caching.grid_s - 1}"
        is_known = known is not None and known == headers.get("ETag")
        self.answers.append(Answer(now, game_id, version.number, 304 if is_known else 200, kind, digest))
        if fault and kind == "slow":
            time.sleep(fault.seconds)
        if is_known:
            return 304, headers, b""
        return 200, {"Content-Type": "application/json"} | headers, body

    def _score(self, day: str) -> tuple[int, dict[str, str], bytes]:
        now = self._clock()
        today = league_date((BEGAN + timedelta(seconds=now)).isoformat()) if day == "now" else day
        games = [as_answer(self.truth(game_id, now)) for game_id in self._versions]
        listed = [game for game in games if day == "now" or league_date(game["startTimeUTC"]) == today]
        without = ("plays", "rosterSpots")
        shown = [{key: value for key, value in game.items() if key not in without} for game in listed]
        content = {"currentDate": today, "prevDate": None, "nextDate": None, "games": shown}
        fault = self._due("score")
        body = json.dumps(content).encode()
        if fault and fault.kind in UNUSABLE:
            self.answers.append(Answer(now, None, None, _status(fault.kind), fault.kind))
            return _unusable(fault, body)
        self.answers.append(Answer(now, None, None, 200))
        return 200, {"Content-Type": "application/json"}, body

    def _due(self, target: str) -> Fault | None:
        """Return the fault that spoils this answer, the first armed first, and count it."""
        names = {"score", *map(str, self._versions)}
        for armed in self._armed:
            fits = armed.fault.target == target or armed.fault.target not in names
            if fits and (target != "score" or armed.fault.kind in UNUSABLE):
                armed.left -= 1
                if not armed.left:
                    self._armed.remove(armed)
                self._took_effect(armed.fault.kind, target)
                return armed.fault
        return None


def as_answer(version: Version) -> dict[str, Any]:
    """Return the feed's answer that shows a version.

    `sortOrder` has gaps and is issued again with each version; some lists are not sorted by it.
    """
    shown = as_feed(version.game) | {"gameState": version.code}
    for play in shown["plays"]:
        play["sortOrder"] = play["sortOrder"] * 10 + version.number % 7
    if version.number % 3 == 2:
        shown["plays"].reverse()
    return shown


def _body(version: Version) -> bytes:
    return json.dumps(as_answer(version)).encode()


def spoiled(answer: dict[str, Any], fault: Fault) -> dict[str, Any]:
    """Return the answer as a fault leaves it; a stale or slow one is only late."""
    in_order = sorted(answer["plays"], key=lambda play: play["sortOrder"])
    match fault.kind:
        case "empty":
            return answer | {"plays": []}
        case "short":
            lacking = 1 + int(fault.seconds) % _MAX_SHORT
            return answer | {"plays": in_order[:-lacking]}
        case "PRE" | "FINAL":
            return answer | {"gameState": fault.kind}
        case "unreadable":  # a play in three
            return answer | {
                "plays": [p | ({"timeInPeriod": "?"} if _one_in_three(p, fault) else {}) for p in in_order]
            }
        case "no id":
            return answer | {"plays": [p | ({"eventId": None} if _one_in_three(p, fault) else {}) for p in in_order]}
        case "twice":
            return answer | {"plays": [*in_order, *(p for p in in_order if _one_in_three(p, fault))]}
        case "no clock":
            return {key: value for key, value in answer.items() if key != "clock"}
    return answer


def _one_in_three(play: dict[str, Any], fault: Fault) -> bool:
    return int(play["eventId"] + fault.seconds) % 3 == 0


def _status(kind: str) -> int:
    return int(kind) if kind.isdecimal() else 200


def _unusable(fault: Fault, body: bytes) -> tuple[int, dict[str, str], bytes]:
    if fault.kind == "cut":
        return 200, {"Content-Type": "application/json"}, body[: len(body) // 2]
    if fault.kind == "HTML":
        return 200, {"Content-Type": "text/html"}, _HTML
    headers = {"Retry-After": str(int(fault.seconds))} if fault.kind == "429" else {}
    return _status(fault.kind), headers, b"{}"


def _header(version: Version) -> dict[str, Any]:
    """Return some columns of a game's row."""
    game = version.game
    return {
        "state": game.state,
        "home_score": game.home.score,
        "away_score": game.away.score,
        "period": game.period,
        "seconds_left": game.seconds_left,
        "in_intermission": game.in_intermission,
    }


def _shots(version: Version) -> dict[int, tuple[Any, ...]]:
    game = version.game
    return {
        shot.event_id: (shot.kind, shot.period, shot.seconds, shot.team_id == game.home.team_id, shot.shooter_id)
        for shot in game.shots
    }
