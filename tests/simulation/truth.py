"""What is true of a simulated game over virtual time: a sequence of versions, made from a seed."""

import os
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from math import ceil
from pathlib import Path
from random import Random
from typing import Any, Final

from msgspec.structs import replace

from livegame.plays import OVERTIME_SECONDS, PERIOD_SECONDS, Game, GameState, Play, Player, Team
from livegame.recordings.files import SAMPLE_FOLDER, read_recording
from tests.games import GAME_ID, play
from tests.simulation.sheet import SHOT_TYPES, Entry, Place, Sheet
from tests.simulation.staleness import Believed

BEGAN: Final = datetime(2026, 1, 10, 18, tzinfo=UTC)  # the league's clock when a simulation begins
SOURCES: Final = ("made", "sample", "recorded")  # recorded: one of the folder that XG_RECORDINGS names
_STEPS: Final = 40  # of a recorded game
_TEAMS: Final = ("ANA", "BOS", "CAR", "DAL", "EDM", "FLA", "MTL", "NYR", "TOR", "WSH")
_KINDS: Final = {
    "shot-on-goal": 5,
    "missed-shot": 3,
    "goal": 2,
    "blocked-shot": 3,
    "penalty": 1,
    "hit": 1,
    "giveaway": 1,
    "takeaway": 1,
    "faceoff": 1,
    "stoppage": 1,
}


@dataclass(frozen=True, slots=True)
class GamePlan:
    """A game of the simulation. It starts at `starts_at_s` and is official `length_s` later, in virtual seconds."""

    game_id: int
    source: str  # one of SOURCES
    starts_at_s: float
    length_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Version:
    """A game as it truly stands from `at_s` until the next version."""

    number: int
    at_s: float
    game: Game
    code: str  # the feed's gameState
    what: str  # what changed

    @property
    def event_ids(self) -> frozenset[int]:
        """Event ids of all plays."""
        return self.game.event_ids


