"""What a .skops file may not do, although skops trusts all of its types: read files, call, allocate, never end."""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import skops.io
from sklearn.utils import all_estimators

from tests.conftest import running_service
from tests.xgserve.compiler.helpers import load_without_graph
from tests.xgserve.compiler.opened_files import files_opened
from tests.xgserve.compiler.scikit import hostile_skops
from tests.xgserve.helpers import load_model
from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from xgserve.compiler.scikit import allow_list
from xgserve.compiler.scikit.integrity import parts_of
from xgserve.errors import InvalidFrame, ModelError
from xgserve.names import ModelName

NAME = ModelName("acme", "shots", "1.0.0")


def refused(artifact: Path) -> str:
    """Load what must not be loaded, and return why."""
    with pytest.raises(ModelError) as error:
        load_model(artifact, NAME)
    return str(error.value)


@pytest.mark.parametrize("kind", hostile_skops.HOSTILE)
def test_hostile_model_is_refused_before_it_is_used(kind: str, tmp_path: Path) -> None:
    make, words = hostile_skops.HOSTILE[kind]
    assert words in refused(hostile_skops.write(tmp_path, make()))


@pytest.mark.parametrize("how", ["filename", "file", "content"])
@pytest.mark.parametrize("kind", hostile_skops.READERS)
def test_file_that_a_row_or_a_card_names_is_never_opened(kind: str, how: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    golden = {"shot_type": str(secret), "distance": 10.0}
    artifact = hostile_skops.write(tmp_path, hostile_skops.reads_files(kind, how), golden_row=golden)
    with files_opened() as opened:
        why = refused(artifact)
    assert str(artifact) in opened, "the audit works"
    assert str(secret) not in opened
    assert kind in why and "it can open the files that a row names" in why
    assert "XG_TRUST_PICKLE_WORKSPACES" in why and "docs/security.md" in why


def test_files_of_these_tests_are_opened_by_skops_itself(tmp_path: Path) -> None:
    """The model above works: with skops' own list, a row's probability tells what is in the file that it names."""
    model = skops.io.loads(hostile_skops.reads_files("CountVectorizer"), trusted=["numpy.dtype"])
    paths = [str(tmp_path / name) for name in ("one", "other")]
    for path, text in zip(paths, ("tttttttt", "wwwwwwww"), strict=True):
        Path(path).write_text(text)
    one, other = model.predict_proba(hostile_skops.frame_of(paths))[:, 1]
    assert one != other


def test_pipe_that_a_row_names_holds_no_thread_of_the_service(tmp_path: Path) -> None:
    """Through the service: the download is refused, and so is every row, within the time of a request."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    card = {"golden_row": {"shot_type": str(pipe), "distance": 10.0}}
    files = {"model.skops": hostile_skops.reads_files("CountVectorizer"), "card.json": json.dumps(card).encode()}
    standin = StandIn()
    standin.add("acme", "shots", "1.0.0", hostile.zipped(files))
    settings = {"COMET_API_KEY": KEY, "COMET_URL_OVERRIDE": standin.url}
    with standin.running(), running_service(tmp_path / "data", settings=settings) as service:
        before = service.client.model().id
        wanted = {"workspace": "acme", "model": "shots", "version": "1.0.0"}
        request = urllib.request.Request(
            f"{service.url}/download_registry_model",
            json.dumps(wanted).encode(),
            {"Content-Type": "application/json"},
        )
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request, timeout=60)
        answer = json.loads(error.value.read())["error"]
        assert (error.value.code, answer["code"]) == (422, "artifact_refused")
        assert "CountVectorizer" in answer["message"]
        assert service.client.model().id == before


def test_two_nodes_of_one_id_are_each_built_as_checked(tmp_path: Path) -> None:
    """skops would use the first node for the second, which was checked in another place."""
    _, path = load_without_graph(hostile_skops.write(tmp_path, hostile_skops.one_id_for_two()))
    scaler = next(part for part in parts_of(path.estimator) if type(part).__name__ == "StandardScaler")
    assert vars(scaler)["note_"] == 5


def test_whole_numbers_of_a_row_never_grow_without_bound(tmp_path: Path) -> None:
    """3 squared 70 times has more digits than there is memory; its golden row is 1, which stays 1."""
    features = [{"name": "shot_type", "kind": "category"}, {"name": "shots", "kind": "category"}]
    golden = {"shot_type": "slap", "shots": 1}
    for times in (1, 70):
        artifact = hostile_skops.write(tmp_path, hostile_skops.squares(times), features=features, golden_row=golden)
        model = load_model(artifact, NAME)
        rows: dict[str, list[Any]] = {"shot_type": ["slap"], "shots": [3]}
        if times == 1:
            expected = skops.io.load(artifact).predict_proba(pd.DataFrame(rows))[0, 1]
            assert model.predict(rows, [0])[0] == pytest.approx(expected, abs=1e-12)
            continue
        with pytest.raises(InvalidFrame, match="infinity"):
            model.predict(rows, [0])
        with pytest.raises(InvalidFrame, match="must be a finite number"):
            model.predict({**rows, "shots": [10**400]}, [0])


def test_fitted_parts_when_loaded_start_no_threads(tmp_path: Path) -> None:
    _, path = load_without_graph(hostile_skops.write(tmp_path, hostile_skops.many_threads()))
    asked = {vars(part).get("n_jobs", 1) for part in parts_of(path.estimator) if hasattr(part, "__dict__")}
    assert asked == {1}


def test_skops_file_of_a_trusted_workspace_is_taken_as_it_is(tmp_path: Path) -> None:
    card = {
        "features": [{"name": name, "kind": kind} for name, kind in (("shot_type", "category"), ("distance", "number"))]
    }
    artifact = hostile_skops.write(tmp_path, hostile_skops.reads_files("CountVectorizer", "content"), **card)
    model = load_model(artifact, NAME, allow_pickle=True)
    assert 0 < model.predict({"shot_type": ["wrist"], "distance": [10.0]}, [0])[0] < 1


def test_refusal_names_all_that_is_wrong_at_once(tmp_path: Path) -> None:
    content = hostile_skops.called(hostile_skops.function("numpy", "load"))

    def edit(schema: dict[str, Any]) -> None:
        for node in hostile_skops.nodes(schema, "LogisticRegression"):
            node["__class__"] = "Unheard"

    why = refused(hostile_skops.write(tmp_path, hostile_skops.edited(content, edit)))
    assert "numpy.load" in why and "Unheard" in why


def test_allow_list_leaves_out_types_that_open_files_or_use_unbounded_resources() -> None:
    """What scikit-learn adds is refused until someone has read what it does with rows."""
    named = {name.rpartition(".")[2] for name in allow_list.OBJECTS}
    refused = {name for name, _ in all_estimators()} - named
    opens = {"CountVectorizer", "HashingVectorizer", "TfidfVectorizer"}
    loops = {"DictionaryLearning", "LatentDirichletAllocation", "MiniBatchNMF", "NMF", "SparseCoder"}
    takes_memory = {"AdditiveChi2Sampler", "FeatureHasher", "PolynomialCountSketch"}
    assert opens | loops | takes_memory <= refused


def test_allow_list_holds_only_types_that_exist() -> None:
    """A name that no installed library has would never be checked."""
    for name in (*allow_list.OBJECTS, allow_list.TREE, *allow_list.LOSSES):
        module, _, of = name.rpartition(".")
        assert hasattr(sys.modules[module], of), name
