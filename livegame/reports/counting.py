"""Which shots a reader has counted: all, all but those at an empty net, or those at five against five."""

from enum import StrEnum
from typing import Final

FIVE_ON_FIVE: Final = "5v5"  # the history's words for these two situations
EMPTY_NET: Final = "empty net"


class Count(StrEnum):
    """What counts, for all numbers of a report alike. A shot is in or out by its situation, of which it has one."""

    ALL = "all"
    NO_EMPTY_NET = "no-empty-net"
    FIVE_ON_FIVE = "5v5"

    def takes(self, situation: str) -> bool:
        """Whether shots of this situation count. One whose skaters nobody knows is at no empty net, and at no 5v5."""
        if self is Count.FIVE_ON_FIVE:
            return situation == FIVE_ON_FIVE
        return self is Count.ALL or situation != EMPTY_NET
