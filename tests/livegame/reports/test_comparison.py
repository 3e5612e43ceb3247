"""Two models on one game."""

from pathlib import Path

import pytest

from db.history import History
from livegame.client import GameClient
from livegame.feed import Feed
from livegame.reports.comparison import compare
from tests.conftest import Service
from tests.games import game
from tests.helpers import record, reported
from tests.reports import SHOTS


def test_compared_shots_are_paired_by_event_id_largest_disagreement_first(tmp_path: Path, service: Service) -> None:
    client = GameClient(Feed("http://127.0.0.1:9"), service.client, History(tmp_path / "history.db"), tmp_path)
    record(client, game(*SHOTS[:3]))
    service.client.download_registry_model("bundled", "xg-distance")
    later = reported(client, record(client, game(*SHOTS[1:])))
    first = client.report(later.game_id, later.models[0])
    assert first is not None
    assert first.model != later.model
    shots = compare(first, later)
    assert sorted(shots["event_id"]) == [11, 812]  # the others are pending for the first model
    assert shots["difference"].abs().is_monotonic_decreasing
    one, other = (report.shots.set_index("event_id")["probability"] for report in (first, later))
    for row in shots.to_dict("records"):
        assert (row["one"], row["other"]) == (one[row["event_id"]], other[row["event_id"]])
        assert row["difference"] == pytest.approx(row["one"] - row["other"])
