"""How the service imports its libraries; to be imported before they are."""

import os
import sys

# One thread a prediction is fastest for the few rows of a live game, and requests already run side by side.
# The libraries read this when they are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# scikit-learn imports pandas wherever it is installed, and most models never need it: without it the start is shorter
# by a sixth and the process smaller by 30 MB. A model that does need it imports it when it is loaded.
if "pandas" not in sys.modules:
    sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        import sklearn.utils.fixes  # noqa: F401 - where scikit-learn looks for it
    finally:
        del sys.modules["pandas"]
