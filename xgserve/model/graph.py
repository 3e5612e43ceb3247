"""Scores rows with a compiled model's graph."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import onnxruntime

from xgserve.errors import ModelError
from xgserve.model.model import Probabilities, Values
from xgserve.model.validation import FrameReader, Matrix
from xgserve.text import clipped

# From this many rows on, two processors are clearly faster than one.
MANY_ROWS: Final = 500

_PROCESSORS: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_helpers = ThreadPoolExecutor(_PROCESSORS, thread_name_prefix="evaluator")


class GraphScorer:
    """Scores a matrix of encoded columns with onnxruntime; any number of threads may use it."""

    def __init__(self, reader: FrameReader, graph: bytes) -> None:
        """Load the graph.

        Raises:
            ModelError: onnxruntime cannot run it.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a request is evaluated in its own thread
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no error class of its own in public
            raise ModelError(f"the compiled graph cannot be loaded: {clipped(error)}") from error
        self._reader = reader

    def read(self, values: Values, index: Sequence[Any]) -> Matrix:
        """Return the encoded columns, shape (rows, codecs); see `Scorer`."""
        return self._reader.matrix(values, index)

    def score(self, rows: Matrix) -> Probabilities:
        """Return P(class 1) of each row; see `Scorer`. Many rows are shared between the processors."""
        if len(rows) < MANY_ROWS or _PROCESSORS == 1:
            return self._run(rows)
        mine, *others = np.array_split(rows, _PROCESSORS)
        futures = [_helpers.submit(self._run, other) for other in others]
        return np.concatenate([self._run(mine), *(future.result() for future in futures)])

    def _run(self, rows: Matrix) -> Probabilities:
        try:
            (probabilities,) = self._session.run(None, {"rows": np.ascontiguousarray(rows)})
        except Exception as error:  # onnxruntime has no error class of its own in public
            raise ModelError(f"the compiled graph cannot score these rows: {clipped(error)}") from error
        return probabilities[:, 0]  # type: ignore[no-any-return]
