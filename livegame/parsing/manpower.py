"""Skaters and goalies on the ice, derived from penalties and goals: the legacy feed does not give them.

Rule numbers refer to the NHL rule book. An overtime shorter than a period, as in the regular season, is played at
3v3 (since 2015-16).
"""

from collections.abc import Sequence

from msgspec import Struct

from livegame.parsing.penalties import PenaltyBoxes
from livegame.plays import PERIOD_SECONDS, UNBLOCKED_ATTEMPTS


class Fact(Struct, frozen=True):
    """What one play of the legacy feed says about manpower."""

    kind: str
    period: int
    period_type: str
    seconds: int  # since the period began
    team_id: int | None  # of a penalty: the team of the penalised player
    player_id: int | None = None  # of a penalty: who committed it
    minutes: int = 0  # of a penalty
    severity: str = ""  # of a penalty, as in the gamecenter feed: "MIN"
    at_empty_net: bool = False
    names_goalie: bool = False  # whether the play names the goalie in the attacked net

    @property
    def game_seconds(self) -> int:
        """Seconds of play since the game began."""
        return (self.period - 1) * PERIOD_SECONDS + self.seconds


def situations(facts: Sequence[Fact], *, home_id: int, away_id: int, is_long_overtime: bool) -> list[str | None]:
    """Return each play's situation code (away goalie, away skaters, home skaters, home goalie), from the plays so far.

    Penalties count from the next face-off: only then is it known which of a stoppage's penalties cancel out. A pulled
    goalie shows only in a goal or a miss at the empty net. In a shootout only attempts have a code.
    """
    penalties = PenaltyBoxes(away_id=away_id, home_id=home_id)
    boxes = penalties.of
    full = 5
    alone: int | None = None  # the team awarded a penalty shot
    misses_name_goalies = False  # none does in 2019-20, all do in 2021-22
    codes: list[str | None] = []
    for fact in facts:
        now, threes = fact.game_seconds, fact.period_type == "OT" and not is_long_overtime
        penalties.advance(now)
        if fact.kind == "penalty":
            penalties.call(fact)
            if fact.severity == "PS":
                alone = home_id if fact.team_id == away_id else away_id
        elif fact.kind == "faceoff":
            penalties.face_off(now)
        if fact.kind in ("faceoff", "period-start"):
            alone = None
            # At 3v3 the other team gains a player instead (Rule 84), and a served player stays on until a stoppage.
            full = 3 + max(box.short(threes=True) for box in boxes.values()) if threes else 5
        skaters = {team: full - box.short(threes=threes) for team, box in boxes.items()}
        goalies = {away_id: 1, home_id: 1}
        if fact.kind in UNBLOCKED_ATTEMPTS and fact.team_id in boxes:
            shooters, others = fact.team_id, home_id if fact.team_id == away_id else away_id
            is_miss = fact.kind == "missed-shot"
            if fact.period_type == "SO" or alone == shooters:
                skaters, goalies[shooters] = {shooters: 1, others: 0}, 0
                alone = None
            elif fact.at_empty_net or (is_miss and misses_name_goalies and not fact.names_goalie):
                skaters[others] += 1
                goalies[others] = 0
            if fact.kind == "goal" and skaters[others]:
                penalties.goal(shooters, now)
            misses_name_goalies |= is_miss and fact.names_goalie
        code = f"{goalies[away_id]}{skaters[away_id]}{skaters[home_id]}{goalies[home_id]}"
        codes.append(None if fact.period_type == "SO" and fact.kind not in UNBLOCKED_ATTEMPTS else code)
    return codes
