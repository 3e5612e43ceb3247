"""Games drawn at random, written to a real history and read as reports."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hypothesis import strategies as st

from db.history import BlockedRow, GameRow, GameUpdate, History, ManpowerRow, Scores, ShotRow
from livegame.plays import PERIOD_SECONDS
from livegame.reports.counting import Count
from livegame.reports.game import GameReport, game_report

MODEL: Final = "bundled/a:1@sha256:000000000000"
GAME_ID: Final = 2021020329
CODES: Final = ("1551", "1441", "1331", "1451", "1541", "1351", "0651", "1560", "0551", "0660", None)
# What a team's shot says of the skaters, and whether a goalie is out.
_SITUATIONS: Final[dict[str, dict[str, Any]]] = {
    "5v5": {"friendly_skaters": 5, "opposing_skaters": 5, "strength_state": "5v5"},
    "4v4": {"friendly_skaters": 4, "opposing_skaters": 4, "strength_state": "4v4"},
    "3v3": {"friendly_skaters": 3, "opposing_skaters": 3, "strength_state": "3v3"},
    "power play": {"friendly_skaters": 5, "opposing_skaters": 4, "strength_state": "5v4"},
    "short-handed": {"friendly_skaters": 4, "opposing_skaters": 5, "strength_state": "4v5"},
    "extra attacker": {"friendly_skaters": 6, "opposing_skaters": 5, "strength_state": "6v5", "extra_attacker": 1},
    "empty net": {"friendly_skaters": 5, "opposing_skaters": 6, "strength_state": "5v6"},
    "not told": {"friendly_skaters": None, "opposing_skaters": None, "strength_state": None},
}


def shot(event_id: int, at: int, strength: str = "5v5", *, is_home: bool = True, outcome: str = "goal") -> ShotRow:
    """Return a shot at a game second, of regulation or the first overtime."""
    period = min(at // PERIOD_SECONDS, 3)
    features = {"extra_attacker": 0, "game_seconds": at, "period": period + 1, "is_home": int(is_home)}
    return ShotRow(
        event_id=event_id,
        position=event_id,
        period=period + 1,
        seconds=at - period * PERIOD_SECONDS,
        is_home=is_home,
        shooter="A",
        goalie="B",
        outcome=outcome,
        penalty_shot=False,
        empty_net=strength == "empty net",
        features=features | _SITUATIONS[strength],
        missing=None,
    )


@cache
def _folder() -> TemporaryDirectory[str]:
    """Return a folder for one history, since making one takes longer than all the rest."""
    return TemporaryDirectory()


def report_of(
    shots: list[ShotRow],
    chances: dict[int, float] | None = None,
    count: Count = Count.ALL,
    manpower: Sequence[ManpowerRow] = (),
    blocked: Sequence[BlockedRow] = (),
    **game: Any,
) -> GameReport:
    """Return the report of a game of Washington at Carolina with these shots; those without a chance are pending.

    By default each chance is 0.1, and the game is live with 12:35 left in its third period.
    """
    values: dict[str, Any] = {
        "home_score": 0, "away_score": 0, "state": "live", "period": 3, "period_type": "REG", "seconds_left": 755,
        "in_intermission": False,
    }  # fmt: skip
    about = GameRow(
        game_id=GAME_ID, season=20212022, game_type=2, start_time="2021-11-28T18:00:00Z", home_id=12, home_abbrev="CAR",
        home_name="Carolina Hurricanes", away_id=15, away_abbrev="WSH", away_name="Washington Capitals",
        game_date="2021-11-28", **(values | game),
    )  # fmt: skip
    chances = dict.fromkeys((row.event_id for row in shots), 0.1) if chances is None else chances
    scores = Scores(MODEL, "unblocked", [(event, chance, {}) for event, chance in chances.items()])
    history = History(Path(_folder().name) / "history.db")
    history.forget(GAME_ID)
    history.record_all([GameUpdate(about, shots, manpower, scores=scores, blocked=blocked)])
    found = game_report(history, GAME_ID, count=count)
    assert found is not None
    return found


@st.composite
def reports(draw: st.DrawFn) -> GameReport:
    """Draw a report of a game with up to 25 shots of all kinds, some of them not rated."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(0, 3 * PERIOD_SECONDS + 299),
                st.sampled_from(sorted(_SITUATIONS)),
                st.booleans(),
                st.sampled_from(["goal", "shot-on-goal", "missed-shot"]),
                st.none() | st.floats(0, 1),
            ),
            max_size=25,
        )
    )
    drawn.sort(key=lambda one: one[0])
    shots = [
        shot(event, at, strength, is_home=is_home, outcome=outcome)
        for event, (at, strength, is_home, outcome, _) in enumerate(drawn)
    ]
    for event, row in enumerate(shots):
        if row.outcome == "missed-shot":
            shots[event] = replace(row, reason=draw(st.sampled_from(["wide-left", "over-net", "short", None])))
    chances = {event: chance for event, (*_, chance) in enumerate(drawn) if chance is not None}
    count, manpower = draw(st.sampled_from(list(Count))), draw(stretches())
    return report_of(shots, chances, count, manpower, draw(blocked_attempts()))


@st.composite
def blocked_attempts(draw: st.DrawFn) -> list[BlockedRow]:
    """Draw up to ten blocked attempts in the first two periods."""
    drawn = draw(st.lists(st.tuples(st.integers(0, 2399), st.booleans(), st.sampled_from(CODES)), max_size=10))
    return [
        BlockedRow(
            event_id=1000 + number,
            period=1 + at // PERIOD_SECONDS,
            seconds=at % PERIOD_SECONDS,
            is_home=is_home,
            shooter_id=None,
            shooter="A",
            blocker_id=None,
            blocker="B",
            by_teammate=False,
            x=None,
            y=None,
            code=code,
            strength=None if code is None else f"{code[1 + is_home]}v{code[2 - is_home]}",
        )
        for number, (at, is_home, code) in enumerate(drawn)
    ]


@st.composite
def stretches(draw: st.DrawFn) -> list[ManpowerRow]:
    """Draw the manpower of a game: up to eight stretches without gaps, as far as the 40th minute."""
    ends = sorted(draw(st.sets(st.integers(1, 2 * PERIOD_SECONDS), min_size=1, max_size=8)))
    codes = draw(st.lists(st.sampled_from(CODES), min_size=len(ends), max_size=len(ends)))
    return [ManpowerRow(start, end, code) for start, end, code in zip([0, *ends], ends, codes, strict=False)]
