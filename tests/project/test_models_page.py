"""Every example of docs/models.md, as a reader would run it.

The Python code trains, saves and logs with the real SDK, offline. What the SDK would have sent is put in a stand-in for
Comet, the service downloads it from there, and the commands of the page are sent to the service.
"""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.conftest import Service, running_service
from tests.helpers import ROOT, wait_until, without_settings
from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from xgserve.compiler.scikit import probabilities, steps, translate
from xgserve.names import MODEL_SUFFIXES

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
SECTIONS: dict[str, str] = dict(re.findall(r"^## (.+?)\n(.+?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = [title for title, text in SECTIONS.items() if "log_model(" in text]
DATA = "The data of the examples"
COMMAND = re.compile(r"localhost:8890(/\w+) --json '(.+)'")
ROWS = 1000
# how far the service may be from the library: single-precision libraries differ in the last digits
TOLERANCES = {"scikit-learn": 1e-12, "LightGBM": 1e-12, "XGBoost": 1e-6, "ONNX": 1e-6}

# Runs an example, and writes down what its own model says of the shots.
DRIVER = f"""
import json, runpy
ran = runpy.run_path("example.py")
shots = ran["shots"].head({ROWS})
json.dump(
    {{
        "columns": list(shots.columns),
        "rows": shots.astype(object).where(shots.notna(), None).values.tolist(),  # to_json would round
        "probabilities": ran["model"].predict_proba(shots)[:, 1].tolist(),
    }},
    open("said.json", "w"),
)
"""


@dataclass(frozen=True)
class Logged:
    """What an example logged and registered, and what its model says of its rows."""

    name: str
    workspace: str
    version: str
    status: str
    archive: bytes
    said: dict[str, Any]


def blocks(title: str, language: str) -> list[str]:
    """Return the code blocks of a section."""
    return re.findall(rf"^```{language}\n(.+?)^```", SECTIONS[title], re.MULTILINE | re.DOTALL)


def logged_by(example: str, folder: Path) -> Logged:
    """Run the Python code of an example, and return what it logged."""
    (data,) = blocks(DATA, "python")
    (folder / "shots.py").write_text(data)
    (folder / "example.py").write_text(example)
    (folder / "driver.py").write_text(DRIVER)
    offline = {
        "COMET_START_ONLINE": "false",
        "COMET_OFFLINE_DIRECTORY": str(folder / "offline"),
        "COMET_DISABLE_AUTO_LOGGING": "1",
        "COMET_ERROR_TRACKING_ENABLE": "false",
        "HOME": str(folder),
    }
    ran = subprocess.run(
        [sys.executable, "driver.py"],
        cwd=folder,
        env=without_settings() | offline,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    (archive,) = (folder / "offline").glob("*.zip")
    return read_logged(archive, json.loads((folder / "said.json").read_text()))


def read_logged(archive: Path, said: dict[str, Any]) -> Logged:
    """Return what an offline experiment holds for the server: a model's files, and its registration."""
    files = {}
    with zipfile.ZipFile(archive) as opened:
        for line in opened.read("messages.json").splitlines():
            message = json.loads(line)
            payload = message["payload"]
            if message["type"] == "file_upload" and payload["upload_type"] == "model-element":
                files[payload["additional_params"]["fileName"]] = opened.read(payload["file_path"])
            elif message["type"] == "register_model":
                registered = payload
    return Logged(
        registered["registry_name"],
        registered["workspace"],
        registered["version"],
        registered["status"],
        hostile.zipped(files),
        said,
    )


@pytest.fixture(scope="module")
def comet() -> Iterator[StandIn]:
    """Run a stand-in for Comet for all examples."""
    with StandIn().running() as standin:
        yield standin


@pytest.fixture(scope="module")
def loading_service(comet: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a service that trusts no workspace."""
    access = {"COMET_API_KEY": KEY, "COMET_URL_OVERRIDE": comet.url}
    with running_service(tmp_path_factory.mktemp("service"), settings=access) as service:
        yield service


def sent(service: Service, route: str, body: str) -> None:
    """Send a command of the page to the service, which must accept it."""
    answer = requests.post(f"{service.url}{route}", json=json.loads(body), timeout=300)
    assert answer.ok, answer.text


def test_examples_are_of_every_kind_of_library() -> None:
    assert EXAMPLES == ["scikit-learn", "XGBoost", "LightGBM", "ONNX"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("title", EXAMPLES)
def test_example_is_logged_loaded_and_scores_like_its_library(
    title: str, comet: StandIn, loading_service: Service, tmp_path: Path
) -> None:
    (example,) = blocks(title, "python")
    logged = logged_by(example, tmp_path)
    comet.add(logged.workspace, logged.name, logged.version, logged.archive, status=logged.status, tags=[])
    commands = COMMAND.findall("".join(blocks(title, "sh")))
    assert [route for route, _ in commands] == ["/download_registry_model", "/predict"]
    for command in commands:
        sent(loading_service, *command)
    active = loading_service.client.model()
    assert active.id.startswith(f"{logged.workspace}/{logged.name}:{logged.version}@sha256:")
    assert active.served_by == "graph" and active.agreement is not None and active.agreement < TOLERANCES[title]
    probabilities, _ = loading_service.client.predict_rows(logged.said["columns"], logged.said["rows"])
    assert len(set(probabilities)) > ROWS / 10, "the model tells shots apart"
    assert np.abs(np.subtract(probabilities, logged.said["probabilities"])).max() < TOLERANCES[title]


@pytest.mark.timeout(600)
def test_example_with_a_classifier_that_is_not_compiled_is_served_by_a_worker(
    comet: StandIn, loading_service: Service, tmp_path: Path
) -> None:
    boosting = "HistGradientBoostingClassifier(max_iter=80, random_state=0)"
    (example,) = blocks("scikit-learn", "python")
    assert boosting in example
    bagging = example.replace(boosting, f"BaggingClassifier({boosting.replace('80', '5')}, n_estimators=2)")
    bagging = bagging.replace("ensemble import", "ensemble import BaggingClassifier,").replace(
        "xg-sklearn", "xg-bagging"
    )
    logged = logged_by(bagging, tmp_path)
    comet.add(logged.workspace, logged.name, logged.version, logged.archive)
    active = loading_service.client.download_registry_model(logged.workspace, logged.name, logged.version).model
    assert active.served_by == "worker" and "BaggingClassifier" in str(active.not_compiled)
    probabilities, _ = loading_service.client.predict_rows(logged.said["columns"], logged.said["rows"])
    assert np.abs(np.subtract(probabilities, logged.said["probabilities"])).max() < TOLERANCES["scikit-learn"]


def test_table_of_what_is_compiled_is_what_the_compiler_translates() -> None:
    kinds = {
        kind.__name__
        for module in (probabilities, steps, translate)
        for function in vars(module).values()
        for kind in getattr(function, "registry", ())
    }
    rows = [line for line in SECTIONS["What becomes of it"].splitlines() if line.count("`") > 2 and "` `" in line]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == kinds - {"NoneType", "object", "str"}


@pytest.mark.timeout(600)
def test_example_of_following_makes_the_logged_version_active(comet: StandIn, tmp_path: Path) -> None:
    (command,) = blocks("Following a stage", "sh")
    (what,) = re.findall(r"XG_FOLLOW=(\S+)", command)
    workspace, model, stage = re.fullmatch(r"(.+)/(.+):(.+)", what).groups()  # type: ignore[union-attr]
    assert f'register_model("{model}", version="1.0.0", status="{stage}")' in PAGE
    comet.add(workspace, model, "1.0.0", hostile.zipped(hostile.good()), status=stage, tags=[])
    follow = {"COMET_API_KEY": KEY, "COMET_URL_OVERRIDE": comet.url, "XG_FOLLOW": what}
    with running_service(tmp_path, settings=follow) as service:
        wait_until(lambda: service.client.model().model == model)


@pytest.mark.timeout(600)
def test_example_of_a_challenger_loads_it_beside_the_champion_and_promotes_it(comet: StandIn, tmp_path: Path) -> None:
    load, promote = COMMAND.findall(SECTIONS["A challenger first"])
    asked = json.loads(load[1])
    comet.add(asked["workspace"], asked["model"], "1.0.0", hostile.zipped(hostile.good()))
    with running_service(tmp_path, settings={"COMET_API_KEY": KEY, "COMET_URL_OVERRIDE": comet.url}) as service:
        champion = service.client.model().id
        sent(service, *load)
        active = service.client.model()
        assert active.id == champion and len(active.challengers) == 1
        (challenger,) = active.challengers
        shown = json.loads(promote[1])["id"]
        assert challenger.startswith(shown.removesuffix("..."))
        sent(service, promote[0], promote[1].replace(shown, challenger))
        assert service.client.model().id == challenger


def test_table_lists_every_format() -> None:
    cells = [line.split("|")[1] for line in SECTIONS["Which file to save"].splitlines() if line.startswith("| `")]
    assert {suffix for cell in cells for suffix in re.findall(r"`(\.\w+)`", cell)} == set(MODEL_SUFFIXES)


def test_table_of_the_card_has_every_entry_that_is_read() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "xgserve" / "compiler").rglob("*.py")]
    entries = {entry for source in sources for entry in re.findall(r'\bcard\.get\("(\w+)"\)', source)}
    cells = [line.split("|")[1] for line in SECTIONS["The card"].splitlines() if line.startswith("| `")]
    assert {entry for cell in cells for entry in re.findall(r"`(\w+)`", cell)} == entries
