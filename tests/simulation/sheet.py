"""The league's own record of one game: plays as they come, the clock, and corrections; each change is a version."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Final

from msgspec.structs import asdict, replace

from livegame.plays import PERIOD_SECONDS, BlockedAttempt, Game, GameState, Play, Shot, class_of, overtime_length

STATES: Final = {
    **dict.fromkeys(("FUT", "PRE"), GameState.NOT_STARTED),
    **dict.fromkeys(("LIVE", "CRIT"), GameState.LIVE),
    "OVER": GameState.OVER,
    **dict.fromkeys(("FINAL", "OFF"), GameState.FINAL),
}
FRAME: Final = ("period-start", "period-end", "game-end", "shootout-complete")  # plays that are never corrected
SHOT_TYPES: Final = ("wrist", "snap", "slap", "backhand", "tip-in")
CRITICAL_S: Final = 300
Place = tuple[float, float]  # feet, for a team that attacks the net at x = 89


@dataclass(frozen=True, slots=True)
class Entry:
    """A version of a game that has no time yet."""

    game: Game
    code: str  # the feed's gameState
    what: str  # what changed


class Sheet:
    """One game as the league writes it down. `entries` are all its versions so far."""

    def __init__(self, base: Game, random: Random, places: Iterator[Place]) -> None:
        self.entries: list[Entry] = []
        self.plays: list[Play] = []
        self.code = "FUT"
        self.has_ended = False
        self._base, self._random, self._places = base, random, places
        self._shooters = {
            team.team_id: sorted(number for number, player in base.players.items() if player.team_id == team.team_id)
            for team in (base.home, base.away)
        }
        self._period, self._period_type, self._left, self._pauses = 1, "REG", PERIOD_SECONDS, False
        self._has_shootout = any(play.period_type == "SO" for play in base.plays)
        self._new_ids = count(max(play.event_id for play in base.plays) + 1)
        self._later: list[Callable[[], str]] = []  # what will perhaps be put right

    # -- as it comes --------------------------------------------------------------------------------------------------

    def publish(self, what: str, **more: Any) -> None:
        """Add a version: the sheet as it stands."""
        plays = tuple(sorted(self.plays, key=lambda play: (play.period, play.seconds)))
        critical = self.code == "LIVE" and self._period >= 3 and self._left <= CRITICAL_S and not self._pauses
        values: dict[str, Any] = {
            "plays": plays,
            "state": STATES[self.code],
            "period": self._period,
            "period_type": self._period_type,
            "seconds_left": self._left,
            "in_intermission": self._pauses,
            "home": replace(self._base.home, score=self._score(self._base.home.team_id)),
            "away": replace(self._base.away, score=self._score(self._base.away.team_id)),
        }
        shown = replace(self._base, **(values | more))
        self.entries.append(Entry(shown, "CRIT" if critical else self.code, what))

    def _score(self, team_id: int | None) -> int:
        goals = [play for play in self.plays if play.kind == "goal" and play.team_id == team_id]
        in_shootout = sum(play.period_type == "SO" for play in goals)
        others = sum(p.kind == "goal" and p.period_type == "SO" for p in self.plays) - in_shootout
        return len(goals) - in_shootout + (self.has_ended and in_shootout > others)

    def enter(self, play: Play) -> None:
        """Add a play; of some shots the place or the type comes later."""
        self._period, self._period_type, self._pauses = play.period, play.period_type, False
        self._set_clock(play.seconds)
        chance = self._random.random()
        if isinstance(play, Shot) and play.period_type != "SO" and chance < 0.15:
            late = {"x": None, "y": None, "zone": None} if chance < 0.08 else {"shot_type": None}
            given = {name: getattr(play, name) for name in late}
            self.plays.append(changed(play, **late))
            self._later.append(
                lambda: self._change(play.event_id, f"{', '.join(late)} came for {play.event_id}", given)
            )
        else:
            self.plays.append(play)

    def run_clock(self, until: int) -> None:
        """Let the clock of the period run to this second at most."""
        full = self._full_s()
        now = full - self._left
        self._set_clock(self._random.randint(now, max(now, min(until, full))))

    def pause(self, left_s: int) -> None:
        """Set the clock of the intermission."""
        self._pauses, self._left = True, left_s

    def _full_s(self) -> int:
        if self._period_type == "SO":
            return 0
        return overtime_length(None, self._base.game_type) if self._period_type == "OT" else PERIOD_SECONDS

    def _set_clock(self, seconds: int) -> None:
        self._left = max(self._full_s() - seconds, 0)

    # -- corrections --------------------------------------------------------------------------------------------------

    def settle(self, chance: float) -> None:
        """Put right, with this chance each, what is still missing or was wrong."""
        for right in self._later[:]:
            if self._random.random() < chance:
                self._later.remove(right)
                self.publish(right())

    def correct(self) -> None:
        """Correct something, if there is anything of the kind that chance names."""
        (correct,) = self._random.choices([kind for kind, _ in _CORRECTIONS], [weight for _, weight in _CORRECTIONS])
        if what := correct(self):
            self.publish(what)

    def remove(self) -> str | None:
        """Take an event back; perhaps it is restored later."""
        found = self._one(lambda play: self._random.random() < 0.3 or isinstance(play, Shot), keeps_goals=True)
        if found is None:
            return None
        self.plays.remove(found)
        self._later.append(lambda: self._restore(found))
        return f"removed {found.event_id}"

    def _restore(self, play: Play) -> str:
        self.plays.append(play)
        return f"restored {play.event_id}"

    def take_back_goal(self) -> str | None:
        """Make a goal another attempt; perhaps it is given again."""
        found = self._one(lambda play: play.kind == "goal", keeps_goals=True)
        if found is None:
            return None
        event_id = found.event_id
        self._later.append(lambda: self._change(event_id, f"goal {event_id} given again", {"kind": "goal"}))
        return self._change(event_id, f"goal {event_id} taken back", {"kind": "shot-on-goal"})

    def give_goal(self) -> str | None:
        """Make another attempt a goal."""
        found = self._one(lambda play: play.kind in ("shot-on-goal", "missed-shot"), keeps_goals=True)
        return self._change(found.event_id, f"{found.event_id} is a goal", {"kind": "goal"}) if found else None

    def change_kind(self) -> str | None:
        """Make an attempt one of another kind: missed, on goal or blocked."""
        found = self._one(lambda play: play.kind in ("shot-on-goal", "missed-shot", "blocked-shot"))
        if found is None:
            return None
        kind = self._random.choice([k for k in ("shot-on-goal", "missed-shot", "blocked-shot") if k != found.kind])
        return self._change(found.event_id, f"{found.event_id} is a {kind}", {"kind": kind})

    def change_team(self) -> str | None:
        """Give a shot to the other team."""
        found = self._one(lambda play: isinstance(play, Shot), keeps_goals=True)
        if found is None:
            return None
        ours, theirs = self._base.home.team_id, self._base.away.team_id
        team_id = theirs if found.team_id == ours else ours
        change = {"team_id": team_id, "shooter_id": self._shooter(team_id), "zone": None}
        return self._change(found.event_id, f"{found.event_id} is by {team_id}", change)

    def move(self) -> str | None:
        """Give an attempt another place."""
        found = self._one(lambda play: isinstance(play, Shot | BlockedAttempt) and play.x is not None)
        if found is None or found.x is None:
            return None
        x, y = next(self._places)
        sign = 1 if found.x > 0 else -1
        return self._change(found.event_id, f"moved {found.event_id}", {"x": sign * x, "y": sign * y})

    def change_type(self) -> str | None:
        """Give a shot another type."""
        found = self._one(lambda play: isinstance(play, Shot) and play.shot_type is not None)
        shot_type = self._random.choice(SHOT_TYPES)
        return (
            self._change(found.event_id, f"{found.event_id}: {shot_type}", {"shot_type": shot_type}) if found else None
        )

    def change_shooter(self) -> str | None:
        """Give a shot another shooter of the same team."""
        found = self._one(lambda play: isinstance(play, Shot))
        if found is None:
            return None
        shooter = self._shooter(found.team_id)
        return self._change(found.event_id, f"{found.event_id} is by player {shooter}", {"shooter_id": shooter})

    def change_situation(self) -> str | None:
        """Give a shot another situation code."""
        found = self._one(lambda play: isinstance(play, Shot))
        code = self._random.choice(("1551", "1451", "1541", "0651", "1560"))
        return self._change(found.event_id, f"{found.event_id}: {code}", {"situation": code}) if found else None

    def change_time(self) -> str | None:
        """Enter a play a few seconds earlier."""
        found = self._one(lambda play: play.seconds > 10)
        seconds = found.seconds - self._random.randint(1, 9) if found else 0
        return (
            self._change(found.event_id, f"{found.event_id} was at {seconds} s", {"seconds": seconds})
            if found
            else None
        )

    def reorder(self) -> str | None:
        """Swap two plays of the same second."""
        pairs = [
            (first, second)
            for first in range(len(self.plays))
            for second in range(first + 1, len(self.plays))
            if _second(self.plays[first]) == _second(self.plays[second])
        ]
        if not pairs:
            return None
        first, second = self._random.choice(pairs)
        self.plays[first], self.plays[second] = self.plays[second], self.plays[first]
        return f"swapped {self.plays[first].event_id} and {self.plays[second].event_id}"

    def enter_late(self) -> str | None:
        """Enter a hit that was forgotten."""
        after = self._one(lambda _: True)
        if after is None:
            return None
        event_id = next(self._new_ids)
        x, y = float(self._random.randint(-90, 90)), float(self._random.randint(-40, 40))
        self.plays.append(
            Play(
                event_id,
                "hit",
                after.period,
                after.period_type,
                after.seconds,
                after.team_id,
                x,
                y,
                situation=after.situation,
                home_defends=after.home_defends,
            )
        )
        return f"hit {event_id} entered late"

    def set_back_clock(self) -> str | None:
        """Set the clock back by some seconds."""
        full = self._full_s()
        if self.has_ended or self._pauses or self._left in (0, full):
            return None
        self._left = min(self._left + self._random.randint(2, 40), full)
        return "the clock was set back"

    def end_wrongly(self) -> str | None:
        """Say once or twice that the game is over, and take that back."""
        if self.has_ended or not self.plays:
            return None
        for code in self._random.choice((("FINAL",), ("OVER",), ("OVER", "FINAL"))):
            self.code = code
            self.publish(f"a false {code}")
        self.code = "LIVE"
        return "the game goes on"

    def _one(self, fits: Callable[[Play], bool], *, keeps_goals: bool = False) -> Play | None:
        """Return a play to correct; where a shootout follows, none that decides the score."""
        found = [
            play
            for play in self.plays
            if play.kind not in FRAME
            and play.period_type != "SO"
            and not (keeps_goals and self._has_shootout and isinstance(play, Shot))
            and fits(play)
        ]
        return self._random.choice(found) if found else None

    def _shooter(self, team_id: int | None) -> int | None:
        players = self._shooters.get(team_id or 0)
        return self._random.choice(players) if players else None

    def _change(self, event_id: int, what: str, change: dict[str, Any]) -> str:
        """Change a play where it stands; one that was removed meanwhile stays removed."""
        self.plays = [changed(play, **change) if play.event_id == event_id else play for play in self.plays]
        return what


def changed(play: Play, **change: Any) -> Play:
    """Return the play with other values, of the class for its kind, with `missing` as the feed's answer will say."""
    values = asdict(play) | change
    of = class_of(values["kind"])
    if of is Shot:
        missing = {"coordinates": values["x"] is None, "shot_type": values.get("shot_type") is None}
        values["missing"] = tuple(name for name, is_missing in missing.items() if is_missing)
        values["reason"] = values.get("reason") if values["kind"] == "missed-shot" else None
    if of is BlockedAttempt:
        values["zone"] = None
    return of(**{name: value for name, value in values.items() if name in of.__struct_fields__})


def _second(play: Play) -> tuple[int, int]:
    return play.period, play.seconds


_CORRECTIONS: Final[tuple[tuple[Callable[[Sheet], str | None], int], ...]] = (
    (Sheet.remove, 4),
    (Sheet.take_back_goal, 3),
    (Sheet.give_goal, 2),
    (Sheet.change_kind, 2),
    (Sheet.change_team, 2),
    (Sheet.move, 3),
    (Sheet.change_type, 1),
    (Sheet.change_shooter, 1),
    (Sheet.change_situation, 1),
    (Sheet.change_time, 1),
    (Sheet.reorder, 2),
    (Sheet.enter_late, 1),
    (Sheet.set_back_clock, 1),
    (Sheet.end_wrongly, 2),
)
