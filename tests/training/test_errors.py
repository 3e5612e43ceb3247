"""Each error of training ends a command with the exit code that the module's docstring documents."""

import re

from training import errors
from training.errors import TrainingError


def test_docstring_names_every_error_with_its_exit_code() -> None:
    documented = re.findall(r"─ (\w+) +(\d)$", errors.__doc__ or "", re.MULTILINE)
    assert dict(documented) == {kind.__name__: str(kind.exit_code) for kind in TrainingError.__subclasses__()}
    assert not hasattr(TrainingError, "exit_code"), "a new error must set its own"
