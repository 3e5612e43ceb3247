"""Following a stage: the policy as functions, and turns of the real follower against a stand-in for Comet.

A turn is taken by a call, and returns how long the service would wait: no test waits for a clock.
"""

import json
import logging
from pathlib import Path
from typing import Any

import psutil
import pytest

from db.environment import SettingsError
from db.serving import LastFollowed
from tests.helpers import wait_until
from tests.xgserve.helpers import process, running
from tests.xgserve.registry import comet_standin, hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from tests.xgserve.registry.helpers import put_in_cache, settings
from xgserve.names import ModelName
from xgserve.registry.follow import Follower, delay_s, follower, is_due
from xgserve.registry.registry import Registry, open_registry
from xgserve.settings import ServiceSettings

pytestmark = pytest.mark.usefixtures("compiled_once")

PRODUCTION = ModelName("acme", "shots", "Production")
INTERVAL_S = 300.0
ARCHIVE = hostile.zipped({})  # of versions that are in the cache already, so that nobody downloads it


@pytest.fixture
def two_versions(tmp_path: Path, comet: StandIn) -> None:
    """Hold two versions in the cache and at the stand-in, the first in Production."""
    for version, stages in (("1.0.0", ["Production"]), ("2.0.0", [])):
        put_in_cache(tmp_path, version, float(version[0]))
        comet.add("acme", "shots", version, ARCHIVE, stages)


class Followed:
    """A registry that follows, without a thread."""

    def __init__(self, data_dir: Path, comet: StandIn, **changes: Any) -> None:
        chosen = settings(data_dir, comet, **{"followed": PRODUCTION, "follow_interval_s": INTERVAL_S} | changes)
        self.swaps: list[str] = []
        self.registry = open_registry(chosen)
        found = follower(chosen, self.registry, self.swaps.append)
        assert found is not None
        self.follower: Follower = found

    def turn(self) -> float:
        return self.follower.turn()

    @property
    def active(self) -> str:
        return active(self.registry)

    @property
    def problem(self) -> str:
        return self.follower.state.problem or ""


def active(registry: Registry) -> str:
    assert registry.active is not None
    return str(registry.active.name)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# -- the policy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0 - 1e-9])
@pytest.mark.parametrize("interval", [1.0, 300.0, 86_400.0])
def test_delay_doubles_up_to_an_hour_and_jitter_takes_a_fifth_at_most(interval: float, chance: float) -> None:
    assert delay_s(interval, 0, None, 0.0) == interval
    assert delay_s(interval, 1, None, 0.0) == min(2 * interval, max(interval, 3600.0))
    for failures in (0, 1, 2, 5, 12, 1000):
        longest = delay_s(interval, failures, None, 0.0)
        assert interval <= longest <= max(interval, 3600.0)
        assert 0.8 * longest <= delay_s(interval, failures, None, chance) <= longest
    assert delay_s(interval, 1000, None, 0.0) == max(interval, 3600.0)


@pytest.mark.parametrize("chance", [0.0, 1.0 - 1e-9])
def test_delay_never_undercuts_a_retry_after(chance: float) -> None:
    assert 7200 <= delay_s(300, 1, 7200, chance) <= 7200 * 1.2
    assert delay_s(300, 1, 5, chance) == delay_s(300, 1, None, chance), "a short one makes nobody ask sooner"
    assert delay_s(300, 1, 1e12, chance) <= 86_400 * 1.2, "an absurd one does not end following"


DUE: dict[str, tuple[bool, str | None, LastFollowed | None, str | None]] = {
    "never followed": (True, None, None, None),
    "never followed, but active by hand": (True, "2.0.0", None, None),
    "moved": (True, "1.0.0", LastFollowed("1.0.0", is_overruled=False), None),
    "moved after a choice by hand": (True, None, LastFollowed("1.0.0", is_overruled=True), None),
    "active": (False, "2.0.0", LastFollowed("2.0.0", is_overruled=False), None),
    "other version by hand": (False, "1.0.0", LastFollowed("2.0.0", is_overruled=True), None),
    "other model by hand": (False, None, LastFollowed("2.0.0", is_overruled=True), None),
    "lost at the start": (True, None, LastFollowed("2.0.0", is_overruled=False), None),
    "refused": (False, "1.0.0", LastFollowed("1.0.0", is_overruled=False), "2.0.0"),
    "another one refused": (True, "1.0.0", LastFollowed("1.0.0", is_overruled=False), "1.5.0"),
}


@pytest.mark.parametrize("case", DUE)
def test_version_is_due_if_the_stage_moved_and_nobody_chose_since(case: str) -> None:
    due, active, last, refused = DUE[case]
    assert is_due("2.0.0", active, last, refused) is due


