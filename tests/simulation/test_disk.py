import errno
import fcntl
import os
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from db.connection import DatabaseError, open_writer
from db.history import History
from db.history.schema import MIGRATIONS
from livegame.features.rows import game_update
from tests.games import game, play
from tests.promises.helpers import contents, is_sound
from tests.simulation import durability
from tests.simulation.one_disk import Machine
from tests.simulation.scheduler import Process

TRIED = int(os.environ.get("XG_TEST_DISK_STEPS", "8"))  # how many of a transaction's steps
SHOTS = [play(event_id, "shot-on-goal", 60 * event_id) for event_id in range(1, 6)]
JOURNALS = ("truncate", "wal")


@pytest.fixture(params=JOURNALS)
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("db.connection.wal_is_safe", lambda _version: request.param == "wal")
    return str(request.param)


def record(database: Path, shots: int, acknowledged: list[int] | None = None) -> None:
    History(database).record_all([game_update(game(*SHOTS[:shots]))])
    if acknowledged is not None:
        acknowledged.append(shots)


def rows(database: Path) -> dict[str, object]:
    # through a copy, so that looking at it repairs nothing
    with TemporaryDirectory(dir=database.parent) as copy:
        for file in database.parent.glob("history.db*"):
            shutil.copy(file, copy)
        if not (Path(copy) / database.name).exists():
            return {}
        open_writer(Path(copy) / database.name, MIGRATIONS).close()
        assert is_sound(Path(copy) / database.name)
        return dict(contents(Path(copy) / database.name))


def outcomes_of_a_record(folder: Path, end: Callable[[Machine, Process], None], first: int) -> Iterator[str]:
    """Record two more shots, and end that at some steps or each; yield what is left of them."""
    shots, expected = (first, first + 2), []
    for number in shots:
        made = folder / f"{number}" / "history.db"
        made.parent.mkdir()
        if number:
            record(made, number)
        expected.append(rows(made) if number else {})
    undisturbed = Machine(folder / f"{first}-undisturbed")
    shutil.copytree(folder / f"{first}", undisturbed.disk.root)
    undisturbed.run(lambda: record(Path(undisturbed.disk.root) / "history.db", shots[1]))
    total = undisturbed.scheduler.steps
    chosen = range(1, total + 1)
    for steps in chosen if total <= TRIED else sorted(Random(TRIED).sample(chosen, TRIED)):
        root = folder / f"after-{steps}"
        shutil.copytree(folder / f"{first}", root)
        machine = Machine(root, steps)
        acknowledged: list[int] = []
        machine.scheduler.arm("job", steps, partial(end, machine))
        machine.run(partial(record, root / "history.db", shots[1], acknowledged))
        left = rows(root / "history.db")
        shutil.rmtree(root)
        is_empty = first == 0 and not any(left.values())
        assert is_empty or left in expected, f"half a transaction after {steps} of {total} steps"
        kept = left == expected[1]
        assert kept or not acknowledged, f"acknowledged and lost after {steps} of {total} steps"
        yield f"{'kept' if kept else 'lost'}, {'acknowledged' if acknowledged else 'unacknowledged'}"


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("end", [Machine.kill, Machine.cut_power])
def test_transaction_is_whole_or_absent_wherever_it_ends(
    folder: Path, end: Callable[[Machine, Process], None], first: int
) -> None:
    found = Counter(outcomes_of_a_record(folder, end, first))
    assert found["lost, unacknowledged"] >= 3


def power_cut_after_a_record(root: Path, seed: int) -> dict[str, object]:
    root.mkdir()
    machine = Machine(root, seed)
    machine.run(lambda: record(root / "history.db", 2), after=lambda: machine.disk.power_cut(machine.random))
    return rows(root / "history.db")


@pytest.mark.usefixtures("journal")
def test_acknowledged_transaction_outlives_a_power_cut(folder: Path) -> None:
    left = [power_cut_after_a_record(folder / str(seed), seed) for seed in range(2)]
    assert all(state == left[0] for state in left) and len(left[0]["shots"]) == 2  # type: ignore[arg-type]


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("lie", ["File", "Tree"])
def test_disk_that_lies_about_a_sync_loses_what_was_acknowledged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    monkeypatch.setattr(getattr(durability, lie), "synced", lambda *_: None)
    lost = 0
    for seed in range(4):
        try:
            lost += len(power_cut_after_a_record(folder / str(seed), seed).get("shots", ())) < 2  # type: ignore[arg-type]
        except (AssertionError, DatabaseError):
            lost += 1
    assert lost >= 1


