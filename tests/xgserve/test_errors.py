"""The errors that callers can get, and the tree of them in the module's docstring."""

import re

from xgserve import errors
from xgserve.errors import BY_CODE, ERRORS, RegistryError, ServiceError


def test_tree_in_the_docstring_names_every_error_with_its_parent_status_and_code() -> None:
    drawn: dict[str, tuple[str, str, str]] = {}
    above: list[str] = ["Exception"]
    for indent, name, status, code in re.findall(r"^( *)(\w+) +(\d{3})  (\w+)", errors.__doc__ or "", re.M):
        del above[len(indent) // 2 + 1 :]
        drawn[name] = (above[-1], status, code)
        above.append(name)
    assert drawn == {kind.__name__: (kind.__mro__[1].__name__, str(kind.status), kind.code) for kind in ERRORS}


def test_every_code_belongs_to_one_error() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)
    assert set(BY_CODE.values()) == {error for error in ERRORS if issubclass(error, RegistryError)}


def test_details_and_headers_of_an_error_are_kept() -> None:
    error = ServiceError("no", headers={"Allow": "GET"}, rows=[1])
    assert (str(error), error.headers, error.details) == ("no", {"Allow": "GET"}, {"rows": [1]})


def test_message_of_an_error_is_on_one_line_whatever_name_it_holds() -> None:
    assert str(ServiceError("x\ny\x1b[31m é: 'no'\u2028")) == "x\\ny\\x1b[31m é: 'no'\\u2028"
