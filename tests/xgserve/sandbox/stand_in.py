"""A worker that behaves as the first value of a chunk says, or sends the bytes that its request names."""

import os
import signal
import time
from typing import Any, BinaryIO

from xgserve.errors import InvalidFrame, ModelError
from xgserve.sandbox.answering import answer_batches
from xgserve.sandbox.child import limit_memory
from xgserve.sandbox.wire import LENGTH, Ready, pack, send

# instead of a probability; any other value is given back
DIES, HANGS, REFUSES_ROWS, IS_UNUSABLE, EATS_MEMORY, ONE_TOO_FEW, RAISES = range(-7, 0)


def score(columns: Any) -> Any:
    values = columns[0]
    match values[0]:
        case float(order) if order == DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        case float(order) if order == HANGS:
            while True:
                time.sleep(60)
        case float(order) if order == REFUSES_ROWS:
            raise InvalidFrame("the model cannot score these rows: not these")
        case float(order) if order == IS_UNUSABLE:
            raise ModelError("predict_proba answers shape (1, 3)")
        case float(order) if order == EATS_MEMORY:
            hoard = []
            while True:
                hoard.append(bytearray(1 << 20))
        case float(order) if order == ONE_TOO_FEW:
            return values[1:]
        case float(order) if order == RAISES:
            raise LookupError("a fault of the library")
    return values


def open_artifact(request: dict[str, Any]) -> Any:
    if "cannot be opened" in request:
        raise ModelError(request["cannot be opened"])
    if "never opens" in request:
        time.sleep(3600)
    if "dies at once" in request:
        os._exit(3)
    limit_memory(256 << 20)
    return score


def serve(request: dict[str, Any], received: BinaryIO, answer_to: int) -> None:
    """Answer as told. With `answers`, hex digits, send just these bytes after each batch; `first` replaces Ready."""
    if "answers" not in request:
        answer_batches(lambda: open_artifact(request), received, answer_to)
        return
    send(answer_to, bytes.fromhex(request.get("first") or pack(Ready()).hex()))
    while head := received.read(LENGTH.size):
        received.read(LENGTH.unpack(head)[0])
        send(answer_to, bytes.fromhex(request["answers"]))
