"""The rules `once` and `closed`: no shot is scored twice by a model, and no request stays open for nothing."""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from livegame.scoring.open_requests import BACKFILL, RESCORE
from tests.simulation.evidence import Noted, Scoring
from tests.simulation.rules.run import Run, Violation


def once(run: Run) -> list[Violation]:
    """Compare what the service counts as scored with what was noted under the same keys."""
    noted: dict[tuple[str, str], Noted] = {}
    for request in run.evidence.requests:
        noted.setdefault((request.key, request.model), request)
    found, by_shot = [], defaultdict(list)
    for scoring in run.evidence.scorings:
        request_of = noted.get((scoring.key, scoring.model))
        if request_of is None or len(request_of.rows) != scoring.rows:
            wanted = "nobody noted" if request_of is None else f"was noted for {len(request_of.rows)} rows"
            found.append(Violation("once", f"{_said(scoring)}, which {wanted}"))
            continue
        for shot in request_of.rows:
            by_shot[shot, scoring.model].append(scoring)
    twice: dict[tuple[int, int], list[object]] = defaultdict(list)
    numbers = {id(scoring): number for number, scoring in enumerate(run.evidence.scorings)}
    for (shot, _), scorings in by_shot.items():
        for earlier, later in pairwise(scorings):
            twice[numbers[id(earlier)], numbers[id(later)]].append(shot)
    for pair, shots in twice.items():
        earlier, later = (run.evidence.scorings[number] for number in pair)
        if reason := _why_again(run, earlier, later):
            run.admit(reason)
        else:
            named = ", ".join(map(str, shots[:5]))
            found.append(Violation("once", f"{_said(earlier)}, and again: {_said(later)}; both have {named}"))
    return found


def _why_again(run: Run, earlier: Scoring, later: Scoring) -> str | None:
    """Return why rows were scored again, if docs/promises.md admits it."""
    if earlier.key != later.key or earlier.process == later.process:
        return None
    kept = [k for k in run.evidence.kept if (k.key, k.model) == (later.key, later.model) and k.at_s <= later.at_s]
    if not kept:
        dead = any(death.process == earlier.process and death.at_s <= later.at_s for death in run.evidence.deaths)
        return "scored again, the service died before the answer was on disk" if dead else None
    if any(lost.process == later.process and not lost.is_trim for lost in run.evidence.forgotten):
        return "scored again, the service could not read its answers when it started"
    if any(lost.is_trim and lost.at_s <= later.at_s for lost in run.evidence.forgotten):
        return "scored again, the answer was older than 30 days"
    return None


def _said(scoring: Scoring) -> str:
    rows = f"{scoring.rows} rows by {scoring.model} under the key {scoring.key}"
    return f"at {scoring.at_s:.3f} s {scoring.process} scored {rows}"


def closed(run: Run) -> list[Violation]:
    """Check what is noted of open requests: a row may wait only for a model or a shot that is not there any more."""
    found = []
    for path in sorted((run.data_dir / "locks").glob("*.questions")):
        try:
            noted = json.loads(path.read_bytes())
        except ValueError:
            found.append(Violation("closed", f"{path.name} is no JSON"))
            continue
        for model, key, _, waiting in noted:
            wrong = list(_wrong(run, path.stem, model, [(game, event) for game, event in waiting]))
            if wrong:
                said = f"{path.name}: the request {key} to {model} still waits for {'; '.join(wrong[:3])}"
                found.append(Violation("closed", said))
    return found


def _wrong(run: Run, holder: str, model: str, waiting: list[tuple[int, int]]) -> Iterator[str]:
    for shot in waiting:
        is_stored = (*shot, model) in run.predictions
        if is_stored and holder not in (RESCORE, BACKFILL):  # the next one closes it
            yield f"{shot}, whose answer is stored"
        elif (
            not is_stored and model in run.loaded and run.shots.get(shot, {"retracted_at": ""})["retracted_at"] is None
        ):
            yield f"{shot}, which is there and not rated"
