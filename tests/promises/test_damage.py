"""A damaged database is reported wherever the damage shows, never copied over a good one, and never made worse."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from db.backup import backup
from db.connection import DatabaseError
from db.history import History
from livegame.client import GameClient
from livegame.feed import Feed
from livegame.recordings.files import find_recordings, read_recording
from tests.conftest import Service
from tests.games import GAME_ID
from tests.helpers import record
from tests.xgserve.helpers import running
from xgserve.client import ServingClient

# XG_TEST_DAMAGES=3000 pytest tests/promises/test_damage.py -s --timeout=3000
DAMAGES = int(os.environ.get("XG_TEST_DAMAGES", "25"))


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return the content with some bytes overwritten somewhere, at random or with zeros."""
    length = chance.choice([1, 8, 100, 4096])
    start = chance.randrange(len(content) - length)
    put = chance.randbytes(length) if chance.random() < 0.7 else bytes(length)
    return content[:start] + put + content[start + length :]


def test_history_with_overwritten_bytes_is_reported_as_damaged(tmp_path: Path, service: Service) -> None:
    """Damage that SQLite cannot see, since it keeps no checksums, does not stop a ping; all other is a DatabaseError.

    In one case of several hundred, the damage turns the stored SQL of a table or view into other SQL that is valid.
    That may end in an error of Python, which must stay as rare.
    """
    game, chance = read_recording(find_recordings(tmp_path)[GAME_ID]), random.Random(6)
    database = tmp_path / "history.db"
    client = GameClient(Feed("http://127.0.0.1:9"), ServingClient(service.url), History(database), tmp_path)
    record(client, replace(game, plays=game.plays[:200]))
    good = database.read_bytes()
    outcomes: Counter[str] = Counter()
    for _ in range(DAMAGES):
        database.write_bytes(damaged(good, chance))
        for work in (
            lambda: client.report(GAME_ID),
            lambda: record(client, game),
            lambda: backup(database, tmp_path / "copy.db"),
        ):
            try:
                work()
            except DatabaseError as error:
                assert "history.db" in str(error)
                outcomes["explained" if "damaged" in str(error) else "other"] += 1
            except (LookupError, TypeError, ValueError):
                outcomes["unexplained"] += 1
            else:
                outcomes["passed"] += 1
        (tmp_path / "copy.db").unlink(missing_ok=True)
    print(f"{DAMAGES} damages, three uses each: {dict(outcomes)}")  # noqa: T201
    assert outcomes["unexplained"] <= DAMAGES // 100
    assert outcomes["other"] <= DAMAGES // 10
    assert outcomes["explained"] > DAMAGES


def test_service_with_a_damaged_database_predicts_and_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xgserve.log.handler.CLOSE_WITHIN_S", 0.1)  # for rows that cannot be written
    (tmp_path / "serving.db").write_bytes(b"no database " * 1000)
    with running(tmp_path) as service:
        row = service.get("/model").json()["golden_row"]["values"]
        assert service.post("/predict", [row]).status_code == 200
        ready, logs = service.get("/ready"), service.get("/logs")
        swap = service.post("/download_registry_model", {"workspace": "bundled", "model": "xg-distance"})
    for answer, said in (
        (ready, ready.json()["checks"]["database"]["problem"]),
        (logs, logs.json()["error"]["message"]),
        (swap, swap.json()["error"]["message"]),
    ):
        assert answer.status_code == 503
        assert "serving.db" in said
        assert "damaged" in said
    assert (tmp_path / "serving.db").read_bytes() == b"no database " * 1000
    shown = capfd.readouterr().err
    assert "damaged" in shown
    assert "Traceback" not in shown
