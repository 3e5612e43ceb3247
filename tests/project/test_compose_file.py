"""The promises of the container files, checked without an engine: least rights, loopback, no secrets built in."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = sorted(COMPOSE["services"])
DOCKERFILES = sorted(ROOT.glob("Dockerfile.*"))


@pytest.mark.parametrize("name", SERVICES)
def test_container_has_the_least_rights(name: str) -> None:
    service = COMPOSE["services"][name]
    assert (service["read_only"], service["init"]) == (True, True)
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert not service.keys() & {
        "privileged",
        "cap_add",
        "devices",
        "network_mode",
        "pid",
        "ipc",
        "user",
        "userns_mode",
    }
    assert all(re.fullmatch(r"/tmp:size=\d+m", mount) for mount in service["tmpfs"])
    for volume in service["volumes"]:
        assert volume == "data:/data" or volume.endswith((":/recordings:ro", "data:/data:ro"))


def test_explore_can_change_nothing() -> None:
    service = COMPOSE["services"]["explore"]
    assert service["volumes"] == ["data:/data:ro"]
    assert service["environment"].keys() == {"XG_ALLOWED_HOSTS"}  # no token, no address of the service


@pytest.mark.parametrize("name", SERVICES)
def test_container_is_bounded_in_memory_processes_and_logs(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["mem_limit"] in ("512m", "1g", "2g")
    assert service["pids_limit"] == 512
    options = service["logging"]["options"]
    assert (service["logging"]["driver"], options["max-size"], options["max-file"]) == ("json-file", "10m", "3")


def test_dashboard_starts_without_a_healthy_service() -> None:
    assert COMPOSE["services"]["dashboard"]["depends_on"] == ["serving"]


def test_images_have_the_documented_uid() -> None:
    for path in DOCKERFILES:
        assert "useradd --uid 10001 " in path.read_text()
    for name in ("docs/docker.md", "docs/security.md"):
        assert "10001" in (ROOT / name).read_text(encoding="utf-8")


def test_ports_are_published_on_loopback_by_default() -> None:
    published = {name: service.get("ports", []) for name, service in COMPOSE["services"].items()}
    assert published["replay"] == []
    for port in (*published["serving"], *published["dashboard"], *published["explore"]):
        # what the file says where no variable is set
        assert re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port).startswith("127.0.0.1:")
    for name in ("serving", "explore"):
        assert not re.search(r"\$\{\w*HOST", published[name][0])  # no variable opens these


def test_registry_key_reaches_the_service_only() -> None:
    holders = [name for name in SERVICES if "COMET_API_KEY" in COMPOSE["services"][name].get("environment", {})]
    assert holders == ["serving"]


def test_secrets_have_no_value_in_the_file() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("KEY|TOKEN|SECRET|PASSWORD", name):
                assert value == f"${{{name}:-}}"


def test_settings_reach_their_containers() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    settings = {name for cell in cells for name in re.findall(r"(?:XG|COMET)_[A-Z_]+", cell)}
    inside = {"XG_DATA_DIR", "XG_SERVING_URL", "XG_SERVING_HOST", "XG_REPLAY_PORT"}  # what the containers agree on
    handed_over = set(re.findall(r"\$\{(\w+):-", (ROOT / "docker-compose.yml").read_text()))
    assert handed_over == (settings - inside) | {"XG_UI_HOST", "INSTALL_BOOSTERS"}


def test_run_script_passes_the_settings_that_compose_passes() -> None:
    handed_over = re.findall(r"--env (\w+)", (ROOT / "run.sh").read_text())
    assert sorted(handed_over) == sorted(COMPOSE["services"]["serving"]["environment"])


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.suffix[1:])
def test_image_runs_unprivileged_and_copies_named_files_only(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    words = [line.split() for line in lines]
    assert [line for line in lines if line.startswith("USER")] == ["USER xg"]
    assert lines.index("USER xg") < next(number for number, line in enumerate(lines) if line.startswith("CMD"))
    assert not any(re.search("KEY|TOKEN|SECRET|PASSWORD", line) for line in lines)
    assert not any(word[0] == "ADD" for word in words)
    assert {word[1] for word in words if word[0] == "ARG"} <= {"INSTALL_BOOSTERS=", "INSTALL_EXPLORE="}
    assert not any(word[0] == "COPY" and "." in word[1:-1] for word in words)