def test_killed_process_has_written_what_it_wrote_and_no_more(folder: Path) -> None:
    machine = Machine(folder)

    def write() -> None:
        with (folder / "notes").open("wb") as file, (folder / "text").open("w") as text:
            for number in range(10):
                file.write(b"%d" % number)
                text.write(f"{number}\n")

    machine.scheduler.arm("job", 7, machine.kill)
    machine.run(write)
    assert ((folder / "notes").read_bytes(), (folder / "text").read_text()) == (b"01", "0\n1\n")


@pytest.mark.parametrize("is_synced", [False, True])
def test_new_name_is_safe_once_its_folder_is_synced(folder: Path, is_synced: bool) -> None:
    found = set()
    for seed in range(20):
        root = folder / str(seed)
        root.mkdir()
        (root / "note").write_text("old")
        machine = Machine(root, seed)

        def replace(root: Path = root) -> None:
            with (root / "part").open("wb") as file:
                file.write(b"new")
                os.fsync(file)
            (root / "part").replace(root / "note")
            if is_synced:
                number = os.open(root, os.O_RDONLY)
                os.fsync(number)
                os.close(number)

        machine.run(replace, after=partial(machine.disk.power_cut, machine.random))
        found.add((root / "note").read_text())
    assert found == ({"new"} if is_synced else {"old", "new"})


def overwrite(file: Path) -> None:
    with file.open("r+b", buffering=0) as opened:
        opened.write(b"new!" * 512)


def test_unsynced_write_loses_sectors_one_by_one(folder: Path) -> None:
    found = set()
    for seed in range(30):
        machine, file = Machine(folder, seed), folder / f"{seed}"
        file.write_bytes(b"old!" * 512)
        machine.run(partial(overwrite, file), after=partial(machine.disk.power_cut, machine.random))
        left = file.read_bytes()
        found.add(tuple(left[at : at + 512] for at in range(0, 2048, 512)))
    assert {sector for left in found for sector in left} == {b"old!" * 128, b"new!" * 128}
    assert len(found) > 5


def test_lock_of_a_dead_process_is_free_though_its_file_is_never_closed(folder: Path) -> None:
    machine = Machine(folder)
    kept: list[Any] = []
    taken: list[object] = []

    def hold() -> None:
        kept.append((folder / "lock").open("ab"))
        fcntl.flock(kept[0], fcntl.LOCK_EX)
        kept.append(sqlite3.connect(folder / "history.db", isolation_level=None))
        kept[1].execute("BEGIN EXCLUSIVE")
        machine.scheduler.sleep(60)

    def want() -> None:
        machine.scheduler.sleep(1)
        with (folder / "lock").open("ab") as file:
            with pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                sqlite3.connect(folder / "history.db", timeout=1).execute("BEGIN EXCLUSIVE")
            machine.scheduler.kill(machine.scheduler.processes[0])
            fcntl.flock(file, fcntl.LOCK_EX)
            taken.append(sqlite3.connect(folder / "history.db").execute("BEGIN EXCLUSIVE"))

    machine.run(hold, want)
    assert taken and 2 <= machine.scheduler.now < 3


@pytest.mark.usefixtures("journal")
def test_writers_at_the_same_time_go_the_same_way_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.times.utc_now", lambda: datetime(2021, 11, 28, tzinfo=UTC))
    logs = []
    for night in ("one", "other"):
        (folder / night).mkdir()
        machine = Machine(folder / night, 3)
        database = folder / night / "history.db"
        machine.run(*(partial(record, database, number) for number in (2, 3, 4)))
        assert len(rows(database)["shots"]) >= 2  # type: ignore[arg-type]
        logs.append(machine.log)
    assert logs[0] == logs[1] and len({line.split()[0] for line in logs[0]}) == 3


