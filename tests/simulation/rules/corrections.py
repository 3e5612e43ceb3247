"""The rule `corrected`: what is noted of the league's corrections leads from the first state of a shot to its last."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.simulation.rules.run import Run, Violation

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
