"""In a worker: open the artifact, and answer batches of rows until the service closes the pipe."""

from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np

from xgserve.errors import InvalidFrame, ModelError
from xgserve.model.model import Probabilities
from xgserve.sandbox.wire import Answer, Array, Failed, Ready, Scores, pack, read_columns, send

Score = Callable[[Sequence[Array]], Probabilities]


def answer_batches(open_artifact: Callable[[], Score], received: BinaryIO, answer_to: int) -> None:
    """Answer whether the artifact could be opened, and then each batch that is received with P(goal) of its rows."""
    try:
        score = open_artifact()
    except (InvalidFrame, ModelError, MemoryError) as error:
        send(answer_to, pack(_failed(error)))
        return
    send(answer_to, pack(Ready()))
    while (columns := read_columns(received)) is not None:
        send(answer_to, pack(_answer(score, columns)))


def _answer(score: Score, columns: Sequence[Array]) -> Answer:
    try:
        return Scores(np.asarray(score(columns), dtype=np.float64).tobytes())
    except (InvalidFrame, ModelError, MemoryError) as error:
        return _failed(error)


def _failed(error: Exception) -> Failed:
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return Failed("memory", str(error))
    return Failed("rows" if isinstance(error, InvalidFrame) else "model", str(error))
