"""Serve recorded games as the gamecenter feed would if they were being played now, on a clock that can run faster.

A game starts with the first request for it. Its start is kept on disk, so that after a restart the replay resumes
where the game would be by now.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import bottle

from livegame.dates import league_date
from livegame.errors import FeedMalformed, ReplayError
from livegame.plays import (
    PERIOD_SECONDS,
    REGULATION_PERIODS,
    BlockedAttempt,
    Game,
    Penalty,
    Play,
    Shot,
    Team,
    overtime_length,
)
from livegame.recordings.files import find_recordings, read_recording

INTERMISSION_S: Final = 180  # game time; the league's last 18 minutes
SHOOTOUT_ROUND_S: Final = 30
CRITICAL_S: Final = 300  # the feed calls the last five minutes CRIT
RESTART_HEADER: Final = "X-Live-XG-Replay"  # a page of another site cannot send it
LISTED_GAMES: Final = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """A point on a replayed game's clock."""

    state: str  # FUT, LIVE, CRIT or OFF
    period: int
    period_type: str
    seconds: int  # played in the period
    seconds_left: int  # in the period or the intermission
    in_intermission: bool
    plays: tuple[Play, ...]  # so far


def standing(game: Game, elapsed_s: float) -> Standing:
    """Return where the recorded game stands `elapsed_s` seconds after its start, in game time with intermissions."""
    left = elapsed_s
    shown: tuple[Play, ...] = ()
    periods = sorted({(play.period, play.period_type) for play in game.plays})
    if not periods or elapsed_s < 0:
        return Standing("FUT", 1, "REG", 0, PERIOD_SECONDS, in_intermission=False, plays=())
    for number, kind in periods:
        plays = tuple(play for play in game.plays if play.period == number)
        step = SHOOTOUT_ROUND_S if kind == "SO" else 0  # a shootout has no clock: its plays are spaced evenly
        times = [order * step if step else play.seconds for order, play in enumerate(plays)]
        length = max(times) + step
        if left < length:
            seconds = 0 if step else int(left)
            full = 0 if step else _full_length(game, kind)
            critical = number >= REGULATION_PERIODS and full - seconds <= CRITICAL_S
            now = tuple(play for play, at in zip(plays, times, strict=True) if at <= left)
            return Standing(
                "CRIT" if critical else "LIVE",
                number,
                kind,
                seconds,
                full - seconds,
                in_intermission=False,
                plays=shown + now,
            )
        left -= length
        shown += plays
        if (number, kind) != periods[-1]:
            if left < INTERMISSION_S:
                return Standing(
                    "LIVE", number, kind, length, int(INTERMISSION_S - left), in_intermission=True, plays=shown
                )
            left -= INTERMISSION_S
    number, kind = periods[-1]
    return Standing("OFF", number, kind, length, 0, in_intermission=False, plays=game.plays)


def _full_length(game: Game, kind: str) -> int:
    return overtime_length(game.overtime_seconds, game.game_type) if kind == "OT" else PERIOD_SECONDS


def play_by_play(game: Game, now: Standing) -> dict[str, Any]:
    """Return the gamecenter feed's answer at that point of the game."""
    return _header(game, now) | {
        "plays": [_play(play, order) for order, play in enumerate(now.plays, start=1)],
        "rosterSpots": [
            {
                "teamId": player.team_id,
                "playerId": player_id,
                "firstName": {"default": player.name.partition(" ")[0]},
                "lastName": {"default": player.name.partition(" ")[2]},
            }
            for player_id, player in game.players.items()
        ],
    }


def _header(game: Game, now: Standing) -> dict[str, Any]:
    return {
        "id": game.game_id,
        "season": game.season,
        "gameType": game.game_type,
        "startTimeUTC": game.start_time,
        "gameState": now.state,
        "gameScheduleState": "OK",
        "periodDescriptor": _period(now.period, now.period_type),
        "homeTeam": _team(game.home, now),
        "awayTeam": _team(game.away, now),
        "clock": {
            "timeRemaining": _clock(now.seconds_left),
            "secondsRemaining": now.seconds_left,
            "running": now.state in ("LIVE", "CRIT") and not now.in_intermission,
            "inIntermission": now.in_intermission,
        },
    }


def _team(team: Team, now: Standing) -> dict[str, Any]:
    scored = sum(
        isinstance(play, Shot) and play.is_goal and play.team_id == team.team_id and play.period_type != "SO"
        for play in now.plays
    )
    return {
        "id": team.team_id,
        "abbrev": team.abbrev,
        "name": {"default": team.name},
        "score": team.score if now.state == "OFF" else scored,
    }


def _play(play: Play, order: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "eventId": play.event_id,
        "periodDescriptor": _period(play.period, play.period_type),
        "timeInPeriod": _clock(play.seconds),
        "typeDescKey": play.kind,
        "sortOrder": order,
    }
    details: dict[str, Any] = {
        "eventOwnerTeamId": play.team_id,
        "xCoord": play.x,
        "yCoord": play.y,
        "zoneCode": play.zone,
    }
    if isinstance(play, Shot):
        shooter = "scoringPlayerId" if play.is_goal else "shootingPlayerId"
        details |= {shooter: play.shooter_id, "goalieInNetId": play.goalie_id}
    if isinstance(play, Shot):
        details |= {"reason": play.reason}
    if isinstance(play, BlockedAttempt):
        details |= {"shootingPlayerId": play.shooter_id, "blockingPlayerId": play.blocker_id}
        details |= {"reason": "teammate-blocked" if play.by_teammate else "blocked"}
    if isinstance(play, Penalty):
        details |= {"typeCode": play.severity, "duration": play.minutes}
        details |= {"committedByPlayerId": play.player_id, "servedByPlayerId": play.server_id}
    optional = {"situationCode": play.situation, "homeTeamDefendingSide": play.home_defends}
    # the feed omits what it does not know
    answer |= {key: value for key, value in optional.items() if value is not None}
    details = {key: value for key, value in details.items() if value is not None}
    if isinstance(play, Shot) and "shot_type" not in play.missing:
        details["shotType"] = play.shot_type  # null if the recording will never have it
    return answer | ({"details": details} if details else {})


