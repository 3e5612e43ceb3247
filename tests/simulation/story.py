"""What happened in a run, in an order that a person can follow: steps, and what they meant by the evidence."""

import re
from collections.abc import Iterator
from typing import Any, Final

from tests.simulation.evidence import Act, Evidence, Stored
from tests.simulation.league import League
from tests.simulation.world import World

_DETAILS: Final = ("disk ", "connects to ", "starts the thread ", "has done: ", "ends")  # steps that begin like this
_WORTH_TELLING_S: Final = 0.5  # of waiting
_DIGEST: Final = re.compile(r"(?:@|%40)sha256(?::|%3A)([0-9a-f]{6})[0-9a-f]*")
_LONGEST: Final = 160

Line = tuple[float, str, str]  # virtual seconds, process, what happened


def story(world: World, *, all_steps: bool = False) -> list[str]:
    """Return a line for each thing that happened; with `all_steps`, also for each contact with the disk."""
    steps = [
        (at_s, str(who), what) for at_s, who, what in world.log.entries if all_steps or not what.startswith(_DETAILS)
    ]
    # sorting is stable: what a step meant comes after it
    lines = sorted([*steps, *_meanings(world.evidence), *_answers(world.league)], key=lambda line: line[0])
    root = f"{world.root}/"  # another folder each time
    return [f"{at_s:12.6f}  {who:<12}  {_short(what.replace(root, ''))}" for at_s, who, what in lines]


def _meanings(evidence: Evidence) -> Iterator[Line]:
    for act in evidence.acts:
        yield act.begin_s, act.process, f"begins: {act.what} {_about(act.about)}"
        if act.end_s is not None:
            yield act.end_s, act.process, f"ends: {act.what} {_about(act.about)}{_result(act)}"
    for noted in evidence.requests:
        yield noted.at_s, noted.process, f"notes {_key(noted.key)}: {_shots(noted.rows)} for {noted.model}"
    for scored in evidence.scorings:
        yield scored.at_s, scored.process, f"has scored {scored.rows} rows for {_key(scored.key)} by {scored.model}"
    for kept in evidence.kept:
        yield kept.at_s, kept.process, f"has the answer to {_key(kept.key)} on disk"
    for forgotten in evidence.forgotten:
        yield forgotten.at_s, forgotten.process, "has lost sight of earlier answers"
    for stored in evidence.stored:
        yield stored.at_s, stored.process, f"commits: {_stored(stored)}"
    for wait in evidence.waits:
        if wait.took_s >= _WORTH_TELLING_S:
            yield wait.at_s, wait.process, f"{wait.what} took {wait.took_s:.3f} s"
    for attempt in evidence.attempts:
        yield attempt.at_s, attempt.process, f"sends notice {attempt.notice_id} to {attempt.address[:8]}"
    for accepted in evidence.accepted:
        yield accepted.at_s, accepted.process, f"notes that {accepted.address[:8]} has notice {accepted.notice_id}"
    for death in evidence.deaths:
        yield death.at_s, death.process, "has ended" if death.how == "ended" else f"is dead: {death.how}"


def _answers(league: League) -> Iterator[Line]:
    for answer in league.answers:
        if answer.version is not None:
            spoiled = f", spoiled: {answer.spoiled}" if answer.spoiled else ""
            yield answer.at_s, "league", f"shows version {answer.version} of game {answer.game_id}{spoiled}"


def _stored(stored: Stored) -> str:
    parts = []
    if stored.game is not None:
        game = stored.game
        parts += [f"{game.state}, period {game.period}, {game.seconds_left} s left", f"{len(stored.shots)} shots"]
    return ", ".join([f"game {stored.game_id}", *parts, f"{len(stored.predictions)} predictions"])


def _shots(rows: Any) -> str:
    return " ".join(f"{game_id}/{event_id}" for game_id, event_id in rows)


def _key(key: str) -> str:
    return f"request {key[:6]}" if key else "a request without a key"


def _about(about: Any) -> str:
    return "" if about is None else " ".join(map(str, about)) if isinstance(about, tuple) else str(about)


def _result(act: Act) -> str:
    if act.error is not None:
        return f": {type(act.error).__name__}: {act.error}"
    return "" if act.result is None else f": {act.result}"


def _short(text: str) -> str:
    line = _DIGEST.sub(r"@\1", " / ".join(text.splitlines())).rstrip()
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 4]} ..."
