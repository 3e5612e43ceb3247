"""Which shots count: all, all except those at an empty net, or those at five against five."""

from enum import StrEnum
from typing import Final

FIVE_ON_FIVE: Final = "5v5"  # the history's names of these two situations
EMPTY_NET: Final = "empty net"
_OTHER_EVEN: Final = "other even"


class Count(StrEnum):
    """Which shots count in all numbers of a report, by their situation."""

    ALL = "all"
    NO_EMPTY_NET = "no-empty-net"
    FIVE_ON_FIVE = "5v5"

    def takes(self, situation: str) -> bool:
        """Return whether shots of this situation or strength count. An unknown one is neither an empty net nor 5v5."""
        if self is Count.FIVE_ON_FIVE:
            return situation == FIVE_ON_FIVE
        return self is Count.ALL or situation != EMPTY_NET


def strength_of(situation: str, skaters: str | None) -> str:
    """Return a shot's strength: its situation in the history, or at even strength its skaters: "4v4", "3v3"."""
    return skaters if situation == _OTHER_EVEN and skaters else situation
