"""Challengers: loaded beside the active model, asked by name, dropped, promoted, and back after a restart."""

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import requests
from sklearn.neighbors import KNeighborsClassifier

from db.serving import Challengers, StoredChallenger
from tests.helpers import rows_scored, wait_until
from tests.xgserve.helpers import Running, running
from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from tests.xgserve.registry.helpers import put_in_cache, settings
from xgserve.client import ModelNotLoaded, ServingClient, ServingError
from xgserve.errors import IsChampion, RegistryError, TooManyChallengers
from xgserve.errors import ModelNotLoaded as NotLoaded
from xgserve.model.model import Model
from xgserve.names import ModelName
from xgserve.registry.registry import Registry, open_registry

pytestmark = pytest.mark.usefixtures("compiled_once")

ROWS = {str(name): column.tolist() for name, column in hostile.ROWS.items()}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    for number in range(1, 6):
        put_in_cache(tmp_path, f"{number}.0.0", number - 3.0)
    with running(tmp_path, default_model="bundled/xg-distance") as service:
        yield service


def load(service: Running, version: str, **more: Any) -> requests.Response:
    asked = {"workspace": "acme", "model": "shots", "version": version, "role": "challenger"}
    return service.post("/download_registry_model", asked | more)


def loaded_id(service: Running, version: str) -> str:
    """Load a challenger and return its id."""
    answer = load(service, version)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"]["id"])


def delete(service: Running, path: str) -> requests.Response:
    return requests.delete(f"{service.url}/challengers/{path}", timeout=30)