# -- turns ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_versions")
def test_stage_that_moves_swaps_and_each_turn_sends_one_request(
    tmp_path: Path, comet: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    service = Followed(tmp_path, comet)
    assert service.active == "bundled/xg-distance:1.0.0"
    service.turn()
    assert service.active == "acme/shots:1.0.0"
    comet.asked.clear()
    service.turn()
    assert comet.asked == ["details"], "one request when nothing moves"
    comet.move("acme", "shots", "Production", "2.0.0")
    service.turn()
    assert (service.active, service.swaps) == ("acme/shots:2.0.0", ["ok", "ok"])
    state = service.follower.state
    assert (state.what, state.version, state.problem, state.overruled) == (str(PRODUCTION), "2.0.0", None, False)
    rows = service.registry.activations(10)
    assert [(row.version, row.followed) for row in rows] == [("2.0.0", str(PRODUCTION)), ("1.0.0", str(PRODUCTION))]
    assert all(row.request_id and row.request_id.startswith("follow-") for row in rows)
    assert "acme/shots:2.0.0@sha256" in caplog.text and "following acme/shots:Production" in caplog.text
    assert warnings(caplog) == []


def test_new_version_is_downloaded_and_tried_like_a_requested_one(tmp_path: Path, comet: StandIn) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.good()), ["Production"])
    service = Followed(tmp_path, comet)
    assert 0.8 * INTERVAL_S <= service.turn() <= INTERVAL_S
    assert service.active == "acme/shots:1.0.0"
    assert [row.source for row in service.registry.activations(10)] == ["registry"]


@pytest.mark.parametrize(
    ("stage", "version"),
    [("production", "1.0.0"), ("latest", "4.0.0"), ("Staging", "2.0.0"), ("QA passed", "3.0.0"), ("Latest", "4.0.0")],
)
def test_stage_status_tag_and_latest_are_followed_whatever_their_case(
    tmp_path: Path, comet: StandIn, stage: str, version: str
) -> None:
    comet.add("acme", "shots", "1.0.0", ARCHIVE, ["Production"])  # as an old server answers
    comet.add("acme", "shots", "2.0.0", ARCHIVE, status="Staging", tags=[])
    comet.add("acme", "shots", "3.0.0", ARCHIVE, status="None", tags=["qa passed"])
    comet.add("acme", "shots", "4.0.0", ARCHIVE)
    service = Followed(tmp_path, comet, followed=ModelName("acme", "shots", stage))
    assert service.registry.version_in(ModelName("acme", "shots", stage)) == version


