"""How an old answer is recognized: the rules of docs/promises.md, stated a second time for the simulation."""

from collections.abc import Set
from typing import Final

from livegame.plays import Game, GameState

MOST_TAKEN_BACK: Final = 10
_STAGES: Final = {GameState.NOT_STARTED: 0, GameState.LIVE: 1, GameState.OVER: 2, GameState.FINAL: 3}
_ON: Final = (GameState.NOT_STARTED, GameState.LIVE)
GameClock = tuple[int, bool, int]


def clock(game: Game) -> GameClock:
    """Return the game's clock; a later one is greater."""
    return game.period, game.in_intermission, -game.seconds_left


class Believed:
    """What is to be known of one game after the answers so far, in their order."""

    def __init__(self) -> None:
        self.last: Game | None = None  # the last answer that was accepted
        self.present: Set[int] = frozenset()  # event ids
        self.seen: Set[int] = frozenset()
        self.clock: GameClock | None = None  # the last certain one

    def accept(self, shown: Game) -> bool:
        """Take an answer; return False if it must change nothing."""
        missing = self.present - shown.event_ids
        lost = missing if shown.unreadable is not None else frozenset()  # else any of them may be an unreadable play
        is_cut = len(lost) > MOST_TAKEN_BACK or (bool(lost) and not shown.event_ids)
        if not self._accepts(shown, lost, is_cut=is_cut):
            return False
        is_whole = shown.state is GameState.FINAL and shown.has_end and not shown.problems
        kept = missing if shown.unreadable is None or (is_cut and not is_whole) else frozenset()
        self.last, self.present, self.seen = shown, shown.event_ids | kept, self.seen | shown.event_ids
        if self.clock is None or shown.state in _ON or shown.has_end:
            self.clock = clock(shown) if shown.clock_is_known else self.clock
        return True

    def _accepts(self, shown: Game, lost: Set[int], *, is_cut: bool) -> bool:
        last = self.last
        if last is None or not shown.event_ids <= self.seen:
            return True
        if is_cut and shown.state in _ON:
            return False
        if not self.present or not {shown.state, last.state} <= _STAGES.keys():
            return True
        if _STAGES[shown.state] > _STAGES[last.state]:
            return True
        if shown.state is not GameState.LIVE:
            return _STAGES[shown.state] == _STAGES[last.state]
        if self.clock is None:
            return True
        if not shown.clock_is_known:
            return not lost
        if last.state is GameState.LIVE:
            return clock(shown) >= self.clock
        return clock(shown) > clock(last) or not (last.has_end or lost or clock(shown) < self.clock)
