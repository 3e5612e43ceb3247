"""From an artifact to something that predicts: opening, checking, and the fast path. Heavy: loads scikit-learn."""

from xgserve.compiler import before_sklearn  # noqa: F401 - before anything here imports scikit-learn
