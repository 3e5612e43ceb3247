"""Artifacts that must never become active: none runs code in the service, none takes its memory or its time."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.xgserve.helpers import load_model
from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import StandIn
from tests.xgserve.registry.helpers import refusal, settings
from xgserve.errors import ArtifactRefused, ModelError
from xgserve.names import ModelName
from xgserve.registry import compilation
from xgserve.registry.registry import open_registry

Files = dict[str, bytes]

HOSTILE: dict[str, tuple[Callable[[], Files], str]] = {
    "NaN": (hostile.nan, "no probability within [0, 1]"),
    "never ends": (hostile.never_ends, "within 5 s"),
    "takes memory for each row": (hostile.wide_rows, "MB of memory"),
    "hoard": (lambda: hostile.hoard(100), "MB of memory"),
    "crash": (hostile.crashes, "was killed by SIGSEGV"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_compiling_a_hostile_artifact_refuses_it(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "MEMORY_FLOOR_BYTES", 64 << 20)  # so that a small hoard will do
    make, words = HOSTILE[kind]
    ((file, content),) = make().items()
    (tmp_path / file).write_bytes(content)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(ArtifactRefused) as error:
        compilation.compile_artifact(
            tmp_path / file,
            "acme",
            allow_pickle=True,
            scratch=tmp_path / "scratch",
            seconds=5 if kind == "never ends" else 60,
        )
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [(hostile.untrusted_types, "posix.system"), (hostile.far_tree, "a node that does not exist")],
    ids=["untrusted types", "damaged tree"],
)
def test_refused_artifact_is_not_kept(make: Callable[[], Files], words: str, comet: StandIn, tmp_path: Path) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.zipped(make()))
    registry = open_registry(settings(tmp_path, comet))
    error = refusal(registry, "acme", "shots", "1.0.0")
    assert (error.status, error.code) == (422, "artifact_refused")
    assert words in str(error)
    assert not list((tmp_path / "models").rglob("*.skops"))
    assert registry.active is not None
    assert 0 < registry.active.check() < 1


@pytest.mark.parametrize(
    ("make", "words"),
    [(hostile.three_columns, "shape (1, 3)"), (hostile.negative, "no probability within [0, 1]")],
    ids=["three columns", "negative"],
)
def test_hostile_artifact_is_refused_in_any_process(make: Callable[[], Files], words: str, tmp_path: Path) -> None:
    artifact = tmp_path / "model.skops"
    artifact.write_bytes(make()["model.skops"])
    with pytest.raises(ModelError) as error:
        load_model(artifact, ModelName("acme", "shots", "1.0.0"))
    assert words in str(error.value)


PICKLES: dict[str, Callable[[Path], tuple[Files, str, str]]] = {
    "plain": lambda m: ({"model.pkl": hostile.pickle_that_runs_code(m)}, "pickle_not_allowed", "XG_TRUST_PICKLE"),
    "like an estimator": lambda m: (
        {"model.joblib": hostile.pickle_like_an_estimator(m)},
        "pickle_not_allowed",
        "XG_TRUST_PICKLE_WORKSPACES=acme",
    ),
    "as Comet's integration logs it": lambda m: (
        hostile.comet_layout(hostile.pickle_like_an_estimator(m)),
        "pickle_not_allowed",
        "XG_TRUST_PICKLE_WORKSPACES=acme",
    ),
    "renamed": lambda m: ({"model.skops": hostile.pickle_that_runs_code(m)}, "artifact_refused", "not a skops file"),
}


@pytest.mark.parametrize("kind", PICKLES)
def test_pickle_of_a_workspace_that_is_not_trusted_is_refused(kind: str, comet: StandIn, tmp_path: Path) -> None:
    marker = tmp_path / "code-ran"
    files, code, words = PICKLES[kind](marker)
    comet.add("acme", "shots", "1.0.0", hostile.zipped(files))
    registry = open_registry(settings(tmp_path, comet, trust_pickle_workspaces=frozenset({"others"})))
    error = refusal(registry, "acme", "shots", "1.0.0")
    assert (error.status, error.code) == (422, code)
    assert words in str(error)
    assert not marker.exists()


def test_pickle_of_a_trusted_workspace_in_comets_layout_is_loaded(comet: StandIn, tmp_path: Path) -> None:
    marker = tmp_path / "code-ran"
    files = hostile.comet_layout(hostile.pickle_like_an_estimator(marker))
    comet.add("acme", "shots", "1.0.0", hostile.zipped(files | {"notes.md": b"# Ours"}))
    registry = open_registry(settings(tmp_path, comet, trust_pickle_workspaces=frozenset({"acme"})))
    activation = registry.activate("acme", "shots", "1.0.0")
    assert [feature.name for feature in activation.model.columns] == hostile.FEATURES
    assert not marker.exists(), "what runs in the child can write nothing"
    files = hostile.comet_layout(hostile.pickle_like_an_estimator(marker))
    (tmp_path / "model.joblib").write_bytes(files["model-data/comet-sklearn-model.joblib"])
    load_model(tmp_path / "model.joblib", allow_pickle=True)
    assert marker.exists(), "the marker works: it is the setting, and the bounds of the child, that prevented it above"
    # trust that is taken back counts at once, for what is in the cache as well
    registry = open_registry(settings(tmp_path, comet))
    assert registry.active is not None and registry.active.name.workspace == "bundled"
    assert "XG_TRUST_PICKLE_WORKSPACES" in (registry.startup_problem or "")
    assert refusal(registry, "acme", "shots", "1.0.0").code == "pickle_not_allowed"


def test_service_predicts_while_a_hostile_model_is_tried(comet: StandIn, tmp_path: Path) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.never_ends()))
    registry = open_registry(settings(tmp_path, comet, trial_timeout_s=3, trust_pickle_workspaces=frozenset({"acme"})))
    active = registry.active
    assert active is not None
    trying = threading.Thread(target=refusal, args=(registry, "acme", "shots", "1.0.0"))
    trying.start()
    checks = 0
    while trying.is_alive():
        assert registry.active is active
        active.check()
        checks += 1
    assert checks > 10
