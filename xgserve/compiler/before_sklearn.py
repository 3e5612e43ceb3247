"""How the service imports its libraries; to be imported before they are."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

# One thread a prediction is fastest for the few rows of a live game, and requests already run side by side.
# The libraries read this when they are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


class _NoPandas(MetaPathFinder):
    """Says that pandas is not installed."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not to be imported here", name=fullname)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Let scikit-learn do as if pandas were not installed, unless somebody has imported it already.

    It imports pandas in passing, though most models never need it: without it the start is shorter by a sixth, and the
    process smaller by 30 MB or more. Who needs pandas imports it outside of this, and not in another thread meanwhile.
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with without_pandas():
    import sklearn.utils.fixes  # noqa: F401 - where scikit-learn looks for it when it is imported
