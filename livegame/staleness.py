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
from livegame.plays import GameState
from livegame.rows import GameRows

MOST_TAKEN_BACK: Final = 10  # plays of any kind: of thousands of games fetched twice none lost more than two
_STAGES: Final = {GameState.NOT_STARTED: 0, GameState.LIVE: 1, GameState.OVER: 2, GameState.FINAL: 3}


def believed(rows: GameRows, stored: Mapping[str, Any] | None) -> GameRows | None:
    """What of an answer is to be recorded, given the game's row in the history; None if it is to change nothing."""
    if stored is None or (stored["events"] is None and rows.tells_clock):
        return rows
    present, gone = msgspec.json.decode(stored["events"] or "[[],[]]", type=tuple[frozenset[int], frozenset[int]])
    has_news = not rows.events <= present | gone
    # where not even all ids could be read, nobody can tell what is missing
    lost = present - rows.events if rows.unreadable is not None else frozenset()
    if rows.tells_clock and _is_older(rows.game, stored, has_news=has_news, has_begun=bool(present)):
        return None
    is_cut = len(lost) > MOST_TAKEN_BACK or (bool(lost) and not rows.events)
    if is_cut and not _is_whole(rows):
        if not has_news and rows.game.state in (GameState.NOT_STARTED, GameState.LIVE):
            return None
        rows, lost = _without_retractions(rows, len(lost)), frozenset()
    events, gone = rows.events | (present - lost), (gone | lost) - rows.events
    told = told_events(events, gone) if rows.tells_clock else None  # None: whatever comes next is no older
    return replace(rows, game=replace(rows.game, events=told))


def told_events(present: frozenset[int], gone: frozenset[int] = frozenset()) -> str:
    """The event ids of a game's plays, and of those that were there before, as the history keeps them."""
    return msgspec.json.encode((sorted(present), sorted(gone))).decode()


def _is_older(game: GameRow, stored: Mapping[str, Any], *, has_news: bool, has_begun: bool) -> bool:
    if game.time_stamp and stored["time_stamp"]:
        return game.time_stamp < str(stored["time_stamp"])
    if has_news or not has_begun:
        return False
    before, now = _STAGES.get(GameState(stored["state"])), _STAGES.get(GameState(game.state))
    if before is None or now is None:  # postponed or cancelled is no matter of time
        return False
    clock, clock_before = _clock(game.period, game.in_intermission, game.seconds_left), _clock_of(stored)
    if now == before:
        return game.state == GameState.LIVE and clock < clock_before
    # what was said to be over goes on if the clock does
    return now < before and not (game.state == GameState.LIVE and clock > clock_before)


def _clock_of(stored: Mapping[str, Any]) -> tuple[int, bool, int]:
    return _clock(stored["period"], stored["in_intermission"], stored["seconds_left"])


def _clock(period: int, in_intermission: bool, seconds_left: int) -> tuple[int, bool, int]:
    return period, bool(in_intermission), -seconds_left


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
