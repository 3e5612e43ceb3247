"""The rules `bounded` and `clean`: nobody waits longer than the product's own constants say, and no traceback shows."""

import traceback
from collections.abc import Iterator

from db.connection import DatabaseError
from db.environment import SettingsError
from livegame.errors import LiveGameError, UnexpectedError
from tests.simulation.evidence import Waited
from tests.simulation.rules.run import Run, Violation
from xgserve.client import ServingError

SLACK_S = 1.0  # for steps of others meanwhile
_OURS = ("db", "livegame", "root", "scripts", "training", "xgserve")  # urllib3 logs what our own errors report
_KNOWN = (LiveGameError, ServingError, DatabaseError, SettingsError)


def bounded(run: Run) -> list[Violation]:
    """Compare each wait with its bound, and look for acts that never ended."""
    found = []
    for wait in run.evidence.waits:
        if wait.took_s > wait.allowed_s + SLACK_S + _slow_s(run, wait):
            said = f"waited {wait.took_s:.1f} s for {wait.what}, {wait.allowed_s:.1f} s are allowed"
            found.append(Violation("bounded", f"at {wait.at_s:.3f} s {wait.process} {said}"))
    dead = {death.process for death in run.evidence.deaths}
    for act in run.evidence.acts:
        if act.end_s is None and act.process not in dead:
            said = f"{act.what} {act.about}, begun at {act.begin_s:.3f} s, has never ended"
            found.append(Violation("bounded", f"{act.process}: {said}"))
    return found


def _slow_s(run: Run, wait: Waited) -> float:
    """Return how many seconds the disk was slow meanwhile."""
    end_s = wait.at_s + wait.took_s
    return sum(
        max(0.0, min(fault.at_s + fault.seconds, end_s) - max(fault.at_s, wait.at_s))
        for fault in run.evidence.faults
        if fault.kind == "disk slow"
    )


def clean(run: Run) -> list[Violation]:
    """Look for errors that nobody foresaw."""
    return [Violation("clean", said) for said in _unforeseen(run)]


def _unforeseen(run: Run) -> Iterator[str]:
    for act in run.evidence.acts:
        error = act.error
        if error is not None and (not isinstance(error, _KNOWN) or isinstance(error, UnexpectedError)):
            yield f"{act.process}: {act.what} {act.about} ended with {type(error).__name__}: {error}"
    for thread, crash in run.crashes:
        where = "".join(traceback.format_exception(crash)).strip().splitlines()[-8:]
        yield f"{thread.process}, thread {thread.name}, ended with {crash!r}: {' / '.join(map(str.strip, where))}"
    for complaint in run.evidence.complaints:
        if complaint.traceback and complaint.logger.startswith(_OURS):
            last = complaint.traceback.strip().splitlines()[-1]
            said = f"{complaint.logger}: {complaint.message}: {last}"
            yield f"at {complaint.at_s:.3f} s {complaint.process} logged a traceback, {said}"
    for answer in run.evidence.bad_answers:
        if answer.code == "internal":
            yield f"at {answer.at_s:.3f} s {answer.process} answered {answer.path} with {answer.status}, internal"
