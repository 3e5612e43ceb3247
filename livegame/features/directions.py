"""Which way a team attacks: from the side that the feed states, the change of ends, and the attempts so far."""

from livegame.rink import BLUE_LINE_X


class Directions:
    """Which way the home team attacks, learned from a game's plays in their order and from nothing later.

    A claim is made by the feed's `homeTeamDefendingSide` or, if that is missing (older seasons), by the rule that
    teams change ends each period. Either can be wrong: a stated side for a whole game or, if stated once per period,
    after the feed swaps the ends. So attempts serve as witnesses: nearly all are taken in the half that the shooter
    attacks. Learning only from the past makes a shot's features the same live and after the game.
    """

    def __init__(self) -> None:
        self._stated, self._alternating = _Claim(is_stated=True), _Claim(is_stated=False)

    def witness(self, period: int, home_defends: str | None, *, shooter_is_home: bool, x: float) -> None:
        """Add an attempt at `x` feet, as the feed gives it, not oriented."""
        if abs(x) <= BLUE_LINE_X:
            return
        home_attacks = (1 if x > 0 else -1) * (1 if shooter_is_home else -1)
        self._alternating.witness(period, agrees=home_attacks == _alternating(period))
        if home_defends is not None:
            self._stated.witness(period, agrees=home_attacks == home_attacks_if(home_defends))

    def home_attacks(self, period: int, home_defends: str | None) -> int | None:
        """Return 1 if the home team attacks towards x = 89, -1 if towards -89, None if unknown."""
        if home_defends is not None:
            return home_attacks_if(home_defends) * (1 if self._stated.holds(period) else -1)
        holds = self._alternating.holds(period)
        return None if holds is None else _alternating(period) * (1 if holds else -1)

    def is_sure(self, period: int, home_defends: str | None) -> bool:
        """Return whether enough attempts agree with `home_attacks` to overrule a shot's own zone."""
        return (self._alternating if home_defends is None else self._stated).is_sure(period)


class _Claim:
    """Whether a claim about the ends holds, or its opposite; a run of contrary attempts reverses the belief."""

    _ENOUGH = 3  # attempts, net of contrary ones

    def __init__(self, *, is_stated: bool) -> None:
        self._is_stated = is_stated
        self._at_start: bool | None = True if is_stated else None  # belief at the start of each period
        self._belief = self._at_start
        self._period = self._in_period = 0
        self._for = self._against = 0

    def is_sure(self, period: int) -> bool:
        """Return whether attempts confirm the belief: in this period for a stated side, in any for changing ends."""
        return self._for >= self._ENOUGH and (period == self._period or not self._is_stated)

    def holds(self, period: int) -> bool | None:
        """Return whether the claim holds; None before the first attempt."""
        return self._belief if period == self._period else self._at_start

    def witness(self, period: int, *, agrees: bool) -> None:
        """Add an attempt; `agrees`: it was taken in the half that the shooter attacks if the claim holds."""
        if period != self._period:
            self._period, self._belief, self._against, self._in_period = period, self._at_start, 0, 0
            if self._is_stated:
                self._for = 0
        if self._belief is None:
            self._belief = self._at_start = agrees
        if agrees is self._belief:
            self._for, self._against, self._in_period = self._for + 1, max(self._against - 1, 0), self._in_period + 1
            return
        self._against += 1
        # What the feed states gets the benefit of the doubt; a belief from the first few attempts does not.
        if self._against >= (self._ENOUGH if self._is_stated else min(self._ENOUGH, self._for + 1)):
            if self._in_period < self._ENOUGH:  # wrong since the period's start, so wrong at the next one's start too
                self._at_start = agrees
            self._belief, self._for, self._against = agrees, self._against, 0


def home_attacks_if(home_defends: str) -> int:
    """Return 1 for a home team that defends the left goal and so attacks towards x = 89, -1 for the right goal."""
    return 1 if home_defends == "left" else -1


def _alternating(period: int) -> int:
    return 1 if period % 2 else -1
