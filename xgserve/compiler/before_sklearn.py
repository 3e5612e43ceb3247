"""Settings of the libraries that must be made before NumPy and scikit-learn are imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

# One thread per prediction is fastest for the few rows of a live game, and requests already run in parallel.
# The libraries read this when they are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


class _NoPandas(MetaPathFinder):
    """Reports that pandas is not installed."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not to be imported here", name=fullname)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Hide pandas from scikit-learn, unless it is imported already.

    scikit-learn imports pandas optionally, and most models never need it. Hiding it saves a sixth of the start-up time
    and 30 MB. Import pandas outside this block, never concurrently.
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with without_pandas():
    import sklearn.utils.fixes  # noqa: F401 - the module that looks for pandas
