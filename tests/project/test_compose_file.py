"""What the container files promise, read without an engine: least rights, loopback, no secrets built in."""

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
def test_every_container_has_the_least_rights(name: str) -> None:
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
        assert volume == "data:/data" or volume.endswith(":/recordings:ro")


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_takes_the_whole_machine(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["mem_limit"] in ("512m", "1g", "2g")
    assert service["pids_limit"] == 512
    options = service["logging"]["options"]
    assert (service["logging"]["driver"], options["max-size"], options["max-file"]) == ("json-file", "10m", "3")


def test_the_dashboard_waits_for_nobody() -> None:
    assert COMPOSE["services"]["dashboard"]["depends_on"] == ["serving"]


def test_every_image_has_the_uid_that_the_documents_name() -> None:
    for path in DOCKERFILES:
        assert "useradd --uid 10001 " in path.read_text()
    for name in ("docs/docker.md", "docs/security.md"):
        assert "10001" in (ROOT / name).read_text(encoding="utf-8")


def test_every_port_is_published_on_loopback_unless_the_operator_says_otherwise() -> None:
    published = {name: service.get("ports", []) for name, service in COMPOSE["services"].items()}
    assert published["replay"] == []
    for port in (*published["serving"], *published["dashboard"]):
        # what the file says where no variable is set
        assert re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port).startswith("127.0.0.1:")
    assert not re.search(r"\$\{\w*HOST", published["serving"][0])  # nobody opens this one by a variable


def test_only_the_service_gets_the_registrys_key() -> None:
    holders = [name for name in SERVICES if "COMET_API_KEY" in COMPOSE["services"][name].get("environment", {})]
    assert holders == ["serving"]


def test_no_secret_has_a_value_in_the_file() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("KEY|TOKEN|SECRET|PASSWORD", name):
                assert value == f"${{{name}:-}}"


def test_every_setting_reaches_its_container() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    settings = {name for cell in cells for name in re.findall(r"(?:XG|COMET)_[A-Z_]+", cell)}
    inside = {"XG_DATA_DIR", "XG_SERVING_URL", "XG_SERVING_HOST", "XG_REPLAY_PORT"}  # what the containers agree on
    handed_over = set(re.findall(r"\$\{(\w+):-", (ROOT / "docker-compose.yml").read_text()))
    assert handed_over == (settings - inside) | {"XG_UI_HOST"}


def test_the_service_alone_gets_the_settings_that_it_gets_from_the_compose_file() -> None:
    handed_over = re.findall(r"--env (\w+)", (ROOT / "run.sh").read_text())
    assert sorted(handed_over) == sorted(COMPOSE["services"]["serving"]["environment"])


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.suffix[1:])
def test_an_image_runs_without_rights_and_holds_only_what_is_named(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    words = [line.split() for line in lines]
    assert [line for line in lines if line.startswith("USER")] == ["USER xg"]
    assert lines.index("USER xg") < next(number for number, line in enumerate(lines) if line.startswith("CMD"))
    assert not any(re.search("KEY|TOKEN|SECRET|PASSWORD", line) for line in lines)
    assert not any(word[0] in ("ARG", "ADD") for word in words)
    assert not any(word[0] == "COPY" and "." in word[1:-1] for word in words)
