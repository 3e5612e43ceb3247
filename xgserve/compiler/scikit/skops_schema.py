"""The description of an estimator in a .skops file, copied as far as it is allowed; only the copy is ever built.

A .skops file is a zip file: `schema.json` is a tree of nodes that describe how each object is built, with arrays beside
it. skops builds whatever the tree describes, from types that are trusted. Before that, each node is checked here: its
type, its place, the names and values of its attributes (`allow_list.py`). The copy holds only what was checked: no
keys that only some version of skops reads, no references from one node to another.
"""

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy

from xgserve.compiler.scikit import allow_list
from xgserve.compiler.scikit.internals import VERSION
from xgserve.errors import ModelError
from xgserve.text import clipped

MAX_SCHEMA_BYTES = 64_000_000  # a forest of 500 trees has 8 MB
MAX_LISTED = 5
MAX_TEXT_BYTES = 4_000  # of one text in an array: each row compared with it is padded to its length
MAX_HEADER_BYTES = 10_000  # NumPy's own limit
NUMPY_ARRAY = "numpy.ndarray"

Node = dict[str, Any]

OURS = allow_list.OBJECTS | allow_list.LOSSES | {allow_list.TREE}

_NOTHING: Node = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null"}
_NOT_PLAIN = object()


class NotAllowed(ModelError):
    """The file holds what is not allowed; `unknown_here` says whether the installed libraries do not know it either."""

    def __init__(self, message: str, *, unknown_here: bool = False) -> None:
        super().__init__(message)
        self.unknown_here = unknown_here


def read_schema(archive: ZipFile) -> Node:
    """Return `schema.json` as it is.

    Raises:
        NotAllowed: it is too large, or not a description of an object.
        KeyError: it is missing.
    """
    info = archive.getinfo("schema.json")
    if info.file_size > MAX_SCHEMA_BYTES:
        raise NotAllowed(f"its schema.json is larger than {MAX_SCHEMA_BYTES // 1_000_000} MB")
    schema = json.loads(archive.read(info))
    if not isinstance(schema, dict):
        raise NotAllowed("its schema.json is not an object")
    return schema


