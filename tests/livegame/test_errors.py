"""Each error of the game client ends a command with the exit code that the module's docstring documents."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import livegame
from db.connection import DatabaseError
from db.environment import SettingsError
from livegame import errors
from livegame.errors import LiveGameError, UnexpectedError
from scripts.command import exit_code
from xgserve.client import ServiceUnavailable, ServingError


def subclasses(base: type[LiveGameError]) -> Iterator[type[LiveGameError]]:
    for child in base.__subclasses__():
        yield child
        yield from subclasses(child)


def ours() -> dict[str, type[LiveGameError]]:
    return {kind.__name__: kind for kind in subclasses(LiveGameError) if kind.__module__ == errors.__name__}


def test_docstring_tree_names_every_error_with_its_exit_code() -> None:
    documented = re.findall(r"─ (\w+) +(\d)$", errors.__doc__ or "", re.MULTILINE)
    assert documented
    assert dict(documented) == {name: str(kind.exit_code) for name, kind in ours().items()}


def test_docstring_tree_shows_what_each_error_derives_from() -> None:
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.search(r"^    ((?:│   |    )*)(?:[├└]── )?(\w+)(?: +\d)?$", line):
            depth = 0 if "─" not in line else 1 + len(found[1]) // 4
            path = [*path[:depth], found[2]]
            if depth:
                assert path[-2] in [base.__name__ for base in ours()[path[-1]].__bases__]


def test_modules_besides_errors_define_no_errors_of_the_game_client() -> None:
    for module in pkgutil.walk_packages(livegame.__path__, "livegame."):
        importlib.import_module(module.name)
    elsewhere = {k.__name__ for k in subclasses(LiveGameError) if k.__module__.startswith("livegame.")} - set(ours())
    assert elsewhere == set()


def test_base_error_has_no_exit_code_that_a_subclass_could_inherit_unnoticed() -> None:
    assert not hasattr(LiveGameError, "exit_code")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x"), 2),
        (ServingError("x"), 4),
        (ServiceUnavailable("x"), 4),
        (DatabaseError("x"), 5),
        (UnexpectedError(ValueError("x")), 7),
    ],
)
def test_errors_of_every_package_end_a_command_with_the_readmes_code(error: Exception, code: int) -> None:
    assert exit_code(error) == code
