"""The rules `corrected` and `prompt`: corrections are noted as they were, and the ping that reads them takes them."""

import json
from collections import defaultdict
from collections.abc import Iterator
from copy import copy
from typing import Any

from db.connection import DatabaseError
from tests.simulation.evidence import Act, Stored
from tests.simulation.rules.run import Run, Violation
from tests.simulation.staleness import Believed

_NOTES = "SELECT game_id, event_id, what, before, after FROM corrections ORDER BY correction_id"
_AMENDMENTS = "SELECT game_id, event_id, model, inputs, amended_at FROM predictions"


def corrected(run: Run) -> list[Violation]:
    """Follow the notes on each shot, and compare its features with those that its predictions were made from."""
    notes: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for note in run.rows(_NOTES):
        notes[note["game_id"], note["event_id"]].append(note)
    found = [
        Violation("corrected", f"game {game}, shot {event}: {problem}")
        for (game, event), of_shot in sorted(notes.items())
        for problem in _problems(run.shots[game, event], of_shot)
    ]
    return [*found, *_amendments(run)]


def _problems(shot: dict[str, Any], notes: list[dict[str, Any]]) -> Iterator[str]:
    is_present, outcome = True, None
    for note in notes:
        what = note["what"]
        if what in ("retracted", "restored"):
            if is_present is (what == "restored"):
                yield f"{what} twice"
            is_present = what == "restored"
        if outcome is not None and note["before"] != outcome and what in ("retracted", "outcome"):
            yield f"{what} from {note['before']}, which was {outcome}"
        if what == "outcome":
            outcome = note["after"]
    if is_present is not (shot["retracted_at"] is None):
        yield f"noted as {'present' if is_present else 'retracted'}, and it is not"
    if outcome not in (None, shot["outcome"]):
        yield f"the last note says {outcome}, and it is {shot['outcome']}"


def _amendments(run: Run) -> Iterator[Violation]:
    """Yield predictions that are marked as amended and are not, or the other way round."""
    for row in run.rows(_AMENDMENTS):
        shot = run.shots[row["game_id"], row["event_id"]]
        features, inputs = json.loads(shot["features"]), json.loads(row["inputs"])
        agrees = all(features.get(name) == value for name, value in inputs.items())
        if shot["retracted_at"] is None and agrees is not (row["amended_at"] is None):
            where = f"game {row['game_id']}, shot {row['event_id']}, {row['model']}"
            yield Violation("corrected", f"{where}: {'wrongly' if agrees else 'not'} marked as amended")


# -- at once -----------------------------------------------------------------------------------------------------------


def prompt(run: Run) -> list[Violation]:
    """Look at each ping that ended well after one answer: unless that is recognizably old, the history has it."""
    return [
        Violation("prompt", f"game {game_id}: {problem}")
        for game_id in run.league.game_ids
        for problem in _passed_over(run, game_id)
    ]


def _passed_over(run: Run, game_id: int) -> Iterator[str]:
    """Yield the answers that should have been stored and were not."""
    pings = [act for act in run.evidence.acts if (act.what, act.about) == ("ping", game_id)]
    busy = {act.process for act in run.evidence.acts if act.end_s is None and str(game_id) in str(act.about)}
    answers = [answer for answer in run.league.answers if answer.game_id == game_id]
    events: list[tuple[float, Stored | Act]] = [
        *((s.at_s, s) for s in run.evidence.stored if s.game_id == game_id and s.game is not None),
        *((ping.end_s, ping) for ping in pings if ping.end_s is not None and ping.error is None),
    ]
    believed: Believed | None = Believed()  # None: what was stored is not known, nor which plays were ever seen
    last, last_s = "", 0.0
    for at_s, event in sorted(events, key=lambda entry: entry[0]):
        deaths = [death.at_s for death in run.evidence.deaths if death.process in busy]
        # a commit whose last sync fails is reported as failed, and is there
        failures = [ping.end_s for ping in pings if ping.end_s is not None and isinstance(ping.error, DatabaseError)]
        if any(last_s <= unsure_s <= at_s for unsure_s in (*deaths, *failures)):
            believed = None  # something may be stored that nobody noted
        last_s = at_s
        if isinstance(event, Stored):
            shown = run.league.shown(event.digest or "")
            if event.digest != last:
                last = event.digest or ""
                believed = believed if shown else None
                if believed and shown:
                    believed.accept(shown)
            continue
        own = [answer for answer in answers if event.begin_s <= answer.at_s <= at_s]
        if len(own) != 1 or own[0].digest in (None, last) or any(_overlap(event, other) for other in pings):
            continue
        shown = run.league.shown(own[0].digest or "")
        if believed and shown and copy(believed).accept(shown):
            yield f"{event.process} read version {own[0].version} at {own[0].at_s:.3f} s, and has not stored it"


def _overlap(one: Act, other: Act) -> bool:
    return one is not other and other.begin_s <= (one.end_s or 0.0) and one.begin_s <= (other.end_s or one.begin_s)