class Copy:
    """The copy of a schema: `schema` to build from, the `types` in it, and the `sklearn_version` that it names."""

    def __init__(self, archive: ZipFile, schema: Node) -> None:
        """Check every node.

        Raises:
            NotAllowed: the schema holds what is not on our lists; the message names it.
        """
        self.types: set[str] = set()
        self.sklearn_version: str | None = None
        self._archive = archive
        self._refused: dict[str, bool] = {}
        self._protocol = schema.get("protocol")
        if self._protocol not in (0, 1, 2) or isinstance(self._protocol, bool):
            raise NotAllowed(f"it is of the version {self._protocol!r} of the format, which is unknown here")
        try:
            self.schema = self._node(schema, "")
        except RecursionError as error:
            raise NotAllowed("its objects are nested too deeply") from error
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise NotAllowed(f"its schema.json is damaged ({type(error).__name__}: {clipped(error)})") from error
        if self._refused:
            raise _not_on_the_list(self._refused)
        self.schema["protocol"] = self._protocol

    def _node(self, node: Node, place: str) -> Node:
        """Return the copy of a node; `place` is the `Type.attribute` that holds it, or empty."""
        loader = node["__loader__"]
        copy = _COPIES.get(loader)
        if copy is None:
            return self._refuse(_name(node))
        return copy(self, node, place)

    def _refuse(self, name: str) -> Node:
        """Note a type that is not on the lists; all of them are named at the end."""
        # a type on the lists that is described differently comes from another version
        self._refused[name] = not _is_here(name) or name in OURS
        return dict(_NOTHING)

    def _made(self, node: Node, loader: str, name: str | None = None, **more: Any) -> Node:
        """Return a node of the same type, or of the type `name`."""
        name = name or _name(node)
        self.types.add(name)
        module, _, of = name.rpartition(".")
        return {"__class__": of, "__module__": module, "__loader__": loader, **more}

    # -- plain values -------------------------------------------------------------------------------------------------

    def _json(self, node: Node, place: str) -> Node:  # noqa: ARG002
        value = json.loads(node["content"])
        if not isinstance(value, str | int | float | None):
            raise NotAllowed("it holds JSON that is no single value")
        return {**_NOTHING, "content": node["content"]}

    def _slice(self, node: Node, place: str) -> Node:  # noqa: ARG002
        content = {name: node["content"][name] for name in ("start", "stop", "step")}
        if not all(value is None or type(value) is int for value in content.values()):
            raise NotAllowed("it holds a slice that is not of whole numbers")
        return self._made(node, "SliceNode", "builtins.slice", content=content)

    def _sequence(self, node: Node, place: str) -> Node:
        name = _name(node)
        if name not in ("builtins.list", "builtins.tuple", "builtins.set"):
            return self._refuse(name)
        loader = {"builtins.list": "ListNode", "builtins.tuple": "TupleNode", "builtins.set": "SetNode"}[name]
        return self._made(node, loader, content=[self._node(item, place) for item in node["content"]])

    def _dictionary(self, node: Node, place: str) -> Node:
        if _name(node) not in allow_list.DICTIONARIES:
            return self._refuse(_name(node))
        content = {key: self._node(value, place) for key, value in node["content"].items()}
        keys = [self._type(key, "") for key in node["key_types"]["content"]]
        if len(keys) != len(content):
            raise NotAllowed("it holds a dictionary with other keys than it says")
        return self._made(node, "DictNode", content=content, key_types=_list(keys))

    def _type(self, node: Node, place: str) -> Node:  # noqa: ARG002
        name = _name(node)
        if node["__loader__"] != "TypeNode" or name not in allow_list.TYPES:
            return self._refuse(name)
        return self._made(node, "TypeNode")

    def _dtype(self, node: Node, place: str) -> Node:
        return self._made(node, "DTypeNode", "numpy.dtype", content=self._array(node["content"], place))

    def _masked(self, node: Node, place: str) -> Node:
        content = {part: self._array(node["content"][part], place) for part in ("data", "mask")}
        return self._made(node, "MaskedArrayNode", "numpy.ma.MaskedArray", content=content)

    def _array(self, node: Node, place: str) -> Node:
        name = _name(node)
        if node["__loader__"] != "NdArrayNode" or name not in allow_list.ARRAYS:
            return self._refuse(name)
        if node["type"] == "numpy":
            _check_array(self._archive, node["file"])
            return self._made(node, "NdArrayNode", type="numpy", file=node["file"])
        if node["type"] != "json" or name != NUMPY_ARRAY:
            raise NotAllowed("it holds an array of an unknown kind")
        content = [self._node(item, place) for item in node["content"]]
        return self._made(node, "NdArrayNode", type="json", content=content, shape=self._node(node["shape"], ""))

    # -- what may be called -------------------------------------------------------------------------------------------

    def _function(self, node: Node, place: str) -> Node:
        name = _name(node)
        module = allow_list.MODULES_OF_FUNCTIONS.get(node["__module__"], "")
        if self._protocol == 0:  # functions are described differently there
            return self._refuse(name)
        if place in allow_list.MAY_CALL and node["__class__"] in allow_list.FUNCTIONS.get(module, ()):
            return self._made(node, "FunctionNode", f"{module}.{node['__class__']}")
        if (place, name) in (("BSpline._asarray", allow_list.AS_ARRAY), ("check", allow_list.CHECK)):
            return self._made(node, "FunctionNode")
        return self._refuse(name)

    def _partial(self, node: Node, place: str) -> Node:
        """Copy the partial of `check_array` that histogram boosting makes, and no other."""
        content = node["content"]
        options = self._dictionary(content["kwds"], "")
        plain = not content["args"]["content"] and _plain(self._archive, content["namespace"]) is None
        plain = plain and self._is_of_numbers(content["kwds"]["content"].get("dtype"))
        if place not in allow_list.MAY_CALL or not plain or not options["content"].keys() <= allow_list.CHECK_OPTIONS:
            return self._refuse(_name(node))
        return self._made(
            node,
            "PartialNode",
            "functools.partial",
            content={
                "func": self._function(content["func"], "check"),
                "args": self._sequence(content["args"], ""),
                "kwds": options,
                "namespace": dict(_NOTHING),
            },
        )

    def _is_of_numbers(self, node: Node | None) -> bool:
        """Return whether the node names types of numbers; texts would be padded to the longest row."""
        if node is None or node["__loader__"] == "JsonNode":
            return node is None or _plain(self._archive, node) in (None, "numeric")
        if node["__loader__"] in ("ListNode", "TupleNode"):
            return all(map(self._is_of_numbers, node["content"]))
        return node["__loader__"] == "TypeNode" and _name(node) in allow_list.NUMBERS

    # -- objects ------------------------------------------------------------------------------------------------------

    def _object(self, node: Node, place: str) -> Node:
        name = _name(node)
        if name in allow_list.SEARCHES:
            found = _attributes(node)
            if not place and "best_estimator_" not in found:
                raise NotAllowed("the search was not refitted: fit it with refit=True, or save the estimator itself")
            return self._node(found.get("best_estimator_", found["estimator"]), place)
        if name not in allow_list.OBJECTS:
            return self._refuse(name)
        if node.get("content") is None or _plain(self._archive, node["content"]) is None:
            return self._made(node, "ObjectNode", content=dict(_NOTHING))
        kind = _class(name)
        if kind is None:
            return self._refuse(name)
        content = {key: self._attribute(kind, key, value) for key, value in _attributes(node).items()}
        text = {"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}
        attributes = {
            "__class__": "dict",
            "__module__": "builtins",
            "__loader__": "DictNode",
            "content": content,
            "key_types": _list([text] * len(content)),
        }
        return self._made(node, "ObjectNode", content=attributes)

    def _attribute(self, kind: type, name: str, node: Node) -> Node:
        if hasattr(kind, name):
            raise NotAllowed(
                f"it holds a {kind.__name__} with something else in place of its {clipped(name)}", unknown_here=True
            )
        if name in allow_list.DROPPED:
            return dict(_NOTHING)
        place = f"{kind.__name__}.{name}"
        rule = allow_list.RULES.get(place) or allow_list.RULES.get(name)
        if rule is not None:
            value = _plain(self._archive, node)
            if value is _NOT_PLAIN or not rule.takes(value):
                shown = _name(node) if value is _NOT_PLAIN else repr(value)
                raise NotAllowed(f"the {name} of its {kind.__name__} is {clipped(shown, 100)}, and may be {rule}")
        if name == VERSION:
            self.sklearn_version = self.sklearn_version or str(_plain(self._archive, node))
        return self._node(node, place)

    def _tree(self, node: Node, place: str) -> Node:
        """Copy a tree; check its arguments, by which compiled code allocates memory."""
        arguments = node["__reduce__"]["args"]
        columns, classes, outputs = arguments["content"]
        same = _plain(self._archive, outputs) == 1 and _shape(self._archive, classes) == (1,)
        if not same or type(_plain(self._archive, columns)) is not int:
            raise NotAllowed("the model is damaged: a tree has other outputs than one")
        return self._reduced(node, "TreeNode", {allow_list.TREE}, place)

    def _loss(self, node: Node, place: str) -> Node:
        if node["__reduce__"]["args"]["content"] or node["content"]["content"]:
            return self._refuse(_name(node))
        return self._reduced(node, "LossNode", allow_list.LOSSES, place)

    def _reduced(self, node: Node, loader: str, types: set[str] | frozenset[str], place: str) -> Node:
        if _name(node) not in types:
            return self._refuse(_name(node))
        arguments = self._sequence(node["__reduce__"]["args"], place)
        content = self._node(node["content"], place)
        return self._made(node, loader, content=content, __reduce__={"args": arguments})


_COPIES: Mapping[str, Callable[[Copy, Node, str], Node]] = {
    "JsonNode": Copy._json,
    "SliceNode": Copy._slice,
    "ListNode": Copy._sequence,
    "TupleNode": Copy._sequence,
    "SetNode": Copy._sequence,
    "DictNode": Copy._dictionary,
    "TypeNode": Copy._type,
    "DTypeNode": Copy._dtype,
    "NdArrayNode": Copy._array,
    "MaskedArrayNode": Copy._masked,
    "FunctionNode": Copy._function,
    "PartialNode": Copy._partial,
    "ObjectNode": Copy._object,
    "TreeNode": Copy._tree,
    "LossNode": Copy._loss,
}


def _name(node: Node) -> str:
    return f"{node['__module__']}.{node['__class__']}"


def _list(content: list[Node]) -> Node:
    return {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": content}


def _attributes(node: Node) -> dict[str, Node]:
    """Return the attributes of an object.

    Raises:
        NotAllowed: its state is something else than attributes.
    """
    content = node["content"]
    if content["__loader__"] != "DictNode" or _name(content) != "builtins.dict":
        raise NotAllowed(f"it holds a {_name(node)} with something else than attributes")
    attributes: dict[str, Node] = content["content"]
    return attributes


def _class(name: str) -> Any:
    """Return a type on our list, None if the installed libraries lack it; skops has imported all that they have."""
    module, _, of = name.rpartition(".")
    return getattr(sys.modules.get(module), of, None)


def _is_here(name: str) -> bool:
    return _class(name) is not None


def _plain(archive: ZipFile, node: Node) -> Any:
    """Return the value of a node, if it is a single one, or several in a list, tuple or empty dictionary."""
    match node["__loader__"]:
        case "JsonNode":
            return json.loads(node["content"])
        case "ListNode" | "TupleNode":
            return [_plain(archive, item) for item in node["content"]]
        case "DictNode" if not node["content"]:
            return {}
        case "NdArrayNode" if _name(node) in allow_list.NUMBERS and node["type"] == "numpy":
            return _number(archive, node["file"])
    return _NOT_PLAIN


def _number(archive: ZipFile, file: str) -> Any:
    shape, _ = _header(archive, file)
    if shape != ():
        raise NotAllowed("it holds an array in place of a number")
    with archive.open(file) as opened:
        return npy.read_array(opened, allow_pickle=False).item()


def _shape(archive: ZipFile, node: Node) -> tuple[int, ...]:
    return _header(archive, node["file"])[0]


def _check_array(archive: ZipFile, file: str) -> None:
    """Check an array before memory is allocated for it.

    Raises:
        NotAllowed: it holds something other than numbers or short texts, or claims more of them than the file has.
    """
    shape, dtype = _header(archive, file)
    for part in _parts(dtype):
        if part.kind not in "biufU" or part.subdtype is not None or part.itemsize > MAX_TEXT_BYTES:
            raise NotAllowed(f"it holds an array of {clipped(dtype, 100)}, and not of numbers or short texts")
    size = int(np.prod(shape, dtype=object))
    if size and not 0 < size * dtype.itemsize < archive.getinfo(file).file_size:
        raise NotAllowed("it holds an array that says it is larger than it is")
    if any(part.itemsize == 0 for part in _parts(dtype)):
        # arrays of this type grow to the longest text of the rows, for each row
        raise NotAllowed("it holds an array of texts without a length")


def _header(archive: ZipFile, file: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(file) as opened:
        try:
            version = npy.read_magic(opened)
            length = opened.read(2 if version == (1, 0) else 4)
            return _parsed(version, length, opened.read(min(int.from_bytes(length, "little"), MAX_HEADER_BYTES)))
        except ValueError as error:
            raise NotAllowed(f"it holds a damaged array ({clipped(error)})") from error


@lru_cache(maxsize=256)  # most arrays of a model have one of a few shapes
def _parsed(version: tuple[int, int], length: bytes, header: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(io.BytesIO(length + header))
    return shape, dtype


def _parts(dtype: np.dtype[Any]) -> Iterator[np.dtype[Any]]:
    if dtype.fields is None:
        yield dtype
    else:
        for field, *_ in dtype.fields.values():
            yield from _parts(field)


def _not_on_the_list(refused: Mapping[str, bool]) -> NotAllowed:
    names = sorted(refused)
    shown = ", ".join(f"{clipped(name, 100)}{_advice(name)}" for name in names[:MAX_LISTED])
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return NotAllowed(
        f"it holds what is not on the list of what models may hold: {shown}{more}",
        unknown_here=all(refused.values()),
    )


def _advice(name: str) -> str:
    fitting = [start for start in allow_list.ADVICE if name.startswith(start)]
    return f" ({allow_list.ADVICE[max(fitting, key=len)]})" if fitting else ""
