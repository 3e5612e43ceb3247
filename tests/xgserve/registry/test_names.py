"""Names that people give their models: what is listed can be loaded, kept, rolled back to, and required by its id."""

import json
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import running_service
from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from tests.xgserve.registry.helpers import refusal, settings
from xgserve.client import ModelChanged
from xgserve.contract import ModelEntry, RegistryProblem
from xgserve.names import folder_name, is_name, tag
from xgserve.registry.registry import Registry, open_registry

pytestmark = pytest.mark.usefixtures("compiled_once")

NAMES = [
    "Shot Quality",
    "shots",
    "Shot%20Quality",
    "Größe über alles",
    "模型",
    'xG (2nd try), it\'s "good"',
    "100% & more?",
    "a+b=c#1",
    "~x;y*z",
    "x" * 100,
    "_",
    "é" * 40,
]
UNUSABLE = [
    "a/b",
    "a\\b",
    "a:b",
    "a@b",
    ".hidden",
    "..",
    "",
    " led",
    "trailed ",
    "line\nfeed",
    "zero\u200bwidth",
    "x" * 101,
]


def listed(registry: Registry) -> list[tuple[str, str, str]]:
    entries = [entry for entry in registry.available() if isinstance(entry, ModelEntry)]
    return [(entry.workspace, entry.model, entry.version) for entry in entries if entry.workspace != "bundled"]


def test_listed_models_can_all_be_loaded_and_kept(tmp_path: Path, comet: StandIn) -> None:
    for number, name in enumerate(NAMES[:3]):  # each is downloaded and tried
        comet.add("My team", name, "1.0.0", hostile.zipped(hostile.good(number / 10)))
    registry = open_registry(settings(tmp_path, comet))
    offered = listed(registry)
    assert {model for _, model, _ in offered} == set(NAMES[:3])
    made = {asked: registry.activate(*asked).model.id for asked in offered}
    assert len(set(made.values())) == len({digest.rpartition(":")[2] for digest in made.values()}) == 3

    offline = open_registry(settings(tmp_path))
    assert offline.active is not None and offline.active.id == made[offered[-1]]
    assert offline.rollback().model.id == made[offered[-2]]
    assert sorted(listed(offline)) == sorted(offered)
    for asked in offered:
        activation = offline.activate(*asked)
        assert (activation.source, activation.model.id) == ("cache", made[asked])


def test_model_that_cannot_be_loaded_is_not_listed(tmp_path: Path, comet: StandIn) -> None:
    content = hostile.zipped(hostile.good())
    for name in ("shots", *UNUSABLE):
        comet.add("acme", name, "1.0.0", content)
    registry = open_registry(settings(tmp_path, comet))
    assert listed(registry) == [("acme", "shots", "1.0.0")]
    (problem,) = [entry.problem for entry in registry.available() if isinstance(entry, RegistryProblem)]
    assert repr(f"acme/{UNUSABLE[0]}") in problem and "Rename them on Comet" in problem
    for name in UNUSABLE:
        assert not is_name(name)
        error = refusal(registry, "acme", name, "1.0.0")
        assert (error.status, error.code) == (422, "invalid_name")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_folder_of_its_own(name: str) -> None:
    assert is_name(name)
    assert len(folder_name(name).encode()) <= 255 and "/" not in folder_name(name)
    assert len({folder_name(other) for other in NAMES}) == len(NAMES)
    assert folder_name("xg-default_1.0+rc") == "xg-default_1.0+rc", "what is in the cache already stays where it is"


@pytest.mark.parametrize("name", ["Shot Quality", '模型, "new"', "Größe"])
def test_model_of_any_name_can_be_required_by_its_id(name: str, tmp_path: Path, comet: StandIn) -> None:
    comet.add("My team", name, "1.0.0", hostile.zipped(hostile.good()))
    access = {"COMET_API_KEY": KEY, "COMET_URL_OVERRIDE": comet.url}
    with running_service(tmp_path, settings=access) as service:
        service.client.download_registry_model("My team", name, "1.0.0")
        served = service.client.model().id
        assert served.startswith(f"My team/{name}:1.0.0@sha256:")
        with urllib.request.urlopen(f"{service.url}/model") as answer:
            assert answer.headers["ETag"] == f'"{tag(served)}"'
        columns, rows = ["distance", "angle"], [[10.0, 5.0]]
        (_,), by = service.client.predict_rows(columns, rows, if_match=served)
        assert by.id == served
        with pytest.raises(ModelChanged):
            service.client.predict_rows(columns, rows, if_match=f"{served}0")
        body = json.dumps({"distance": [10.0], "angle": [5.0]}).encode()
        for condition in (f'"{tag(served)}"', f'"other", "{tag(served)}"', "*"):
            headers = {"Content-Type": "application/json", "If-Match": condition}
            with urllib.request.urlopen(urllib.request.Request(f"{service.url}/predict", body, headers)) as answer:
                assert answer.status == 200


def test_pinned_model_may_have_any_name(tmp_path: Path, comet: StandIn) -> None:
    comet.add("My team", "Shot Quality", "1.0.0", hostile.zipped(hostile.good()))
    open_registry(settings(tmp_path, comet)).activate("My team", "Shot Quality", "1.0.0")
    with running_service(tmp_path, settings={"XG_MODEL": "My team/Shot Quality:1.0.0"}) as service:
        assert service.client.model().model == "Shot Quality"
