"""Messages between the service and a worker: a length, then MessagePack of one of the types below. Never pickles.

The service takes nothing on trust: a message is no longer than it must be, and anything that is not exactly one of the
types is refused.
"""

import os
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

LENGTH: Final = struct.Struct("<I")
MAX_WORDS: Final = 2_000  # characters of a message for people
MAX_OTHER_BYTES: Final = 16_384  # of an answer, besides its probabilities

Array = npt.NDArray[Any]
SentColumn = bytes | list[Any]


class Batch(Struct):
    """Rows to score, column by column.

    A column is float64 values as bytes, or a list of one value per row: null, true or false, a number or text. Text
    that is not valid Unicode travels as bytes.
    """

    columns: list[Any]


class Ready(Struct, tag=True):
    """The artifact is open."""


class Scores(Struct, tag=True):
    """P(goal) of each row, float64."""

    probabilities: bytes


class Failed(Struct, tag=True):
    """No probabilities: the model refuses the `rows`, the `model` is unusable, or the `memory` does not suffice."""

    why: Literal["rows", "model", "memory"]
    message: str


Answer = Ready | Scores | Failed

_answers: Final = msgspec.msgpack.Decoder(Answer)
_batches: Final = msgspec.msgpack.Decoder(Batch)


class Unreadable(Exception):
    """The bytes are no answer; the message says so."""


def pack_columns(arrays: Sequence[Array]) -> bytes:
    """Return a batch of columns, float64 or objects, as a message."""
    columns: list[SentColumn] = [_sent(array) for array in arrays]
    try:
        return _framed(Batch(columns))
    except UnicodeEncodeError:  # a lone surrogate from the caller
        return _framed(Batch([column if isinstance(column, bytes) else list(map(_text, column)) for column in columns]))


def pack(answer: Answer) -> bytes:
    """Return an answer as a message."""
    if isinstance(answer, Failed):
        answer.message = answer.message.encode(errors="replace").decode()[:MAX_WORDS]
    return _framed(answer)


def read_columns(received: BinaryIO) -> list[Array] | None:
    """Wait for the next batch and return its columns; None at the end. For the worker, which can trust the service."""
    head = received.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    batch = _batches.decode(received.read(LENGTH.unpack(head)[0]))
    return [_array(column) for column in batch.columns]


def read_answer(body: bytes | bytearray) -> Answer:
    """Return the answer in a message.

    Raises:
        Unreadable: it is none.
    """
    try:
        answer: Answer = _answers.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unreadable("gave an answer that cannot be read") from error
    return answer


def send(to: int, message: bytes) -> None:
    """Write a whole message to a pipe."""
    view = memoryview(message)
    while view:
        view = view[os.write(to, view) :]


def _framed(message: Struct) -> bytes:
    body = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(body)) + body


def _sent(array: Array) -> SentColumn:
    return array.tobytes() if array.dtype == np.float64 else array.tolist()


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def _array(column: SentColumn) -> Array:
    if isinstance(column, bytes):
        return np.frombuffer(column, dtype=np.float64).copy()  # a model may write into it
    array = np.empty(len(column), dtype=object)
    array[:] = [value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value for value in column]
    return array