def refused(machine: Machine, database: Path, shots: int) -> str:
    """Record, which fails; return what the user reads of it."""
    said = []

    def job() -> None:
        try:
            record(database, shots)
        except DatabaseError as error:
            said.append(str(error))

    machine.run(job)
    return "".join(said)


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("fault", "words"), [("is_full", "make room|disk and its space"), ("is_read_only", "readonly|unable to open")]
)
def test_disk_that_cannot_be_written_keeps_what_was_stored(folder: Path, fault: str, words: str) -> None:
    database = folder / "history.db"
    record(database, 2)
    before = rows(database)
    machine = Machine(folder)
    setattr(machine.disk, fault, True)
    assert re.search(words, refused(machine, database, 5))
    assert rows(database) == before and sum(machine.counts.values()) > 0
    machine = Machine(folder)
    machine.run(partial(record, database, 5))
    assert len(rows(database)["shots"]) == 5  # type: ignore[arg-type]


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("operation", ["read", "write", "sync"])
def test_operation_that_fails_leaves_the_transaction_whole_or_absent(folder: Path, operation: str) -> None:
    record(folder / "before" / "history.db", 2)
    before, number, said = rows(folder / "before" / "history.db"), 0, "disk I/O error"
    while said:
        root = folder / str(number)
        shutil.copytree(folder / "before", root)
        machine = Machine(root, number)
        machine.disk.fail(operation, skipping=number)
        said = refused(machine, root / "history.db", 5)
        left = rows(root / "history.db")
        is_whole = len(left["shots"]) == 5  # type: ignore[arg-type]
        assert is_whole or (said and left == before)
        number += 1 + 60 // TRIED
    assert number > 2


def test_files_of_python_fail_as_on_linux(folder: Path) -> None:
    machine = Machine(folder)
    found: list[int | None] = []

    def attempt(use: Callable[[], object]) -> None:
        with pytest.raises(OSError) as error:
            use()
        found.append(error.value.errno)

    def job() -> None:
        (folder / "file").write_bytes(b"1234")
        machine.disk.is_full = True
        (folder / "file").open("r+b").write(b"5678")  # needs no room
        attempt(lambda: (folder / "file").open("ab").write(b"9"))
        attempt((folder / "folder").mkdir)
        machine.disk.is_full, machine.disk.is_read_only = False, True
        attempt(lambda: (folder / "file").open("r+b"))
        attempt((folder / "file").unlink)
        attempt(lambda: (folder / "file").rename(folder / "other"))
        machine.disk.end_faults()
        machine.disk.fail("read")
        attempt((folder / "file").read_bytes)
        assert (folder / "file").read_bytes() == b"5678"

    machine.run(job)
    assert found == [errno.ENOSPC, errno.ENOSPC, errno.EROFS, errno.EROFS, errno.EROFS, errno.EIO]


def test_slow_disk_takes_virtual_time(folder: Path) -> None:
    machine = Machine(folder)
    machine.disk.slow_s = 0.5
    machine.run(partial((folder / "file").write_bytes, b""))
    assert 0.5 <= machine.scheduler.now < 2


def update_all(database: Path, mode: str, acknowledged: list[int]) -> None:
    """Write far more than the cache holds, so that SQLite writes to the database before the commit."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("PRAGMA cache_size = 5")
        connection.execute("PRAGMA wal_autocheckpoint = 20")
        for value in (1, 2):
            connection.execute("UPDATE pages SET value = ?, filled = zeroblob(600 + ?)", (value, value))
            acknowledged.append(value)


@pytest.mark.parametrize("mode", JOURNALS)  # DELETE, which we never write with, may lose the last transaction
@pytest.mark.parametrize("end", [Machine.kill, Machine.cut_power])
def test_transaction_larger_than_the_cache_is_whole_or_absent(
    folder: Path, mode: str, end: Callable[[Machine, Process], None]
) -> None:
    (folder / "before").mkdir()
    with closing(sqlite3.connect(folder / "before" / "all.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE pages AS SELECT 0 AS value, zeroblob(700) AS filled FROM pragma_function_list")
    found = Counter[int]()
    for steps in Random(TRIED).sample(range(20, 400), min(TRIED, 300)):
        root = folder / str(steps)
        shutil.copytree(folder / "before", root)
        machine, acknowledged = Machine(root, steps), [0]
        machine.scheduler.arm("job", steps, partial(end, machine))
        machine.run(partial(update_all, root / "all.db", mode, acknowledged))
        with closing(sqlite3.connect(root / "all.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            ((value,),) = connection.execute("SELECT DISTINCT value FROM pages").fetchall()
        assert value >= acknowledged[-1]
        found[value] += 1
    assert found[0] < sum(found.values())