def versions(plan: GamePlan) -> tuple[Version, ...]:
    """Return all versions of a game. The last is official, with the end of its plays."""
    random = Random(plan.seed)
    places = _places(plan.game_id, random)
    later: list[Game] = []
    if plan.source == "made":
        base = _made_game(plan.game_id, random, places)
    elif plan.source == "sample":
        base = _as_replayed(read_recording(SAMPLE_FOLDER / f"{GAME_ID}.json"), plan.game_id)
    else:
        base, *later = _recorded_games(plan)
    start = (BEGAN + timedelta(seconds=plan.starts_at_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    base = replace(base, start_time=start, players=dict(sorted(base.players.items())))
    before, played = _written(base, later, random, places)
    steps = [random.uniform(0.2, 1.8) for _ in played[1:]]
    times = [plan.starts_at_s + plan.length_s * sum(steps[:end]) / sum(steps) for end in range(len(played))]
    early = [plan.starts_at_s - 10.0 * (len(before) - number) for number in range(len(before))]
    entries = zip((*before, *played), (*early, *times), strict=True)
    return tuple(Version(number, at_s, e.game, e.code, e.what) for number, (e, at_s) in enumerate(entries))


def _written(base: Game, later: list[Game], random: Random, places: Iterator[Place]) -> tuple[list[Entry], list[Entry]]:
    """Return the versions before the start, and those from then on."""
    sheet = Sheet(base, random, places)
    often = random.choice((0.0, 0.1, 0.3, 0.6))
    sheet.publish("scheduled", players={})
    chance = random.random()
    if chance < 0.15:
        sheet.publish("postponed", state=GameState.POSTPONED)
        sheet.publish("not postponed")
    elif chance < 0.3:
        sheet.publish("its start is unknown", start_is_known=False)
    sheet.code = "PRE"
    sheet.publish("line-ups")
    early, sheet.code = len(sheet.entries), "LIVE"
    sheet.publish("it starts")
    end = next(play for play in base.plays if play.kind == "game-end")
    plays = [play for play in base.plays if play is not end]
    for group, following in _groups(plays, random):
        for entered in group:
            sheet.enter(entered)
        last = group[-1]
        same_period = following is not None and following.period == last.period
        if last.kind != "period-end" and last.period_type != "SO":
            sheet.run_clock(following.seconds if following and same_period else last.seconds)
        sheet.publish("entered " + ", ".join(str(entered.event_id) for entered in group))
        if following is not None and not same_period:
            for left_s in sorted(random.sample(range(1080), random.choice((0, 1, 2))), reverse=True):
                sheet.pause(left_s)
                sheet.publish("intermission")
        elif same_period and following and random.random() < 0.15 and last.period_type != "SO":
            sheet.run_clock(following.seconds)
            sheet.publish("the clock ran")
        sheet.settle(0.3)
        while random.random() < often:
            sheet.correct()
    _end(sheet, end, random, often)
    for state in later:
        sheet.plays = list(state.plays)
        sheet.publish("as it was recorded later", players=state.players)
    return sheet.entries[:early], sheet.entries[early:]


def _end(sheet: Sheet, end: Play, random: Random, often: float) -> None:
    """End the game, become official, and be corrected after that; its "game-end" may come late."""
    sheet.has_ended = True
    comes_at = random.choice(("OVER", "OVER", "FINAL", "OFF", "later"))
    for code in ("OVER", "FINAL", "OFF", "later"):
        if code == comes_at:
            sheet.plays.append(end)
        sheet.code = code if code != "later" else "OFF"
        if code != "later" or code == comes_at:
            sheet.publish(f"{code}, with its end" if code == comes_at else code)
        sheet.settle(0.4)
        while random.random() < often:
            sheet.correct()


def _groups(plays: list[Play], random: Random) -> Iterator[tuple[list[Play], Play | None]]:
    """Yield the plays in groups that come together, none beyond a period, each with the play that follows."""
    size = ceil(len(plays) / _STEPS)
    group: list[Play] = []
    for number, entered in enumerate(plays):
        following = plays[number + 1] if number + 1 < len(plays) else None
        group.append(entered)
        together = len(group) < size or (size == 1 and random.random() < 0.15)
        if following is None or following.period != entered.period or not together:
            yield group, following
            group = []


# -- games ------------------------------------------------------------------------------------------------------------


def _recorded_games(plan: GamePlan) -> list[Game]:
    """Return a recorded game, and its states in later answers of the league."""
    folder = Path(os.environ["XG_RECORDINGS"])
    games = [path for path in sorted((folder / "games" / "new").glob("*.json.gz")) if read_recording(path).has_end]
    chosen = games[plan.seed % len(games)]
    later = sorted((folder / "refetched" / chosen.name[:10]).glob("*.json.gz"))
    return [_as_replayed(game, plan.game_id) for game in map(read_recording, (chosen, *later)) if game.has_end]


def _as_replayed(game: Game, game_id: int) -> Game:
    """Return a recorded game under another id, without what our replay of an answer leaves out."""
    return replace(game, game_id=game_id, overtime_seconds=None, problems=(), unreadable=frozenset())


def _made_game(game_id: int, random: Random, places: Iterator[Place]) -> Game:
    """Return a whole game of 8 to 25 plays, of which some go to overtime or a shootout."""
    home, away = random.sample(range(len(_TEAMS)), 2)
    teams = [Team(number + 1, _TEAMS[number], f"Team {_TEAMS[number]}", 0) for number in (home, away)]
    players = {
        8_470_000 + 10 * team.team_id + number: Player(f"Player {team.abbrev}{number}", team.team_id)
        for team in teams
        for number in range(4)
    }
    made = _Made(random, places, teams, players, random.sample(range(1, 990), 60))
    chance = random.random()
    for period in (1, 2, 3):
        made.period(period, random.randint(1, 6))
    if chance > 0.7:
        made.overtime(random.randint(0, 3), is_decided=chance < 0.85)
    if chance > 0.85:
        made.shootout()
    last = made.plays[-1]
    made.add("game-end", last.period, last.period_type, last.seconds)
    season = game_id // 1_000_000
    return Game(
        game_id=game_id,
        season=season * 10_000 + season + 1,
        game_type=game_id // 10_000 % 100,
        start_time="",
        home=teams[0],
        away=teams[1],
        state=GameState.FINAL,
        period=last.period,
        period_type=last.period_type,
        seconds_left=0,
        in_intermission=False,
        plays=tuple(made.plays),
        players=players,
    )


class _Made:
    """A game while it is made up."""

    def __init__(
        self, random: Random, places: Iterator[Place], teams: list[Team], players: dict[int, Player], ids: list[int]
    ) -> None:
        self.plays: list[Play] = []
        self._random, self._places, self._teams, self._ids = random, places, teams, ids
        self._players = {team.team_id: [n for n, p in players.items() if p.team_id == team.team_id] for team in teams}
        self._situation, self._until = "1551", 0  # the second of the period at which a penalty ends

    def period(self, period: int, number: int) -> None:
        """Add a period with so many plays."""
        self._until = 0
        if self._random.random() < 0.4:
            self.add("faceoff", period, "REG", 0)
        for at in sorted(self._random.sample(range(5, PERIOD_SECONDS - 5), number)):
            self._one_of(_KINDS, period, "REG", at)
        self.add("period-end", period, "REG", PERIOD_SECONDS)

    def overtime(self, number: int, *, is_decided: bool) -> None:
        """Add an overtime with so many plays, and perhaps the goal that decides the game."""
        self._until = 0
        *seconds, end = sorted(self._random.sample(range(5, OVERTIME_SECONDS - 5), number + 1))
        for at in seconds:
            self._one_of({kind: weight for kind, weight in _KINDS.items() if kind != "goal"}, 4, "OT", at)
        if is_decided:
            self.add("goal", 4, "OT", end)
        else:
            self.add("period-end", 4, "OT", OVERTIME_SECONDS)

    def _one_of(self, kinds: Mapping[str, int], period: int, kind: str, at: int) -> None:
        self._situation = "1551" if at >= self._until else self._situation
        if self._random.random() < 0.12:
            self.add("hit", period, kind, at)  # in the same second, so that their order may change
        self.add(self._random.choices(list(kinds), list(kinds.values()))[0], period, kind, at)

    def shootout(self) -> None:
        """Add a shootout with a winner; before it the score is even."""
        scored = [
            [p.event_id for p in self.plays if p.kind == "goal" and p.team_id == team.team_id] for team in self._teams
        ]
        surplus = max(scored, key=len)[min(len(goals) for goals in scored) :]
        self.plays = [p for p in self.plays if p.event_id not in surplus]
        winner = self._random.choice(self._teams).team_id
        for number in range(self._random.randint(2, 5)):
            if number == 1:
                self.add("goal", 5, "SO", 0, winner)
            else:
                self.add(self._random.choice(("shot-on-goal", "missed-shot")), 5, "SO", 0)
        self.add("shootout-complete", 5, "SO", 0)

    def add(self, what: str, period: int, kind: str, at: int, team_id: int | None = None) -> None:
        """Add a play of a random team, unless it is one of no team."""
        random = self._random
        team_id = team_id or random.choice(self._teams).team_id
        defends = "left" if period % 2 else "right"
        more: dict[str, Any] = {"period": period, "period_type": kind, "home_defends": defends}
        x: float | None = None
        y: float | None = None
        if what in ("period-end", "game-end", "shootout-complete", "stoppage"):
            self.plays.append(replace(play(self._ids.pop(), what, at, x=None, y=None, **more), team_id=None))
            return
        if what == "penalty":
            more["player_id"] = random.choice(self._players[team_id])
            self._situation, self._until = ("1541" if team_id == self._teams[0].team_id else "1451"), at + 120
        else:
            attacks = (team_id == self._teams[0].team_id) == (defends == "left")
            x, y = (value if attacks else -value for value in next(self._places))
        more["situation"] = random.choice(("0101", "1010")) if kind == "SO" else self._situation
        if what in ("goal", "shot-on-goal", "missed-shot"):
            more |= {"shot_type": random.choice(SHOT_TYPES), "shooter_id": random.choice(self._players[team_id])}
            more |= {"zone": random.choice(("O", None)), "reason": "short" if what == "missed-shot" else None}
        elif what == "blocked-shot":
            more["shooter_id"] = random.choice(self._players[team_id])
        self.plays.append(play(self._ids.pop(), what, at, team_id, x, y, **more))


@cache
def _all_places() -> tuple[Place, ...]:
    """Return places of which no two are equally far from the net, so that rows of different shots differ."""
    found: dict[int, Place] = {}
    for depth in range(2, 62):
        for y in range(1, 40):
            found.setdefault(depth**2 + y**2, (89.0 - depth, float(y)))
    return tuple(found.values())


def _places(game_id: int, random: Random) -> Iterator[Place]:
    """Yield places that the nine next game ids do not use."""
    own = list(_all_places()[game_id % 10 :: 10])
    random.shuffle(own)
    for x, y in own:
        yield x, random.choice((y, -y))
    raise AssertionError(f"game {game_id} needs more places")


def is_recognizable(older: Version, newer: Version, seen: Set[int]) -> bool:
    """Return whether an answer with `older` must change nothing where `newer` is stored, by docs/promises.md.

    `seen` are the event ids of all plays in answers that were stored so far. False also where more than that decides.
    """
    known = Believed()
    known.accept(newer.game)
    known.seen |= seen
    return not known.accept(older.game)