@pytest.mark.usefixtures("two_versions")
def test_stage_that_disappears_keeps_the_model_and_is_logged_once(
    tmp_path: Path, comet: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    service = Followed(tmp_path, comet)
    service.turn()
    comet.move("acme", "shots", "Production", None)
    for _ in range(2):
        assert service.turn() <= INTERVAL_S, "Comet answers, so it is asked as often as before"
    assert service.active == "acme/shots:1.0.0"
    assert "Production" in service.problem and "1.0.0" in service.problem
    (warning,) = warnings(caplog)
    assert "unknown_model" in warning and "acme/shots:1.0.0@sha256" in warning
    comet.move("acme", "shots", "Production", "1.0.0")
    service.turn()
    assert service.problem == "" and caplog.text.count("is found again: it is") == 1
    assert service.swaps == ["ok"]
    comet.move("acme", "shots", "Production", None)
    service.turn()
    assert len(warnings(caplog)) == 2, "once each time that it stops working"


@pytest.mark.usefixtures("two_versions")
def test_hour_of_errors_keeps_the_model_and_asks_ever_less_often(
    tmp_path: Path, comet: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    service = Followed(tmp_path, comet)
    service.turn()
    comet.asked.clear()
    comet.faults["details"] = comet_standin.status(500)
    waits: list[float] = []
    while sum(waits) < 3600:
        waits.append(service.turn())
    assert waits == sorted(waits) and max(waits) <= 3600
    assert comet.asked == ["details"] * len(waits) and len(waits) <= 5
    assert service.active == "acme/shots:1.0.0" and "500" in service.problem
    assert len(warnings(caplog)) == 1
    comet.move("acme", "shots", "Production", "2.0.0")
    comet.faults.clear()
    assert service.turn() <= INTERVAL_S
    assert service.active == "acme/shots:2.0.0" and service.problem == ""
    assert caplog.text.count("is found again: it is") == 1 and len(warnings(caplog)) == 1


@pytest.mark.usefixtures("two_versions")
def test_each_kind_of_failure_is_logged_once_and_a_retry_after_is_respected(
    tmp_path: Path, comet: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    service = Followed(tmp_path, comet)
    for fault, at_least in (
        (comet_standin.status(429, Retry_After="7200"), 7200),
        (comet_standin.status(403), INTERVAL_S),
        (comet_standin.status(503, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"), 86_400),
        (comet_standin.status(403, Retry_After="soon"), INTERVAL_S),
    ):
        comet.faults["details"] = fault
        assert service.turn() >= at_least
    assert len(warnings(caplog)) == 2, "download_failed and registry_key_refused"


def test_wrong_key_is_a_visible_problem_and_is_not_quoted(
    tmp_path: Path, comet: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    key = "wrong-key-5150"
    comet.add("acme", "shots", "1.0.0", ARCHIVE, ["Production"])
    service = Followed(tmp_path, comet, comet_api_key=key)
    assert service.turn() > INTERVAL_S
    assert service.active == "bundled/xg-distance:1.0.0"
    assert "COMET_API_KEY" in service.problem and key not in service.problem + caplog.text


def test_refused_version_is_downloaded_once_and_another_one_is_tried(
    tmp_path: Path, comet: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    put_in_cache(tmp_path, "3.0.0", 0.0)
    comet.add("acme", "shots", "2.0.0", hostile.zipped({"model.skops": b"no model"}), ["Production"])
    comet.add("acme", "shots", "3.0.0", ARCHIVE)
    service = Followed(tmp_path, comet)
    for _ in range(3):
        assert service.turn() <= INTERVAL_S
    assert comet.asked.count("download") == 1 and service.swaps == ["artifact_refused"]
    assert service.active == "bundled/xg-distance:1.0.0"
    (warning,) = warnings(caplog)
    assert "artifact_refused" in warning and "acme/shots:2.0.0 cannot be used" in service.problem
    assert service.follower.state.version == "2.0.0"
    comet.move("acme", "shots", "Production", "3.0.0")
    service.turn()
    assert (service.active, service.problem) == ("acme/shots:3.0.0", "")


@pytest.mark.usefixtures("two_versions")
def test_download_that_fails_is_tried_again(tmp_path: Path, comet: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    service = Followed(tmp_path, comet)
    service.turn()
    comet.add("acme", "shots", "3.0.0", ARCHIVE)
    comet.move("acme", "shots", "Production", "3.0.0")
    comet.faults["download"] = comet_standin.status(500)
    assert service.turn() > INTERVAL_S
    assert service.turn() > 2 * INTERVAL_S
    assert comet.asked.count("download") == 2 and len(warnings(caplog)) == 1
    assert service.active == "acme/shots:1.0.0" and "500" in service.problem


# -- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_versions")
@pytest.mark.parametrize("how", ["request", "rollback"])
def test_choice_by_hand_holds_until_the_stage_moves_and_over_a_restart(
    how: str, tmp_path: Path, comet: StandIn
) -> None:
    service = Followed(tmp_path, comet)
    service.turn()
    comet.move("acme", "shots", "Production", "2.0.0")
    service.turn()
    if how == "request":
        service.registry.activate("bundled", "xg-default", None)
    else:
        service.registry.rollback()
    chosen = service.active
    assert chosen != "acme/shots:2.0.0"
    for current in (service, Followed(tmp_path, comet)):
        current.turn()
        assert current.active == chosen
        assert (current.follower.state.overruled, current.problem) == (True, "")
    put_in_cache(tmp_path, "3.0.0", 3.0)
    comet.add("acme", "shots", "3.0.0", ARCHIVE)
    comet.move("acme", "shots", "Production", "3.0.0")
    current.turn()
    assert current.active == "acme/shots:3.0.0" and not current.follower.state.overruled
    comet.move("acme", "shots", "Production", "2.0.0")
    current.turn()
    assert current.active == "acme/shots:2.0.0", "a version that was rolled back from is taken if Comet returns to it"


@pytest.mark.usefixtures("two_versions")
def test_restart_keeps_the_followed_model_and_another_stage_is_followed_at_once(tmp_path: Path, comet: StandIn) -> None:
    Followed(tmp_path, comet).turn()
    again = Followed(tmp_path, comet)
    assert again.active == "acme/shots:1.0.0", "before Comet is asked"
    again.turn()
    assert again.swaps == []
    other = Followed(tmp_path, comet, followed=ModelName("acme", "shots", "latest"))
    other.turn()
    assert other.active == "acme/shots:2.0.0"
    back = Followed(tmp_path, comet)
    back.turn()
    assert back.active == "acme/shots:1.0.0"


def test_followed_model_that_was_lost_from_the_cache_is_fetched_again(tmp_path: Path, comet: StandIn) -> None:
    put_in_cache(tmp_path, "1.0.0", 0.0)
    comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.good()), ["Production"])
    Followed(tmp_path, comet).turn()
    (tmp_path / "models/acme/shots/1.0.0/model.skops").write_bytes(b"damaged")
    service = Followed(tmp_path, comet)
    assert service.active == "bundled/xg-distance:1.0.0"
    service.turn()
    assert service.active == "acme/shots:1.0.0"


# -- the service ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_versions")
def test_service_follows_in_a_thread_and_shows_how_it_goes(tmp_path: Path, comet: StandIn) -> None:
    access = {"comet_api_key": KEY, "comet_url": comet.url, "default_model": "bundled/xg-distance"}
    with running(tmp_path, followed=PRODUCTION, follow_interval_s=0.05, **access) as service:

        def version() -> Any:
            return service.get("/model").json()["version"], service.get("/ready").json()["following"]["version"]

        wait_until(lambda: version() == ("1.0.0", "1.0.0"))
        comet.move("acme", "shots", "Production", "2.0.0")
        wait_until(lambda: version() == ("2.0.0", "2.0.0"))
        ready = service.get("/ready").json()
        assert ready["ready"] and ready["following"]["what"] == str(PRODUCTION)
        assert ready["following"]["asked_at"] is not None and ready["following"]["problem"] is None
        assert 'xg_following_works{what="acme/shots:Production"} 1.0' in service.get("/metrics").text
        assert 'xg_swaps_total{result="ok",role="champion"} 2.0' in service.get("/metrics").text
        row = service.get("/activations?limit=1").json()["activations"][0]
        assert (row["version"], row["followed"]) == ("2.0.0", str(PRODUCTION))
        logs = service.get(f"/logs?request_id={row['request_id']}").json()["logs"]
        assert any("following acme/shots:Production" in entry["message"] for entry in logs)
        comet.faults["details"] = comet_standin.status(500)
        wait_until(lambda: service.get("/ready").json()["following"]["problem"] is not None)
        assert service.get("/ready").json()["ready"], "the service can predict all the same"
        assert 'xg_following_works{what="acme/shots:Production"} 0.0' in service.get("/metrics").text
    assert KEY not in json.dumps(logs)


def test_service_stops_while_comet_is_being_asked_and_leaves_no_process(tmp_path: Path, comet: StandIn) -> None:
    comet.faults["details"] = comet_standin.hang(comet)
    access = {"COMET_API_KEY": KEY, "COMET_URL_OVERRIDE": comet.url, "XG_FOLLOW": str(PRODUCTION)}
    with process(tmp_path, access) as service:
        wait_until(lambda: comet.asked)
        left = psutil.Process(service.popen.pid).children(recursive=True)
        assert left, "the child that asks"
        assert service.stop() == 0
        wait_until(lambda: not [child for child in left if child.is_running() and child.status() != "zombie"])
    assert "Traceback" not in service.stderr.read_text()


def test_service_that_follows_nothing_asks_nothing(tmp_path: Path, comet: StandIn) -> None:
    with running(tmp_path, comet_api_key=KEY, comet_url=comet.url) as service:
        assert service.get("/ready").json()["following"] is None
        assert "xg_following" not in service.get("/metrics").text
    assert comet.asked == []


REFUSED = {
    "pinned": ({"XG_MODEL": "acme/shots:1.0.0"}, "XG_MODEL"),
    "no key": ({"COMET_API_KEY": ""}, "COMET_API_KEY"),
    "other workspace": ({"XG_WORKSPACES": "mine,yours"}, "XG_WORKSPACES"),
    "no stage": ({"XG_FOLLOW": "acme/shots"}, "workspace/model:stage"),
    "empty stage": ({"XG_FOLLOW": "acme/shots:"}, "workspace/model:stage"),
    "no workspace": ({"XG_FOLLOW": "shots:Production"}, "workspace/model:stage"),
    "too often": ({"XG_FOLLOW_INTERVAL_S": "0"}, "XG_FOLLOW_INTERVAL_S"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_could_never_work_are_refused_in_words(case: str) -> None:
    changes, named = REFUSED[case]
    good = {"XG_FOLLOW": "acme/shots:Production", "COMET_API_KEY": KEY, "XG_WORKSPACES": "acme"}
    assert ServiceSettings.from_env(good).followed == PRODUCTION
    with pytest.raises(SettingsError, match=named) as refused:
        ServiceSettings.from_env(good | changes)
    assert "XG_FOLLOW" in str(refused.value) and KEY not in str(refused.value)
