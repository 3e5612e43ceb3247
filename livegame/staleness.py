"""Whether an answer of the feed is older than what is stored of its game, or cut short: caches serve such copies.

The gamecenter feed does not date its answers, so they are compared by what they hold. An answer is *older* if it has no
new play and is further back: in its state (not begun, live, over, official), or in the period and
the clock. A real correction (a goal taken back, a shot removed) comes with the same or a later clock, or with a new
play. A clock that the league itself sets back is believed as soon as there is a new play, or when it has caught up. The
statsapi feed dates its answers, and the date decides.

An answer is *cut short* if it lacks more plays than the league ever takes back at once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from db.history import GameUpdate
from livegame.features.rows import Clock, SeenPlays
from livegame.plays import GameState

MOST_TAKEN_BACK: Final = 10  # plays of any kind: of thousands of games fetched twice none lost more than two
_STAGES: Final = {GameState.NOT_STARTED: 0, GameState.LIVE: 1, GameState.OVER: 2, GameState.FINAL: 3}


def believed(update: GameUpdate, stored: Mapping[str, Any] | None) -> GameUpdate | None:
    """Return what to record of an answer, given the game's row in the history; None if it must change nothing."""
    if stored is None or stored["events"] is None:
        return update
    before, now = _seen(stored["events"]), _seen(update.game.events)
    has_news = not now.present <= before.present | before.gone
    # if some event ids were unreadable, it is unknown what is missing
    lost = before.present - now.present if update.unreadable is not None else frozenset()
    if _is_older(update, now, stored, before, has_news=has_news, lacks_plays=bool(lost)):
        return None
    is_cut = len(lost) > MOST_TAKEN_BACK or (bool(lost) and not now.present)
    if is_cut and not _is_whole(update):
        if not has_news and update.game.state in (GameState.NOT_STARTED, GameState.LIVE):
            return None
        update, lost = _without_retractions(update, len(lost)), frozenset()
    seen = SeenPlays(
        now.present | (before.present - lost), (before.gone | lost) - now.present, _certain_clock(update, now, before)
    )
    return replace(update, game=replace(update.game, events=seen.as_json()))


def _seen(events: str | None) -> SeenPlays:
    return msgspec.json.decode(events or "[[]]", type=SeenPlays)


def _certain_clock(update: GameUpdate, now: SeenPlays, before: SeenPlays) -> Clock | None:
    """Return the clock to compare later answers with: that of an end without "game-end" may be wrong."""
    is_doubtful = update.game.state in (GameState.OVER, GameState.FINAL) and not update.game.has_end
    return before.clock if now.clock is None or (is_doubtful and before.clock is not None) else now.clock


def _is_older(
    update: GameUpdate,
    now: SeenPlays,
    stored: Mapping[str, Any],
    before: SeenPlays,
    *,
    has_news: bool,
    lacks_plays: bool,
) -> bool:
    game = update.game
    if game.time_stamp and stored["time_stamp"]:
        return game.time_stamp < str(stored["time_stamp"])
    if has_news or not before.present:
        return False
    old_stage, new_stage = _STAGES.get(GameState(stored["state"])), _STAGES.get(GameState(game.state))
    if old_stage is None or new_stage is None or new_stage > old_stage:  # postponed and cancelled are not stages
        return False
    if game.state != GameState.LIVE:
        return new_stage < old_stage
    if now.clock is None or before.clock is None:
        return lacks_plays and before.clock is not None
    if new_stage == old_stage:
        return now.clock < before.clock
    # a game reported as over resumes if the clock moves on, or if no other answer said so
    ended_at = (stored["period"], bool(stored["in_intermission"]), -stored["seconds_left"])
    return now.clock <= ended_at and (bool(stored["has_end"]) or lacks_plays or now.clock < before.clock)


def _is_whole(update: GameUpdate) -> bool:
    """Return whether the answer is official and complete, and so is believed however different it is."""
    return update.game.state == GameState.FINAL and update.game.has_end and not update.problems


def _without_retractions(update: GameUpdate, lost: int) -> GameUpdate:
    problem = f"the plays are cut short: {lost} that were there before are missing, and are kept"
    problems = (problem, *update.problems)
    return replace(
        update,
        game=replace(update.game, problems="; ".join(problems)),
        problems=problems,
        unreadable=None,  # what became of the others is unknown
        manpower=None,
    )