def _period(number: int, kind: str) -> dict[str, Any]:
    return {"number": number, "periodType": kind, "maxRegulationPeriods": REGULATION_PERIODS}


def _clock(seconds: int) -> str:
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


class Starts:
    """When each game was first requested, in seconds since the epoch, kept in a file."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path, self._now = path, now
        self._lock = threading.Lock()
        self._starts = _read_starts(path) if path.exists() else {}
        self._latest = max(self._starts.values(), default=0.0)

    def elapsed(self, game_id: int) -> float:
        """Return the seconds since the game was first requested; the first call starts it.

        If the clock is set back, time stands still until it has caught up: what was shown stays shown. Raises OSError.
        """
        with self._lock:
            now = self._latest = max(self._latest, self._now())
            if str(game_id) not in self._starts:
                self._begin(game_id, now)
            return now - self._starts[str(game_id)]

    def forget(self, game_id: int) -> None:
        """Have the game start again with the next request. Raises OSError."""
        with self._lock:
            starts = {other: start for other, start in self._starts.items() if other != str(game_id)}
            self._save(starts)
            self._starts = starts

    def _begin(self, game_id: int, now: float) -> None:
        starts = self._starts | {str(game_id): now}
        self._save(starts)
        self._starts = starts

    def has_begun(self, game_id: int) -> bool:
        """Return whether the game has been requested yet."""
        return str(game_id) in self._starts

    def _save(self, starts: Mapping[str, float]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(starts))
        part.replace(self._path)


def _read_starts(path: Path) -> dict[str, float]:
    try:
        return {str(game_id): float(start) for game_id, start in json.loads(path.read_bytes()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ReplayError(f"{path} cannot be read ({error}); --restart starts every game again") from error


def create_app(
    recordings: Path,
    state_file: Path,
    speed: float,
    now: Callable[[], float] = time.time,
    *,
    begin_s: float = 0,
    only: int | None = None,
) -> bottle.Bottle:
    """Return the replay as a WSGI app: the two routes of the league's API that the game client reads, and a restart.

    `speed` is seconds of game time per second of `now`. A game has run for `begin_s` seconds of game time when it is
    first requested. With `only`, a game id, the replay serves just that game.

    Raises:
        ReplayError: `state_file` is unreadable, or there is no recording of `only`.
    """
    games = find_recordings(recordings)
    if only is not None:
        if only not in games:
            raise ReplayError(f"there is no recording of game {only} in {recordings}")
        games = {only: games[only]}
    starts = Starts(state_file, now)
    app = bottle.Bottle()

    def current(game_id: int) -> tuple[Game, Standing]:
        game = read_recording(games[game_id])
        return game, standing(game, begin_s + starts.elapsed(game_id) * speed)

    @app.get("/v1/gamecenter/<game_id:int>/play-by-play")
    def _game(game_id: int) -> Any:
        if game_id not in games:
            return _answer({"message": f"no recording of game {game_id}"}, status=404)
        try:
            return _answer(play_by_play(*current(game_id)))
        except (FeedMalformed, OSError) as error:  # OSError: its start cannot be saved
            return _answer({"message": str(error)}, status=500)

    @app.post("/replay/<game_id:int>/restart")
    def _restart(game_id: int) -> Any:
        if not bottle.request.get_header(RESTART_HEADER):
            return _answer(
                {"message": f"this needs the header {RESTART_HEADER}, which a page of another site cannot send"}, 403
            )
        if game_id not in games:
            return _answer({"message": f"no recording of game {game_id}"}, status=404)
        try:
            starts.forget(game_id)
        except OSError as error:
            return _answer({"message": str(error)}, status=500)
        return _answer({"message": "the game starts with the next request for it"})

    @app.get("/v1/score/<day>")
    def _score(day: str) -> Any:
        listed: list[dict[str, Any]] = []
        days: set[str] = set()
        for game_id, path in sorted(games.items(), reverse=True):
            if day == "now" and len(listed) == LISTED_GAMES:
                break
            try:
                its_day = _day_of(path)
            except FeedMalformed:
                continue  # reported when that game is requested
            days.add(its_day)
            if day in ("now", its_day):
                game = read_recording(path)
                # listing a game must not start it: until its first request it stands at `begin_s`, or has not begun
                at = begin_s + starts.elapsed(game_id) * speed if starts.has_begun(game_id) else begin_s or -1
                listed.append(_header(game, standing(game, at)))
        today = day
        if day == "now":  # a game served alone is played on its own date
            today = max(days) if only is not None and days else league_date(datetime.now(UTC).isoformat())
        nearest = {
            "prevDate": max((other for other in days if other < today), default=None),
            "nextDate": min((other for other in days if other > today), default=None),
        }
        return _answer({"currentDate": today, **nearest, "games": listed})

    return app


@cache
def _day_of(path: Path) -> str:
    return read_recording(path).date


def _answer(content: Mapping[str, Any], status: int = 200) -> bottle.HTTPResponse:
    body = json.dumps(content).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"Content-Type": "application/json", "ETag": etag}
    if status == 200 and bottle.request.get_header("If-None-Match") == etag:
        return bottle.HTTPResponse(status=304, headers={"ETag": etag})
    return bottle.HTTPResponse(body, status=status, headers=headers)
