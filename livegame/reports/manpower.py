"""What is on in a game, from the stretches of its manpower: power plays, and the present one with its clock."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from db.history import ManpowerRow
from livegame.features.manpower import served
from livegame.features.situations import situation_of


@dataclass(frozen=True, slots=True)
class PowerPlay:
    """A stretch of the game in which one team had more skaters than the other."""

    start_s: int  # seconds of the game
    end_s: int
    is_home: bool


def power_plays(rows: Iterable[ManpowerRow]) -> tuple[PowerPlay, ...]:
    """Return the power plays in order: by the situation, where it is known, so until the penalty's clock ends them.

    A running one ends with the last stretch. One that follows another at once is told apart if the code of a play was
    even between them, as after a goal.
    """
    found: list[PowerPlay] = []
    since: int | None = None
    for row in rows:
        side = row.power_play if row.situation is None else _on_ice(row, row.start_s)[2]
        if side is not None and row.end_s > row.start_s:
            last = found[-1] if found else None
            is_same = row.power_play_since is None or since is None or row.power_play_since == since
            if last and is_same and (last.end_s, last.is_home) == (row.start_s, side == "home"):
                found[-1] = replace(last, end_s=row.end_s)
            else:
                found.append(PowerPlay(row.start_s, row.end_s, side == "home"))
        since = row.power_play_since
    return tuple(found)


def manpower_until(rows: Sequence[ManpowerRow], second: int) -> tuple[ManpowerRow, ...]:
    """Return the stretches up to a game second: later ones left out, the last one cut there or running on to there."""
    shown = [row for row in rows if row.start_s <= second]
    if not shown:
        return ()
    last = shown.pop()
    if last.situation is None:  # what follows is unknown
        return (*shown, replace(last, end_s=min(last.end_s, second)))
    for end in sorted({end for end in last.away_until + last.home_until if end <= second}):
        shown.append(replace(last, end_s=end))
        last = served(last, end)
    return (*shown, replace(last, end_s=second))


@dataclass(frozen=True, slots=True)
class Step:
    """Skaters on the ice until a penalty ends."""

    away_skaters: int
    home_skaters: int
    power_play: str | None  # the team with more skaters, away or home; extra attackers do not count
    seconds: int  # that it lasts, without a goal and without another penalty


@dataclass(frozen=True, slots=True)
class Now:
    """Who is on the ice at one moment of a game, as far as the league has reported."""

    away_skaters: int
    home_skaters: int
    away_goalie: bool  # whether the goalie is in the away team's net
    home_goalie: bool
    power_play: str | None  # as in `Step`
    seconds_left: int | None  # of the power play, without a goal; None if there is none, or its clock is unknown
    steps: tuple[Step, ...]  # from now on, while penalties run whose clock is known


def what_is_on(rows: Sequence[ManpowerRow], at: int) -> Now | None:
    """Return who is on the ice at the game second `at`; None if the league has not reported it.

    The code of the last play before is the newest thing known. A penalty whose clock has run down since then has ended.
    One that was called in the present stoppage counts from the face-off.
    """
    row = next((row for row in reversed(rows) if row.start_s <= at), None)
    if row is None or row.situation is None:
        return None
    steps = tuple(_steps(row, at))
    away_skaters, home_skaters, power_play = _on_ice(row, at)
    run = takewhile(lambda step: step.power_play == power_play, steps)
    return Now(
        away_skaters=away_skaters,
        home_skaters=home_skaters,
        away_goalie=row.situation[0] == "1",
        home_goalie=row.situation[3] == "1",
        power_play=power_play,
        seconds_left=sum(step.seconds for step in run) if power_play and steps else None,
        steps=steps,
    )


def _steps(row: ManpowerRow, at: int) -> Iterator[Step]:
    ends = sorted({end for end in row.away_until + row.home_until if end > at})
    for start, end in pairwise([at, *ends]):
        yield Step(*_on_ice(row, start), end - start)


def _on_ice(row: ManpowerRow, at: int) -> tuple[int, int, str | None]:
    """Return the away and the home skaters at a game second, and the team with more."""
    code = served(row, at).situation
    away, home = situation_of(code, is_home=False), situation_of(code, is_home=True)
    if away is None or home is None:
        raise ValueError(f"{row.situation!r} is no situation code")
    side = "away" if away.is_power_play else "home" if home.is_power_play else None
    return away.friendly_skaters, home.friendly_skaters, side
