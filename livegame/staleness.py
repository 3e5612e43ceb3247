"""Whether an answer of the feed is older than what is stored of its game, or cut short: caches hand out such copies.

The present feed does not date its answers, so they are told apart by what they hold. An answer is *older* if it has no
play that was not seen before and stands further back: in its state (not begun, live, over, official), or in the period
and the clock. A real correction (a goal taken back, a shot removed) comes with the clock where it was or further on, or
with a new play. A clock that the league itself sets back is believed as soon as there is a new play, or when it has
come to where it was. The legacy feed dates its answers, and that decides.

An answer is *cut short* if it lacks more plays than the league ever takes back at once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from db.history import GameRow
from livegame.features.rows import GameRows
from livegame.plays import GameState

MOST_TAKEN_BACK: Final = 10  # plays of any kind: of thousands of games fetched twice none lost more than two
_STAGES: Final = {GameState.NOT_STARTED: 0, GameState.LIVE: 1, GameState.OVER: 2, GameState.FINAL: 3}
Clock = tuple[int, bool, int]  # period, whether it is over, seconds left with a minus: the later, the larger


class _Told(msgspec.Struct, array_like=True):
    """What the feed has told of a game so far, as the history keeps it."""

    present: frozenset[int]  # event ids of its plays
    gone: frozenset[int] = frozenset()  # of plays that were there before
    clock: Clock | None = None  # the last that is sure; None if none was told


def believed(rows: GameRows, stored: Mapping[str, Any] | None) -> GameRows | None:
    """What of an answer is to be recorded, given the game's row in the history; None if it is to change nothing."""
    if stored is None or stored["events"] is None:
        return _with(rows, _Told(rows.events, clock=_clock_told(rows, None)))
    told = msgspec.json.decode(stored["events"], type=_Told)
    has_news = not rows.events <= told.present | told.gone
    # where not even all ids could be read, nobody can tell what is missing
    lost = told.present - rows.events if rows.unreadable is not None else frozenset()
    if _is_older(rows, stored, told, has_news=has_news, lacks_plays=bool(lost)):
        return None
    is_cut = len(lost) > MOST_TAKEN_BACK or (bool(lost) and not rows.events)
    if is_cut and not _is_whole(rows):
        if not has_news and rows.game.state in (GameState.NOT_STARTED, GameState.LIVE):
            return None
        rows, lost = _without_retractions(rows, len(lost)), frozenset()
    present, gone = rows.events | (told.present - lost), (told.gone | lost) - rows.events
    return _with(rows, _Told(present, gone, _clock_told(rows, told.clock)))


def _with(rows: GameRows, told: _Told) -> GameRows:
    in_order = (sorted(told.present), sorted(told.gone), told.clock)
    return replace(rows, game=replace(rows.game, events=msgspec.json.encode(in_order).decode()))


def _clock_told(rows: GameRows, before: Clock | None) -> Clock | None:
    """The clock to hold later answers against: an end without its play may be none, and its clock stands at zero."""
    if not rows.tells_clock:
        return before
    is_doubtful = rows.game.state in (GameState.OVER, GameState.FINAL) and not rows.game.has_end
    return before if is_doubtful and before is not None else _clock_of(rows.game)


def _is_older(rows: GameRows, stored: Mapping[str, Any], told: _Told, *, has_news: bool, lacks_plays: bool) -> bool:
    game = rows.game
    if game.time_stamp and stored["time_stamp"]:
        return game.time_stamp < str(stored["time_stamp"])
    if has_news or not told.present:
        return False
    before, now = _STAGES.get(GameState(stored["state"])), _STAGES.get(GameState(game.state))
    if before is None or now is None or now > before:  # postponed or cancelled is no matter of time
        return False
    if game.state != GameState.LIVE:
        return now < before
    if not rows.tells_clock or told.clock is None:
        return lacks_plays and told.clock is not None
    clock = _clock_of(game)
    if now == before:
        return clock < told.clock
    # what was said to be over goes on if the clock does, or if it had never ended but in that answer
    ended_at = (stored["period"], bool(stored["in_intermission"]), -stored["seconds_left"])
    return clock <= ended_at and (bool(stored["has_end"]) or lacks_plays or clock < told.clock)


def _clock_of(game: GameRow) -> Clock:
    return game.period, bool(game.in_intermission), -game.seconds_left


def _is_whole(rows: GameRows) -> bool:
    """Whether it is an official game with everything that one has: nothing to doubt, however different it is."""
    return rows.game.state == GameState.FINAL and rows.game.has_end and not rows.problems


def _without_retractions(rows: GameRows, lost: int) -> GameRows:
    problem = f"the plays are cut short: {lost} that were there before are missing, and are kept"
    problems = (problem, *rows.problems)
    return replace(
        rows,
        game=replace(rows.game, problems="; ".join(problems)),
        problems=problems,
        unreadable=None,  # nobody can tell what became of the others
        power_plays=None,
    )