def error_of(answer: requests.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_challenger_is_loaded_beside_the_champion_and_asked_by_name(service: Running) -> None:
    before = service.get("/model")
    answer = load(service, "1.0.0").json()
    model_id = answer["model"]["id"]
    assert (answer["role"], answer["source"]) == ("challenger", "cache")
    after = service.get("/model")
    assert (after.json()["id"], after.json()["challengers"]) == (before.json()["id"], [model_id])
    assert after.headers["ETag"] != before.headers["ETag"]
    assert service.get("/challengers").json() == {"challengers": [answer["model"]], "missing": [], "max": 3}
    listed = {entry["version"] for entry in service.get("/models").json()["models"] if entry["challenger"]}
    assert listed == {"1.0.0"}
    client = ServingClient(service.url)
    prediction = client.predict(hostile.ROWS, model=model_id)
    expected = service.app.registry.loaded.find(model_id).predict(ROWS, range(4))
    assert prediction.model_id == model_id
    assert prediction.probabilities.tolist() == expected.tolist()
    assert f'xg_rows_scored_total{{model="{model_id}"}} 4.0' in service.get("/metrics").text
    assert f'id="{model_id}"' in service.get("/metrics").text.partition("xg_challenger_info{")[2]


def test_champion_is_asked_by_its_id_and_by_none(service: Running) -> None:
    load(service, "1.0.0")
    client = ServingClient(service.url)
    champion = client.model().id
    frame = hostile.ROWS[["distance"]]
    assert client.predict(frame).model_id == client.predict(frame, model=champion).model_id == champion


def test_model_that_is_not_loaded_is_refused_with_the_loaded_ids(service: Running) -> None:
    model_id = loaded_id(service, "1.0.0")
    other = model_id.replace("1.0.0", "2.0.0")
    with pytest.raises(ModelNotLoaded) as refused:
        ServingClient(service.url).predict(hostile.ROWS, model=other)
    assert refused.value.status == 404
    assert refused.value.details["loaded"] == [service.get("/model").json()["id"], model_id]
    assert service.rows_scored() == 0
    status, code, _ = error_of(service.post("/predict?models=x", ROWS))
    assert (status, code) == (400, "invalid_parameter"), "a slip must not be answered by the champion"


@pytest.mark.parametrize("spelled", [str, lambda name: quote(name, safe=""), lambda name: quote(name, safe="/:@")])
def test_id_is_understood_plain_and_quoted(tmp_path: Path, spelled: Any) -> None:
    put_in_cache(tmp_path, "1.0.0+build.7", 0.0, workspace="Ünser Team 1+1")
    with running(tmp_path, default_model="bundled/xg-distance") as service:
        asked = {"workspace": "Ünser Team 1+1", "model": "shots", "version": "1.0.0+build.7", "role": "challenger"}
        model_id = service.post("/download_registry_model", asked).json()["model"]["id"]
        answer = service.post(f"/predict?model={spelled(model_id)}", ROWS)
        assert answer.json()["model"]["id"] == model_id
        assert delete(service, spelled(model_id)).json()["challengers"] == []


def test_loading_a_challenger_again_answers_the_same_without_a_second_copy(service: Running) -> None:
    first = load(service, "1.0.0").json()
    (model,) = service.app.registry.loaded.challengers
    assert load(service, "1.0.0").json() == first
    assert service.app.registry.loaded.challengers == (model,)
    by_newest = {"workspace": "bundled", "model": "xg-default", "role": "challenger"}
    loaded = service.post("/download_registry_model", by_newest).json()
    assert service.post("/download_registry_model", by_newest).json() == loaded
    assert len(service.app.registry.loaded.challengers) == 2


def test_champion_and_one_challenger_too_many_are_refused(service: Running) -> None:
    ids = [loaded_id(service, f"{number}.0.0") for number in (1, 2, 3)]
    status, code, message = error_of(load(service, "4.0.0"))
    assert (status, code) == (409, "too_many_challengers")
    assert "DELETE /challengers/" in message
    assert all(model_id in message for model_id in ids)
    asked = {"workspace": "bundled", "model": "xg-distance", "role": "challenger"}
    assert error_of(service.post("/download_registry_model", asked))[:2] == (409, "is_champion")
    assert load(service, "2.0.0").status_code == 200, "this one is loaded already"
    delete(service, ids[0])
    assert load(service, "4.0.0").status_code == 200


def test_no_challengers_where_the_setting_is_zero_or_the_service_is_pinned(tmp_path: Path) -> None:
    put_in_cache(tmp_path, "1.0.0", 0.0)
    registry = open_registry(settings(tmp_path, max_challengers=0))
    with pytest.raises(TooManyChallengers, match="XG_MAX_CHALLENGERS is 0"):
        registry.activate("acme", "shots", "1.0.0", "challenger")
    pinned = ModelName("bundled", "xg-distance", "1.0.0")
    with running(tmp_path, pinned_model=pinned) as service:
        for version in ("1.0.0", "2.0.0"):
            assert error_of(load(service, version))[:2] == (409, "model_pinned")
        own = {"workspace": "bundled", "model": "xg-distance", "version": "1.0.0", "role": "challenger"}
        assert error_of(service.post("/download_registry_model", own))[:2] == (409, "model_pinned")
        assert error_of(service.post("/promote", {"id": "x"}))[:2] == (409, "model_pinned")
        assert error_of(delete(service, "x"))[:2] == (409, "model_pinned")


def test_changes_need_the_token_and_the_own_site(tmp_path: Path) -> None:
    put_in_cache(tmp_path, "1.0.0", 0.0)
    with running(tmp_path, admin_token="let-me-in-please") as service:
        client = ServingClient(service.url, token="let-me-in-please")
        model_id = client.download_registry_model("acme", "shots", "1.0.0", role="challenger").model.id
        assert load(service, "1.0.0").status_code == 401
        assert service.post("/promote", {"id": model_id}).status_code == 401
        assert delete(service, model_id).status_code == 401
        elsewhere = {"Origin": "http://elsewhere.example.org"}
        assert (
            requests.delete(f"{service.url}/challengers/{model_id}", headers=elsewhere, timeout=30).status_code == 403
        )
        assert client.model().challengers == [model_id]
        assert client.drop_challenger(model_id).challengers == []


def test_dropped_challenger_is_gone_and_its_memory_is_free(service: Running) -> None:
    model_id = loaded_id(service, "1.0.0")
    loaded_id(service, "2.0.0")
    gone = weakref.ref(service.app.registry.loaded.find(model_id))
    service.post(f"/predict?model={model_id}", ROWS)
    left = delete(service, model_id).json()["challengers"]
    assert [model["version"] for model in left] == ["2.0.0"]
    wait_until(lambda: gc.collect() >= 0 and gone() is None)
    assert error_of(delete(service, model_id))[:2] == (404, "model_not_loaded")
    champion = service.get("/model").json()["id"]
    assert error_of(delete(service, champion))[:2] == (409, "is_champion")


def test_promoted_challenger_is_the_champion_and_rollback_returns_to_the_former(service: Running) -> None:
    client = ServingClient(service.url)
    former = client.model().id
    first, second = (loaded_id(service, version) for version in ("1.0.0", "2.0.0"))
    model = service.app.registry.loaded.find(first)
    promoted = client.promote(first)
    assert (promoted.role, promoted.source, promoted.model.id) == ("champion", "cache", first)
    assert service.app.registry.active is model, "it was not loaded again"
    assert (client.model().id, client.model().challengers) == (first, [second])
    assert client.promote(first).model.id == first, "a repeated request changes nothing"
    assert [row.model for row in client.activations()] == ["shots"]
    assert client.rollback().model.id == former
    assert client.model().challengers == [second]
    with pytest.raises(ModelNotLoaded) as unknown:
        client.promote(first)
    assert unknown.value.details["active"]["id"] == former


def test_former_champion_is_kept_as_a_challenger_if_asked_for(service: Running) -> None:
    client = ServingClient(service.url)
    former = client.model().id
    ids = [loaded_id(service, f"{number}.0.0") for number in (1, 2, 3)]
    client.promote(ids[1], keep=True)
    assert (client.model().id, client.model().challengers) == (ids[1], [ids[0], ids[2], former])
    client.promote(former, keep=True)
    assert (client.model().id, client.model().challengers) == (former, [ids[0], ids[2], ids[1]])
    stored = Challengers(service.app.settings.database).all()
    assert [row.version for row in stored] == ["1.0.0", "3.0.0", "2.0.0"]


@pytest.mark.parametrize("how", ["download", "rollback"])
def test_challenger_that_becomes_champion_another_way_is_no_challenger_any_more(service: Running, how: str) -> None:
    client = ServingClient(service.url)
    if how == "download":
        model_id = loaded_id(service, "1.0.0")
        client.download_registry_model("acme", "shots", "1.0.0")
    else:
        client.download_registry_model("acme", "shots", "1.0.0")
        client.download_registry_model("bundled", "xg-distance")
        model_id = loaded_id(service, "1.0.0")
        client.rollback()
    assert (client.model().id, client.model().challengers) == (model_id, [])
    assert Challengers(service.app.settings.database).all() == []


def challenger_names(registry: Registry) -> list[str]:
    return [str(model.name) for model in registry.loaded.challengers]


def test_challengers_survive_a_restart_in_their_order(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        put_in_cache(tmp_path, version, 0.0)
    registry = open_registry(settings(tmp_path))
    for version in ("2.0.0", "1.0.0", "3.0.0"):
        registry.activate("acme", "shots", version, "challenger")
    registry.promote(registry.loaded.challengers[1].id, keep=False)
    before = challenger_names(registry)
    again = open_registry(settings(tmp_path))
    wait_until(lambda: not again.loaded.missing)
    assert challenger_names(again) == before == ["acme/shots:2.0.0", "acme/shots:3.0.0"]
    assert str(again.active.name) == "acme/shots:1.0.0"  # type: ignore[union-attr]


def test_challenger_that_cannot_be_loaded_at_the_start_stays_on_record_with_its_problem(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        put_in_cache(tmp_path, version, 0.0)
    registry = open_registry(settings(tmp_path))
    for version in ("1.0.0", "2.0.0"):
        registry.activate("acme", "shots", version, "challenger")
    (tmp_path / "models/acme/shots/1.0.0/model.skops").write_bytes(b"damaged")
    with running(tmp_path, default_model="bundled/xg-distance") as service:
        wait_until(lambda: len(service.get("/challengers").json()["challengers"]) == 1)
        (missing,) = service.get("/challengers").json()["missing"]
        assert (missing["version"], "damaged" in missing["problem"]) == ("1.0.0", True)
        assert "could not be loaded" in service.get("/logs?level=ERROR").text
        put_in_cache(tmp_path, "1.0.0", 0.0)
        assert load(service, "1.0.0").status_code == 200, "it is loaded as soon as it is repaired"
        assert service.get("/challengers").json()["missing"] == []
    (tmp_path / "models/acme/shots/2.0.0/model.skops").write_bytes(b"damaged")
    with running(tmp_path, default_model="bundled/xg-distance") as service:
        wait_until(lambda: len(service.get("/challengers").json()["challengers"]) == 1)
        (missing,) = service.get("/challengers").json()["missing"]
        assert delete(service, missing["id"]).json()["missing"] == []
    assert [row.version for row in Challengers(tmp_path / "serving.db").all()] == ["1.0.0"]


def test_recorded_challenger_that_serves_as_the_default_is_explained(tmp_path: Path) -> None:
    record = Challengers(tmp_path / "serving.db")
    record.add(StoredChallenger("bundled", "xg-distance", "1.0.0", "0" * 64))
    record.add(StoredChallenger("bundled", "xg-default", "1.0.0", "0" * 64))
    registry = open_registry(settings(tmp_path))
    wait_until(lambda: registry.loaded.challengers)
    assert challenger_names(registry) == ["bundled/xg-default:1.0.0"]
    (missing,) = registry.challengers().missing
    assert "is the champion already" in missing.problem


def test_cache_never_evicts_a_challenger(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0", "3.0.0", "4.0.0"):
        put_in_cache(tmp_path, version, 0.0)
    registry = open_registry(settings(tmp_path, cache_max_bytes=1))
    registry.activate("acme", "shots", "1.0.0", "challenger")
    registry.activate("acme", "shots", "1.0.0", "challenger")
    put_in_cache(tmp_path, "2.0.0", 0.0)
    registry.activate("acme", "shots", "2.0.0")
    kept = {path.name for path in (tmp_path / "models/acme/shots").iterdir()}
    assert kept == {"1.0.0", "2.0.0"}


def test_change_that_cannot_be_recorded_does_not_happen(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        put_in_cache(tmp_path, version, 0.0)
    service = settings(tmp_path)
    registry = open_registry(service)
    first = registry.activate("acme", "shots", "1.0.0", "challenger").model
    before = registry.loaded
    service.database.unlink()
    service.database.mkdir()
    for change in (
        lambda: registry.activate("acme", "shots", "2.0.0", "challenger"),
        lambda: registry.promote(first.id, keep=True),
        lambda: registry.drop_challenger(first.id),
    ):
        with pytest.raises(RegistryError) as failed:
            change()
        assert failed.value.code == "storage_failed"
    assert registry.loaded == before


def test_challenger_comes_from_the_registry_like_a_champion(tmp_path: Path, comet: StandIn) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.good(0.5)))
    with running(tmp_path, comet_api_key=KEY, comet_url=comet.url, default_model="bundled/xg-distance") as service:
        answer = load(service, None)  # type: ignore[arg-type]
        assert (answer.json()["source"], answer.json()["model"]["version"]) == ("registry", "1.0.0")
        assert load(service, None).json()["model"] == answer.json()["model"]  # type: ignore[arg-type]
        assert load(service, "9.0.0").status_code == 404
        assert service.get("/model").json()["challengers"] == [answer.json()["model"]["id"]]


def test_idempotency_key_counts_per_model_also_after_promotion(service: Running) -> None:
    model_id = loaded_id(service, "1.0.0")
    client = ServingClient(service.url)
    frame = hostile.ROWS
    first = client.predict(frame, model=model_id, idempotency_key="night")
    assert client.predict(frame, model=model_id, idempotency_key="night").probabilities.equals(first.probabilities)
    assert service.rows_scored() == 4
    client.promote(model_id)
    again = client.predict(frame, if_match=model_id, idempotency_key="night")
    assert (again.model_id, again.probabilities.tolist()) == (model_id, first.probabilities.tolist())
    assert service.rows_scored() == 4
    other = loaded_id(service, "2.0.0")
    assert client.predict(frame, model=other, idempotency_key="night").model_id == other
    assert service.rows_scored() == 8


def test_if_match_is_compared_with_the_model_that_is_asked(service: Running) -> None:
    model_id = loaded_id(service, "1.0.0")
    champion = service.get("/model").json()["id"]
    assert service.post(f"/predict?model={model_id}", ROWS, If_Match=f'"{model_id}"').status_code == 200
    answer = service.post(f"/predict?model={model_id}", ROWS, If_Match=f'"{champion}"')
    assert error_of(answer)[:2] == (412, "model_changed")
    assert answer.json()["error"]["active"]["id"] == champion


def test_hanging_challenger_leaves_threads_for_the_champion(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeated requests with the same key wait for the first, and must not take every thread either."""
    model_id = loaded_id(service, "1.0.0")
    champion = service.get("/model").json()["id"]
    release, predict = threading.Event(), Model.predict

    def hang(model: Model, *arguments: Any) -> Any:
        if model.id == model_id:
            release.wait(60)
        return predict(model, *arguments)

    monkeypatch.setattr(Model, "predict", hang)
    client = ServingClient(service.url, timeout=60)
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(client_of_its_own().predict(hostile.ROWS, model=model_id, idempotency_key="a").model_id)
        except ServingError as error:
            answers.append(error.code)

    def client_of_its_own() -> ServingClient:
        return ServingClient(service.url, timeout=60)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: answers.count("challengers_busy") == 6)
        assert client.predict(hostile.ROWS[["distance"]]).model_id == champion
    finally:
        release.set()
        for thread in threads:
            thread.join()
    assert answers.count(model_id) == 2
    assert rows_scored(service.get("/metrics").text) == 4 + 4


def test_challenger_that_a_worker_serves_ends_its_process_when_it_is_dropped(tmp_path: Path, comet: StandIn) -> None:
    neighbours = KNeighborsClassifier(2).fit(hostile.ROWS, [1, 0, 0, 1])
    comet.add("acme", "shots", "1.0.0", hostile.zipped({"model.skops": hostile.skops_bytes(neighbours)}))
    ours = psutil.Process()
    with running(tmp_path, comet_api_key=KEY, comet_url=comet.url, default_model="bundled/xg-distance") as service:
        before = {child.pid for child in ours.children(recursive=True)}
        model_id = loaded_id(service, "1.0.0")
        answer = service.post(f"/predict?model={model_id}", ROWS)
        assert (answer.status_code, len(answer.json()["predictions"])) == (200, 4)
        workers = [child for child in ours.children(recursive=True) if child.pid not in before]
        assert workers
        workers[0].kill()
        assert service.post("/predict", {"distance": [5.0]}).status_code == 200
        assert service.post(f"/predict?model={model_id}", ROWS).status_code == 200, "it is started again"
        delete(service, model_id)
        wait_until(lambda: {child.pid for child in ours.children(recursive=True)} <= before)


def test_changes_from_many_threads_leave_what_is_on_record(tmp_path: Path) -> None:
    for number in range(1, 6):
        put_in_cache(tmp_path, f"{number}.0.0", 0.0)
    registry = open_registry(settings(tmp_path, threads=16))
    refused: list[type[Exception]] = []

    def change(number: int) -> None:
        for turn in range(6):
            try:
                model = registry.activate("acme", "shots", f"{(number + turn) % 5 + 1}.0.0", "challenger").model
                if turn % 3 == 2:
                    registry.promote(model.id, keep=bool(number % 2))
                elif turn % 3 == 1:
                    registry.drop_challenger(model.id)
            except RegistryError as error:
                refused.append(type(error))
            assert len(registry.loaded.challengers) <= 3

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(refused) <= {IsChampion, NotLoaded, TooManyChallengers}
    stored = Challengers(tmp_path / "serving.db").all()
    assert sorted(f"{row.workspace}/{row.model}:{row.version}" for row in stored) == sorted(challenger_names(registry))
    names = challenger_names(registry)
    assert str(registry.active.name) not in names  # type: ignore[union-attr]
    assert len(set(names)) == len(names)
