"""What a ping has found that somebody may want to be told of. Pure functions over a game before and after the ping.

Only what changes while somebody watches is news. A game is watched from its first ping on, and no longer if it was not
pinged for ten minutes. What happened before that, or meanwhile, is old: it is summed up in one notice if the game
was watched before, and not told otherwise. A game that is first pinged in its first ten minutes counts as watched from
the start.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from db.history import Notice, SeenGame, SeenShot
from db.times import timestamp
from livegame.plays import GameState

GOALS: Final = "goals"
CHANCES: Final = "chances"
LEADS: Final = "leads"  # those goals that change which team leads, if any
PERIODS: Final = "periods"
FINALS: Final = "finals"

AWAY_S: Final = 600.0  # without a ping: the game is not watched any more
FORGOTTEN_S: Final = 3 * 3600.0  # without a ping: what happened meanwhile is not even summed up
_EARLY_S: Final = 600  # seconds left in period 1 at least, for a first ping to be early
_RATING_S: Final = 45.0  # how long a goal waits for its rating; most come with the next ping
_END_S: Final = 120.0  # how long a final waits that may be wrong: without "game-end", or level
_CHANCE_S: Final = 120.0  # a chance that is rated later is no news
_REISSUED_S: Final = 2  # between an event and the one that the league replaces it with
_ENDS: Final = (GameState.OVER, GameState.FINAL)
_BEGUN: Final = (GameState.LIVE, *_ENDS)
Score = tuple[int, int]  # away, home


def news(before: SeenGame | None, after: SeenGame, now: str) -> list[Notice]:
    """Return what to tell of a game; `before` is None if it was not stored."""
    if before is None or _seconds(before.row["pinged_at"], now) > AWAY_S:
        if before is not None and before.row["state"] in _BEGUN:
            is_forgotten = _seconds(before.row["pinged_at"], now) > FORGOTTEN_S
            return [] if is_forgotten else _summary(before, after, now)
        if not _is_early(after.row):
            return []
        before = SeenGame({**after.row, "state": GameState.NOT_STARTED}, {}, after.keys)
    return [
        *_goals(before, after, now),
        *_chances(before, after, now),
        *_periods(before, after),
        *_end(before, after, now),
    ]


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def _later(now: str, seconds: float) -> str:
    return timestamp(datetime.fromisoformat(now) + timedelta(seconds=seconds))


def _is_early(row: Mapping[str, Any]) -> bool:
    is_first = row["state"] == GameState.LIVE and row["period"] <= 1 and not row["in_intermission"]
    return is_first and (row["period"] == 0 or row["seconds_left"] >= _EARLY_S)


# -- goals and chances -------------------------------------------------------------------------------------------------


def _goals(before: SeenGame, after: SeenGame, now: str) -> Iterator[Notice]:
    replaced = _reissued(before, after)
    for shot in sorted(before.shots.values(), key=_in_play):
        if shot.is_goal and not after.shots[shot.event_id].is_goal and shot.event_id not in replaced.values():
            yield _taken_back(shot, before, after)
    score: Score = (0, 0)
    for shot in sorted(after.shots.values(), key=_in_play):
        if not shot.is_goal:
            continue
        lead, score = _leader(score), _added(score, shot)
        if not _was_goal(before, shot.event_id) and shot.event_id not in replaced:
            topics = {GOALS} if _leader(score) == lead else {GOALS, LEADS}
            yield _goal(shot, before, after, score, frozenset(topics), now)


def _goal(shot: SeenShot, before: SeenGame, after: SeenGame, score: Score, topics: frozenset[str], now: str) -> Notice:
    stored = before.shots.get(shot.event_id)
    is_again = f"goal {shot.event_id}" in after.keys or (stored is not None and stored.outcome == "goal")
    return Notice(
        kind="restored" if is_again else "goal",
        key=f"restored {shot.event_id} {shot.corrections}" if is_again else f"goal {shot.event_id}",
        topics=topics,
        facts=_of_shot(shot, after, score),
        event_id=shot.event_id,
        not_before=_later(now, _RATING_S) if shot.probability is None else None,
    )


def _taken_back(shot: SeenShot, before: SeenGame, after: SeenGame) -> Notice:
    score = _score(after)
    changes_lead = _leader(_score(before)) != _leader(score)
    return Notice(
        kind="taken back",
        key=f"taken back {shot.event_id} {after.shots[shot.event_id].corrections}",
        topics=frozenset({GOALS, LEADS} if changes_lead else {GOALS}),
        facts=_of_shot(shot, after, score),
        event_id=shot.event_id,
    )


def _chances(before: SeenGame, after: SeenGame, now: str) -> Iterator[Notice]:
    replaced = _reissued(before, after)
    for shot in sorted(after.shots.values(), key=_in_play):
        stored = before.shots.get(shot.event_id)
        is_rated_now = shot.probability is not None and (stored is None or stored.probability is None)
        is_new = _seconds(shot.first_seen_at, now) <= _CHANCE_S and shot.event_id not in replaced
        if is_rated_now and is_new and shot.is_there and not shot.is_goal:
            yield Notice(
                kind="chance",
                key=f"chance {shot.event_id}",
                topics=frozenset({CHANCES}),
                facts=_of_shot(shot, after, _score(after)),
                event_id=shot.event_id,
                xg=shot.probability,
            )


def _reissued(before: SeenGame, after: SeenGame) -> dict[int, int]:
    """Return event ids that only replace others in the same answer, with those that they replace."""
    gone = [s for s in before.shots.values() if s.is_there and not after.shots[s.event_id].is_there]
    replaced: dict[int, int] = {}
    for shot in after.shots.values():
        was_there = shot.event_id in before.shots and before.shots[shot.event_id].is_there
        if shot.is_there and not was_there:
            for old in gone:
                if _is_same(old, shot) and old.event_id not in replaced.values():
                    replaced[shot.event_id] = old.event_id
                    break
    return replaced


def _is_same(old: SeenShot, new: SeenShot) -> bool:
    is_alike = (old.is_home, old.outcome, old.period) == (new.is_home, new.outcome, new.period)
    return is_alike and abs(old.seconds - new.seconds) <= _REISSUED_S


def _was_goal(before: SeenGame, event_id: int) -> bool:
    return event_id in before.shots and before.shots[event_id].is_goal


def _in_play(shot: SeenShot) -> tuple[int, int, int]:
    return shot.period, shot.seconds, shot.position


def _score(game: SeenGame) -> Score:
    """Return the goals of regulation and overtime."""
    score: Score = (0, 0)
    for shot in game.shots.values():
        if shot.is_goal:
            score = _added(score, shot)
    return score


def _added(score: Score, goal: SeenShot) -> Score:
    return score[0] + (not goal.is_home), score[1] + goal.is_home


def _leader(score: Score) -> int:
    """Return 1 if the home team leads, -1 if the away team does, 0 if neither."""
    return (score[1] > score[0]) - (score[0] > score[1])


def _of_shot(shot: SeenShot, game: SeenGame, score: Score) -> dict[str, Any]:
    return {
        "team": game.row["home_abbrev" if shot.is_home else "away_abbrev"],
        "shooter": shot.shooter,
        "period": shot.period,
        "seconds": shot.seconds,
        "score": score,
    }


# -- periods and the end -----------------------------------------------------------------------------------------------


def _periods(before: SeenGame, after: SeenGame) -> Iterator[Notice]:
    ended = _ended_periods(after.row)
    if after.row["state"] == GameState.LIVE and ended > _ended_periods(before.row):
        facts = {"period": ended, "score": _scoreboard(after)}
        yield Notice("period", f"period {ended}", frozenset({PERIODS}), facts)


def _ended_periods(row: Mapping[str, Any]) -> int:
    if row["state"] == GameState.LIVE:
        return max(int(row["period"]) - (not row["in_intermission"]), 0)
    return int(row["period"]) if row["state"] in _ENDS else 0


def _end(before: SeenGame, after: SeenGame, now: str) -> Iterator[Notice]:
    was_over, is_over = before.row["state"] in _ENDS, after.row["state"] in _ENDS
    score = _scoreboard(after)
    if is_over and not was_over:
        is_certain = bool(after.row["has_end"]) and _leader(score) != 0
        not_before = None if is_certain else _later(now, _END_S)
        yield Notice("final", f"final {now}", frozenset({FINALS}), {"score": score}, not_before=not_before)
    elif was_over and before.row["has_end"] and after.row["state"] == GameState.LIVE:
        yield Notice("resumed", f"resumed {now}", frozenset({FINALS}), {"score": score})


def _scoreboard(game: SeenGame) -> Score:
    return game.row["away_score"], game.row["home_score"]


# -- after a time without pings ----------------------------------------------------------------------------------------


def _summary(before: SeenGame, after: SeenGame, now: str) -> list[Notice]:
    """Return one notice of what happened since the last ping of a game that was being played."""
    new = [shot for shot in sorted(after.shots.values(), key=_in_play) if shot.is_goal]
    goals = [_of_shot(shot, after, _score(after)) for shot in new if not _was_goal(before, shot.event_id)]
    ends = list(_end(before, after, now))
    topics = frozenset({GOALS} if goals or _score(before) != _score(after) else ()).union(*(end.topics for end in ends))
    if not topics:
        return []
    facts = {"since": before.row["pinged_at"], "score": _scoreboard(after), "goals": goals}
    held = [end.not_before for end in ends if end.not_before]
    return [replace(Notice("summary", f"summary {now}", topics, facts), not_before=max(held, default=None))]
