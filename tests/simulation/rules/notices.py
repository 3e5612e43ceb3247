"""The rule `told`: each notice is told once to each address, and none is lost."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

from livegame.notices.news import AWAY_S
from tests.simulation.evidence import Attempt, Complaint, Death
from tests.simulation.rules.run import Run, Violation

Row = dict[str, Any]
_REISSUED_S = 2  # as livegame.notices.news
_ENDS = ("over", "final")


def told(run: Run) -> list[Violation]:
    """Check deliveries, what was sent again, and that each goal has its notice."""
    return [Violation("told", said) for said in (*_again(run), *_open(run), *_untrue(run), *_unnoticed(run))]


def _again(run: Run) -> Iterator[str]:
    """Yield notices that were sent once more after they had been accepted."""
    accepted: dict[tuple[int, str], float] = {}
    for noted in run.evidence.accepted:
        accepted.setdefault((noted.notice_id, noted.address), noted.at_s)
    tries: dict[tuple[int, str], list[Attempt]] = defaultdict(list)
    for attempt in run.evidence.attempts:
        tries[attempt.notice_id, attempt.address].append(attempt)
    for sent, attempts in tries.items():
        for before, again in pairwise(attempts):
            said = f"notice {sent[0]} to {sent[1]}, sent at {before.at_s:.3f} s, is sent again at {again.at_s:.3f} s"
            if again.at_s > accepted.get(sent, again.at_s):
                yield f"{said}, though it was accepted at {accepted[sent]:.3f} s"
            elif not _is_unsettled(run, before, again):
                yield f"{said}, though nothing has failed"
    received = Counter((delivery.address, delivery.title, delivery.body) for delivery in run.evidence.deliveries)
    repeats = sum(received.values()) - len(received)
    if repeats:
        run.counts["admitted: a notice was sent again, its acceptance was lost"] += repeats
    if len(run.evidence.deliveries) > len(run.evidence.attempts) + run.counts["repeated request"]:
        yield f"{len(run.evidence.deliveries)} messages arrived, {len(run.evidence.attempts)} were sent"


def _is_unsettled(run: Run, before: Attempt, again: Attempt) -> bool:
    """Return whether an attempt failed, its process died, or what came of it could not be noted."""
    sent = (before.notice_id, before.address)
    failed = any((r.notice_id, r.address) == sent and before.at_s <= r.at_s < again.at_s for r in run.evidence.refused)
    ends: list[Death | Complaint] = [*run.evidence.deaths, *run.evidence.complaints]
    return failed or any(end.process == before.process and before.at_s <= end.at_s <= again.at_s for end in ends)


def _open(run: Run) -> Iterator[str]:
    rows = run.rows(
        """
        SELECT n.*, d.* FROM deliveries d JOIN notices n USING (notice_id)
        WHERE d.accepted_at IS NULL ORDER BY n.notice_id, d.address
        """
    )
    for row in rows:
        if row["dropped_at"] is None:
            said = f"{row['kind']} of game {row['game_id']}, noticed at {row['noticed_at']}, was never told to"
            yield f"notice {row['notice_id']}: {said} {row['address']} ({row['attempts']} attempts, {row['problem']})"
        elif row["kind"] != "final" or row["attempts"]:
            run.admit("a notice was given up, too late to be told")


def _untrue(run: Run) -> Iterator[str]:
    """Yield notices of something that the history does not have."""
    changes: dict[tuple[int, int], list[str]] = defaultdict(list)
    for row in run.rows("SELECT * FROM corrections WHERE what <> 'amended'"):
        changes[row["game_id"], row["event_id"]].append(row["what"])
    for row in run.rows("SELECT * FROM notices WHERE event_id IS NOT NULL"):
        shot = (row["game_id"], row["event_id"])
        if shot not in run.shots:
            yield f"the notice {row['key']} of game {row['game_id']} is of a shot that is not stored"
        elif row["kind"] in ("taken back", "restored") and not changes[shot]:
            yield f"the notice {row['key']} of game {row['game_id']}, though nothing of the shot was corrected"
    states = {(row["game_id"], row["seen_at"]) for row in run.rows("SELECT game_id, seen_at FROM game_states")}
    for row in run.rows("SELECT * FROM notices WHERE kind IN ('final', 'resumed', 'period')"):
        if (row["game_id"], row["noticed_at"]) not in states:
            yield f"the notice {row['key']} of game {row['game_id']} is of {row['noticed_at']}, when nothing was stored"


def _unnoticed(run: Run) -> Iterator[str]:
    """Yield what a ping saw while a game was watched, and what has no notice."""
    wishes = run.rows("SELECT * FROM addresses")
    topics = {topic for wish in wishes if not json.loads(wish["teams"]) for topic in json.loads(wish["topics"])}
    if not topics or any(fault.kind == "clock" for fault in run.evidence.faults):
        return  # when things were seen is not known with a clock that jumps
    remembered = min(wish["seen_at"] for wish in wishes)
    imported = {stored.game_id for stored in run.evidence.stored if stored.process.startswith("backfill")}
    for game_id in run.league.game_ids:
        if game_id not in imported:
            for said in _unnoticed_of(run, game_id, topics, remembered):
                yield f"{said} of game {game_id} has no notice"


def _unnoticed_of(run: Run, game_id: int, topics: set[str], remembered: str) -> Iterator[str]:
    notices = run.rows("SELECT * FROM notices WHERE game_id = ?", game_id)
    keys, told_of = {row["key"] for row in notices}, {row["event_id"] for row in notices}
    goals = _first_goals(run, game_id) if "goals" in topics else []
    states = run.rows("SELECT * FROM game_states WHERE game_id = ? ORDER BY seen_at", game_id)
    for before, after in pairwise(states):
        seen_at = after["seen_at"]
        if _seconds(before["seen_at"], seen_at) > AWAY_S or remembered >= before["seen_at"]:
            continue
        has_ended = before["state"] not in _ENDS and after["state"] in _ENDS
        if "finals" in topics and has_ended and f"final {seen_at}" not in keys:
            yield f"the end, seen at {seen_at},"
        period = _ended_periods(after)
        has_ended = after["state"] == "live" and period > _ended_periods(before)
        if "periods" in topics and has_ended and f"period {period}" not in keys:
            yield f"the end of period {period}, seen at {seen_at},"
        for shot in goals:
            if shot["first_seen_at"] == seen_at and shot["event_id"] not in told_of and not _is_reissued(run, shot):
                yield f"the goal {shot['event_id']}, seen at {seen_at},"


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def _ended_periods(state: Row) -> int:
    if state["state"] == "live":
        return max(int(state["period"]) - (not state["in_intermission"]), 0)
    return int(state["period"]) if state["state"] in _ENDS else 0


def _first_goals(run: Run, game_id: int) -> list[Row]:
    """Return the shots of a game that were goals when a ping saw them first."""
    first: dict[int, str] = {}
    query = "SELECT * FROM corrections WHERE game_id = ? AND what = 'outcome' ORDER BY correction_id"
    for row in run.rows(query, game_id):
        first.setdefault(row["event_id"], row["before"])
    return [
        shot
        for (game, event), shot in run.shots.items()
        if game == game_id and first.get(event, shot["outcome"]) == "goal"
    ]


def _is_reissued(run: Run, shot: Row) -> bool:
    """Return whether it is like another shot that the league may have replaced with it in one answer."""
    return any(
        other["event_id"] != shot["event_id"]
        and game == shot["game_id"]
        and (other["is_home"], other["period"]) == (shot["is_home"], shot["period"])
        and abs(other["seconds"] - shot["seconds"]) <= _REISSUED_S
        for (game, _), other in run.shots.items()
    )
