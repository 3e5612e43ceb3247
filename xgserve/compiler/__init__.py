"""Turn an artifact into a model: open it, check it, and find its fast path. Heavy: loads scikit-learn."""

from xgserve.compiler import before_sklearn  # noqa: F401 - before anything here imports scikit-learn
