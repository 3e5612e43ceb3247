"""The rules `kept` and `forward`: what was acknowledged is never lost, and an old answer never takes effect."""

import json
from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256

from livegame.plays import Game
from tests.simulation.evidence import Stored
from tests.simulation.league import as_answer
from tests.simulation.rules.run import Run, Violation
from tests.simulation.staleness import Believed
from tests.simulation.truth import Version


def kept(run: Run) -> list[Violation]:
    """Look for everything that was stored, seen or accepted: it must be there at the end, and unchanged."""
    return [*_stored(run), *_seen(run), *_accepted(run)]


def _stored(run: Run) -> list[Violation]:
    found = []
    blocked = {(r["game_id"], r["event_id"]) for r in run.rows("SELECT game_id, event_id FROM blocked_attempts")}
    first: dict[tuple[int, int, str], float] = {}
    for stored in run.evidence.stored:
        where = f"at {stored.at_s:.3f} s {stored.process} stored"
        lost = [event for event in stored.shots if (stored.game_id, event) not in run.shots]
        lost += [event for event in sorted(stored.blocked) if (stored.game_id, event) not in blocked]
        if lost:
            found.append(Violation("kept", f"{where} the attempts {lost} of game {stored.game_id}, which are lost"))
        for (event, model), (probability, _) in stored.predictions.items():
            shot = (stored.game_id, event, model)
            row = run.predictions.get(shot)
            if row is None:
                found.append(Violation("kept", f"{where} a prediction of {shot}, which is lost"))
            elif shot not in first:
                first[shot] = probability
                if row["probability"] != probability and not _may_be_stored_before(run, stored, shot):
                    said = f"{probability} for {shot}; now it is {row['probability']}"
                    found.append(Violation("kept", f"{where} {said}"))
    return found


def _may_be_stored_before(run: Run, stored: Stored, shot: tuple[int, int, str]) -> bool:
    """Return whether a process that died may have stored the shot's prediction before, without saying so."""
    game, event, model = shot
    asked = {
        request.process
        for request in run.evidence.requests
        if request.model == model and (game, event) in request.rows and request.at_s < stored.at_s
    }
    return any(death.process in asked and death.at_s < stored.at_s for death in run.evidence.deaths)


def _seen(run: Run) -> list[Violation]:
    found = []
    for seen in run.evidence.seen:
        where = f"at {seen.at_s:.3f} s {seen.process} saw"
        lost = [event for event in (*seen.shots, *seen.retracted) if (seen.game_id, event) not in run.shots]
        if lost:
            found.append(Violation("kept", f"{where} the shots {lost} of game {seen.game_id}, which are lost"))
        for event, probability in seen.probabilities.items():
            row = run.predictions.get((seen.game_id, event, seen.model or ""))
            if row is None or row["probability"] != probability:
                now = "lost" if row is None else row["probability"]
                said = f"{probability} for shot {event} of game {seen.game_id} by {seen.model}"
                found.append(Violation("kept", f"{where} {said}; now it is {now}"))
    return found


def _accepted(run: Run) -> list[Violation]:
    rows = run.rows("SELECT notice_id, address, accepted_at FROM deliveries")
    accepted = {(row["notice_id"], row["address"]) for row in rows if row["accepted_at"] is not None}
    return [
        Violation("kept", f"notice {noted.notice_id}: {noted.address} accepted it at {noted.at_s:.3f} s; it is open")
        for noted in run.evidence.accepted
        if (noted.notice_id, noted.address) not in accepted
    ]


# -- no step back ------------------------------------------------------------------------------------------------------


def forward(run: Run) -> list[Violation]:
    """Follow what was stored of each game: an answer that is recognizably older must change nothing."""
    by_game: dict[int, list[Stored]] = defaultdict(list)
    for stored in run.evidence.stored:
        if stored.game is not None:
            by_game[stored.game_id].append(stored)
    return [
        Violation("forward", f"game {game_id}: {problem}")
        for game_id, steps in sorted(by_game.items())
        for problem in _steps_back(run, game_id, steps)
    ]


def _steps_back(run: Run, game_id: int, steps: list[Stored]) -> Iterator[str]:
    believed, before = Believed(), steps[0]
    for stored in steps:
        if _may_have_died_unseen(run, game_id, before, stored):
            believed = Believed()
        if stored is not steps[0] and stored.digest == before.digest:
            continue
        shown = run.league.shown(stored.digest or "") or _imported(run, game_id, stored.digest)
        if shown is None:
            believed = Believed()
        elif not believed.accept(shown):
            yield (
                f"at {stored.at_s:.3f} s {stored.process} stored {_standing(stored)} after {_standing(before)}, which"
                " had all of its plays and a later clock"
            )
        before = stored


def _imported(run: Run, game_id: int, stored: str | None) -> Game | None:
    """Return the game of a version that was imported from a file, and never sent."""
    return next((version.game for version in run.league.versions(game_id) if digest(version) == stored), None)


def digest(version: Version) -> str:
    """Return the digest of the answer that shows a version."""
    return sha256(json.dumps(as_answer(version)).encode()).hexdigest()


def _may_have_died_unseen(run: Run, game_id: int, before: Stored, after: Stored) -> bool:
    """Return whether a process died in between that may have stored the game without saying so."""
    busy = {act.process for act in run.evidence.acts if act.end_s is None and str(game_id) in str(act.about)}
    return any(death.process in busy and before.at_s <= death.at_s <= after.at_s for death in run.evidence.deaths)


def _standing(stored: Stored) -> str:
    game = stored.game
    assert game is not None
    return f"{game.state}, period {game.period}, {game.seconds_left} s left, {game.away_score}:{game.home_score}"
