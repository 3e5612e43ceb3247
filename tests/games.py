"""Small games made by hand, and a feed that serves them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from msgspec.structs import replace

from livegame.plays import PENALTY_SHOT_SITUATIONS, BlockedAttempt, Game, GameState, Penalty, Play, Player, Shot, Team
from livegame.recordings.replay import Standing, play_by_play
from livegame.recordings.seasons import is_counted, season_recordings

HOME, AWAY = 12, 15
GAME_ID = 2021020329


def play(
    event_id: int, kind: str, seconds: int, team: int = HOME, x: float | None = 70, y: float | None = 10, **more: Any
) -> Play:
    """Return a play of the first period, of the class for its kind; a penalty is a minor."""
    values: dict[str, Any] = {"period": 1, "period_type": "REG", "situation": "1551", "home_defends": "left"} | more
    if kind in ("goal", "shot-on-goal", "missed-shot"):
        shot = Shot(event_id, kind, seconds=seconds, team_id=team, x=x, y=y, **({"shot_type": "wrist"} | values))
        missing = (*(("coordinates",) if x is None else ()), *(("shot_type",) if shot.shot_type is None else ()))
        return replace(shot, missing=missing)
    if kind == "blocked-shot":
        return BlockedAttempt(event_id, kind, seconds=seconds, team_id=team, x=x, y=y, **values)
    if kind == "penalty":
        minor: dict[str, Any] = {"severity": "MIN", "minutes": 2}
        return Penalty(event_id, kind, seconds=seconds, team_id=team, **(minor | values))
    return Play(event_id, kind, seconds=seconds, team_id=team, x=x, y=y, **values)


def game(*plays: Play, **more: Any) -> Game:
    """Return a live game in its first period, except for what `more` changes."""
    values: dict[str, Any] = {
        "game_id": GAME_ID,
        "season": 20212022,
        "game_type": 2,
        "start_time": "2021-11-28T18:00:00Z",
        "home": Team(HOME, "CAR", "Carolina Hurricanes", 0),
        "away": Team(AWAY, "WSH", "Washington Capitals", 0),
        "state": GameState.LIVE,
        "period": 1,
        "period_type": "REG",
        "seconds_left": 755,
        "in_intermission": False,
        "players": {8478427: Player("Sebastian Aho", HOME), 8471214: Player("Alex Ovechkin", AWAY)},
    }
    values |= more
    for side, given in (("home", more.get("home")), ("away", more.get("away"))):
        team = values[side]
        if values["state"] is GameState.FINAL and given is None:  # by default, the official score is that of the plays
            goals = sum(p.kind == "goal" and p.team_id == team.team_id and p.period_type != "SO" for p in plays)
            values[side] = replace(team, score=goals)
    return Game(**values, plays=plays)


def as_feed(shown: Game) -> dict[str, Any]:
    """Return the game as an answer of the present feed."""
    states = {
        GameState.NOT_STARTED: "FUT",
        GameState.LIVE: "LIVE",
        GameState.OVER: "OVER",
        GameState.FINAL: "OFF",
        GameState.POSTPONED: "FUT",
        GameState.CANCELLED: "FUT",
    }
    standing = Standing(
        states[shown.state], shown.period, shown.period_type, 0, shown.seconds_left, shown.in_intermission, shown.plays
    )
    feed = play_by_play(shown, standing)
    for side in ("home", "away"):
        feed[f"{side}Team"]["score"] = getattr(shown, side).score
    if shown.state in (GameState.POSTPONED, GameState.CANCELLED):
        feed["gameScheduleState"] = {GameState.POSTPONED: "PPD", GameState.CANCELLED: "CNCL"}[shown.state]
    if not shown.start_is_known:
        feed["gameScheduleState"] = "TBD"
    return feed


_LEGACY_KINDS: Final = {
    "faceoff": "FACEOFF",
    "hit": "HIT",
    "giveaway": "GIVEAWAY",
    "takeaway": "TAKEAWAY",
    "stoppage": "STOP",
    "penalty": "PENALTY",
    "goal": "GOAL",
    "shot-on-goal": "SHOT",
    "missed-shot": "MISSED_SHOT",
    "blocked-shot": "BLOCKED_SHOT",
}
_LEGACY_PERIODS: Final = {"REG": "REGULAR", "OT": "OVERTIME", "SO": "SHOOTOUT"}


def as_legacy_feed(shown: Game) -> dict[str, Any]:
    """Return the game as an answer of the legacy feed: no zones, one side per period, no situations.

    A penalty in the second of a penalty shot is the one that led to it.
    """
    alone_at = {(play.period, play.seconds) for play in shown.plays if play.situation in PENALTY_SHOT_SITUATIONS}
    sides: dict[int, tuple[str, str | None]] = {}
    for play in shown.plays:
        sides.setdefault(play.period, (_LEGACY_PERIODS[play.period_type], play.home_defends))

    def raw(play: Play) -> dict[str, Any]:
        result: dict[str, Any] = {"eventTypeId": _LEGACY_KINDS[play.kind]}
        if play.kind == "penalty":
            given = (play.period, play.seconds) in alone_at
            result |= {"penaltySeverity": "Penalty Shot" if given else "Minor", "penaltyMinutes": 0 if given else 2}
        return {
            "result": result,
            "about": {
                "eventId": play.event_id,
                "period": play.period,
                "periodType": _LEGACY_PERIODS[play.period_type],
                "periodTime": f"{play.seconds // 60:02d}:{play.seconds % 60:02d}",
            },
            "coordinates": {} if play.x is None else {"x": play.x, "y": play.y},
            "team": {"id": play.team_id},
        }

    def team(team: Team) -> dict[str, Any]:
        return {"id": team.team_id, "triCode": team.abbrev, "name": team.name}

    return {
        "gamePk": shown.game_id,
        "gameData": {
            "game": {"season": str(shown.season), "type": "R"},
            "datetime": {"dateTime": shown.start_time},
            "status": {"abstractGameState": "Live", "statusCode": "3"},
            "teams": {"home": team(shown.home), "away": team(shown.away)},
        },
        "liveData": {
            "plays": {"allPlays": [raw(play) for play in shown.plays]},
            "linescore": {
                "currentPeriod": shown.period,
                "periods": [
                    {"num": number, "periodType": kind, "home": {"rinkSide": side}}
                    for number, (kind, side) in sides.items()
                ],
            },
        },
    }


def season_games(path: Path) -> Iterator[Game]:
    """Yield the finished games of a recorded season, regular season and playoffs."""
    for recording in season_recordings(path):
        if is_counted(shown := recording.game()):
            yield shown


@dataclass
class FeedServer:
    """The answers of a feed on loopback, by path, and the requests that it has received."""

    url: str
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, If-None-Match
    agents: set[str] = field(default_factory=set)  # of all requests

    def show(self, shown: Game | dict[str, Any], etag: str | None = None, **headers: str) -> None:
        """Serve a game from now on; pass headers as `cache_control="max-age=19"`."""
        feed = as_feed(shown) if isinstance(shown, Game) else shown
        self.answer(f"/v1/gamecenter/{feed['id']}/play-by-play", json.dumps(feed).encode(), 200, etag, **headers)

    def answer(self, path: str, body: bytes, status: int = 200, etag: str | None = None, **headers: str) -> None:
        """Serve these bytes."""
        sent = {"Content-Type": "application/json"} | ({"ETag": etag} if etag else {})
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, sent, body)

    def _app(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        path, etag = environ["PATH_INFO"], environ.get("HTTP_IF_NONE_MATCH")
        self.requests.append((path, etag))
        self.agents.add(environ.get("HTTP_USER_AGENT", ""))
        status, headers, body = self.answers.get(path, (404, {}, b"{}"))
        if etag and headers.get("ETag") == etag:
            status, body = 304, b""
        start_response(f"{status} x", list(headers.items()))
        return [body]


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    """Run a feed on a free loopback port."""
    feed = FeedServer("")
    with wsgi_server(feed._app) as feed.url:
        yield feed


@dataclass
class Hanging:
    """A server on loopback that accepts every request and answers none until it stops."""

    url: str = ""
    requests: list[str] = field(default_factory=list)
    _ends: threading.Event = field(default_factory=threading.Event)

    def _app(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        self.requests.append(environ["PATH_INFO"])
        self._ends.wait()
        start_response("503 x", [])
        return [b""]


@contextmanager
def hanging_server() -> Iterator[Hanging]:
    """Run a server on a free loopback port that hangs until the context ends."""
    hanging = Hanging()
    with wsgi_server(hanging._app) as hanging.url:
        try:
            yield hanging
        finally:
            hanging._ends.set()


@contextmanager
def wsgi_server(app: Any) -> Iterator[str]:
    """Serve a WSGI app on a free loopback port; yield its address."""
    with serving(make_server("127.0.0.1", 0, app, _Server, _QuietHandler)) as url:
        yield url


@contextmanager
def serving(server: TCPServer) -> Iterator[str]:
    """Run a server that listens on loopback in a thread; yield its address."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
