"""Every setting with a value that makes no sense, in every command: the message names it, without a traceback."""

import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from bench.servers import free_port
from db.environment import Environment, SettingsError
from livegame.settings import ClientSettings
from scripts.command import OUR_ERRORS, exit_code
from tests.helpers import environment
from xgserve.settings import ServiceSettings

NAMES = [(kind, field.metadata["variable"]) for kind in (ClientSettings, ServiceSettings) for field in fields(kind)]
ABSURD = {
    "long": "a" * 70_000,
    "long address": "http://" + "a" * 70_000,
    "long part": "http://" + "a" * 64 + ".example",
    "no host": "http://",
    "no port": "http://a:b",
    "port": "http://a:99999",
    "bracket": "http://[",
    "empty part": "http://a..b",
    "spaces": "http://a b",
    "question": "http://a/?b",
    "no text": "\udcff\udc80",
    "controls": "\x01\x1b[31m\n",
    "minus": "-1",
    "huge": "1e400",
    "nan": "nan",
    "fraction": "8000.5",
    "folder": "/proc/none/../../dev/null/x",
    "not ascii": "\u0661\u0662",
}


@pytest.mark.parametrize("value", ABSURD.values(), ids=ABSURD)
@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_setting_is_accepted_or_refused_by_name(kind: type[Environment], name: str, value: str) -> None:
    try:
        kind.from_env({name: value})
    except SettingsError as error:
        assert name in str(error)
        assert len(str(error)) < 600


@pytest.mark.parametrize(
    "value", [value for how, value in ABSURD.items() if how not in ("minus", "huge", "nan", "fraction")]
)
@pytest.mark.parametrize("name", ["XG_FEED_URL", "XG_SERVING_URL"])
def test_invalid_address_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        ClientSettings.from_env({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XG_FEED_URL", "https://api-web.nhle.com"),
        ("XG_FEED_URL", "http://b\u00fccher.example:8080/feed/"),
        ("XG_FEED_URL", "http://[::1]:8891"),
        ("XG_SERVING_URL", "http://serving:8890"),
    ],
)
def test_valid_address_is_accepted(name: str, value: str) -> None:
    settings = ClientSettings.from_env({name: value})
    assert value.rstrip("/") in (settings.feed_url, settings.serving_url)


COMMANDS = {
    "ping_game": ["2021020329"],
    "backfill": ["nothing"],
    "backup": ["copies"],
    "explore": [],
    "export": ["models", "--to", "models.csv"],
    "replay": [],
    "demo": [],
    "dashboard": [],
    "check_features": [],
    "train_model": ["--season", "20212022"],
    "evaluate_model": ["--test", "20212022", "--train", "20202021"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_command_refuses_an_unusable_setting_in_words(tmp_path: Path, name: str) -> None:
    ran = start(tmp_path, [f"scripts.{name}", *COMMANDS[name]], {"XG_DATA_DIR": ABSURD["long"]})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "XG_DATA_DIR" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr) < 2_000


@pytest.mark.parametrize("name", COMMANDS)
def test_command_refuses_an_unusable_address(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for setting, value in environment(tmp_path).items():
        monkeypatch.setenv(setting, value)
    monkeypatch.setenv("XG_FEED_URL", ABSURD["long address"])
    monkeypatch.setattr("sys.argv", [name, *COMMANDS[name]])
    monkeypatch.delattr("os.execv")  # the dashboard's would replace this process
    command = import_module(f"scripts.{name}")
    try:
        code = command.main()
    except SystemExit as ended:
        code = ended.code
    except OUR_ERRORS as error:
        code = exit_code(error)
        print(error, file=sys.stderr)  # noqa: T201
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert "XG_FEED_URL" in said.err
    assert len(said.err) < 2_000


@pytest.mark.parametrize("name", ["ping_game", "backup", "demo"])
def test_impossible_data_folder_is_named(tmp_path: Path, name: str) -> None:
    ran = start(tmp_path, [f"scripts.{name}", *COMMANDS[name]], {"XG_DATA_DIR": "/dev/null/x"})
    assert ran.returncode in (3, 5)
    assert "/dev/null/x" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("name", ["XG_SERVING_PORT", "XG_MAX_BODY_MB", "XG_DATA_DIR", "XG_SERVING_HOST", "XG_MODEL"])
def test_service_refuses_an_unusable_setting_in_words(tmp_path: Path, name: str) -> None:
    ran = start(tmp_path, ["xgserve"], {"XG_SERVING_PORT": str(free_port())} | {name: ABSURD["long"]})
    assert ran.returncode in (1, 2)
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr) > 10


def start(tmp_path: Path, command: list[str], settings: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9") | settings,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
