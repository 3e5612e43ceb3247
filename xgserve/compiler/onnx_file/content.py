"""Parses an `.onnx` file, checks its structure, and finds the nodes that its probabilities need."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import onnx
from google.protobuf.message import DecodeError

from xgserve.errors import ModelError
from xgserve.text import clipped

MAX_NODES: Final = 5_000
MAX_OPSETS: Final = {"": (7, 26), "ai.onnx.ml": (1, 5)}
IR_VERSIONS: Final = (3, 13)

SAVE_ITSELF: Final = "save the estimator itself instead (.skops of scikit-learn, .json of XGBoost, .txt of LightGBM)"

_HIDES_GRAPHS: Final = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
_OTHER_ATTRIBUTES: Final = (
    *(onnx.AttributeProto.SPARSE_TENSOR, onnx.AttributeProto.SPARSE_TENSORS),
    *(onnx.AttributeProto.TYPE_PROTO, onnx.AttributeProto.TYPE_PROTOS),
    onnx.AttributeProto.UNDEFINED,
)


@dataclass(frozen=True)
class Content:
    """A parsed file whose structure was checked: names are unique, nodes follow what they read, no code is hidden."""

    proto: onnx.ModelProto
    inputs: Mapping[str, onnx.ValueInfoProto]  # without those that are weights
    weights: Mapping[str, onnx.TensorProto]
    producers: Mapping[str, onnx.NodeProto]  # of each tensor
    opsets: Mapping[str, int]

    @property
    def outputs(self) -> list[onnx.ValueInfoProto]:
        """The outputs of the graph."""
        return list(self.proto.graph.output)

    def needed_for(self, tensor: str) -> list[onnx.NodeProto]:
        """Return the nodes that a tensor needs, in the order of the file."""
        return [self.proto.graph.node[place] for place in self._places_for(tensor)]

    def _places_for(self, tensor: str) -> list[int]:
        wanted, places = {tensor}, []
        for place, node in reversed(list(enumerate(self.proto.graph.node))):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                places.append(place)
        return places[::-1]

    def cut_to(self, tensor: str, kind: int) -> bytes:
        """Drop all but the nodes, weights and inputs of this tensor, the only output, of `kind`; return it as a file.

        Nothing is copied: a forest fills most of the memory that a model may take.
        """
        graph, needed = self.proto.graph, set(self._places_for(tensor))
        for place in reversed(range(len(graph.node))):
            if place not in needed:
                del graph.node[place]
        read = {tensor, *(name for node in graph.node for name in node.input)}
        for place in reversed(range(len(graph.initializer))):
            if graph.initializer[place].name not in read:
                del graph.initializer[place]
        for node in graph.node:
            for field in ("name", "doc_string", "metadata_props"):
                node.ClearField(field)
        inputs = list(self.inputs.values())
        kept = onnx.GraphProto(name="original", input=inputs)
        kept.output.append(onnx.helper.make_tensor_value_info(tensor, kind, None))
        for field in ("doc_string", "metadata_props", "value_info", "quantization_annotation", "input", "output"):
            graph.ClearField(field)
        graph.MergeFrom(kept)
        version = max(self.proto.ir_version, 4)  # weights were inputs before
        opsets = [onnx.helper.make_opsetid(domain, number) for domain, number in self.opsets.items()]
        for field in self.proto.DESCRIPTOR.fields:
            if field.name != "graph":
                self.proto.ClearField(field.name)
        self.proto.MergeFrom(onnx.ModelProto(ir_version=version, opset_import=opsets))
        return bytes(self.proto.SerializeToString())


def read_content(file: bytes) -> Content:
    """Parse a file and check its structure.

    Raises:
        ModelError: it is damaged, or holds what is refused whatever its operators are.
    """
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(file)
    except DecodeError as error:
        if "alloc" in str(error):  # protobuf's words
            raise MemoryError(str(error)) from error
        raise ModelError(f"the file is damaged or no ONNX file: {clipped(error)}") from error
    graph = proto.graph
    if not graph.node or not graph.output:
        raise ModelError("the file is damaged or no ONNX file: it has no nodes or no outputs")
    if not IR_VERSIONS[0] <= proto.ir_version <= IR_VERSIONS[1]:
        lowest, highest = IR_VERSIONS
        raise ModelError(f"it has version {proto.ir_version} of the ONNX format; {lowest} to {highest} are read")
    if proto.functions:
        raise ModelError(f"it holds functions of its own ({clipped(proto.functions[0].name)}): export it without them")
    if proto.training_info:
        raise ModelError("it holds training information: export it for inference")
    if len(graph.node) > MAX_NODES:
        raise ModelError(f"it holds {len(graph.node):,} nodes; at most {MAX_NODES:,} are read")
    if graph.sparse_initializer:
        raise ModelError("it holds sparse weights: export it with plain ones")
    _check_texts(graph)
    for weight in graph.initializer:
        check_plain(weight, f"the weight {clipped(weight.name)}")
    for node in graph.node:
        _check_node(node)
    weights = {weight.name: weight for weight in graph.initializer}
    content = Content(
        proto=proto,
        inputs={entry.name: entry for entry in graph.input if entry.name not in weights},
        weights=weights,
        producers={name: node for node in graph.node for name in node.output if name},
        opsets=_opsets(proto),
    )
    _check_names(content)
    return content


def check_plain(tensor: onnx.TensorProto, what: str) -> None:
    """Refuse a tensor whose numbers are in another file.

    Raises:
        ModelError: they are.
    """
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ModelError(
            f"{what} is in another file, which is not read: save the model as one file "
            "(of torch: torch.onnx.export(..., external_data=False); else onnx.save_model with its weights loaded)"
        )


def domain_of(node: onnx.NodeProto) -> str:
    """Return the domain of a node's operator; ONNX has two names for its own."""
    return "" if node.domain == "ai.onnx" else node.domain


def _check_texts(graph: onnx.GraphProto) -> None:
    """Refuse names that are not UTF-8, which come as bytes."""
    for node in graph.node:
        names = [node.op_type, node.domain, *node.input, *node.output, *(entry.name for entry in node.attribute)]
        if not all(isinstance(name, str) for name in names):
            raise ModelError("it holds a name that is not UTF-8")
    named = [*graph.initializer, *graph.input, *graph.output]
    if not all(isinstance(entry.name, str) for entry in named):
        raise ModelError("it holds a name that is not UTF-8")


def _check_node(node: onnx.NodeProto) -> None:
    what = f"its operator {clipped(node.op_type)}"
    if domain_of(node) not in MAX_OPSETS or node.overload:
        raise ModelError(
            f"{what} is of {clipped(node.domain)}, not of ONNX itself: export it with operators of ONNX, or "
            f"{SAVE_ITSELF}"
        )
    names = Counter(attribute.name for attribute in node.attribute)
    for attribute in node.attribute:
        if attribute.type in _HIDES_GRAPHS or attribute.HasField("g") or attribute.graphs:
            raise ModelError(
                f"{what} holds a graph of its own (loops and branches are not read): export it without, or "
                f"{SAVE_ITSELF}"
            )
        if attribute.type in _OTHER_ATTRIBUTES or attribute.ref_attr_name or names[attribute.name] > 1:
            raise ModelError(f"{what} has an attribute that cannot be read: {clipped(attribute.name)}")
        for tensor in (attribute.t, *attribute.tensors):
            check_plain(tensor, f"a tensor of {what}")


def _opsets(proto: onnx.ModelProto) -> dict[str, int]:
    opsets: dict[str, int] = {}
    for entry in proto.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if domain not in MAX_OPSETS:
            continue  # no node may be of it
        lowest, highest = MAX_OPSETS[domain]
        if opsets.get(domain, entry.version) != entry.version or not lowest <= entry.version <= highest:
            raise ModelError(
                f"it is written for opset {entry.version} of {domain or 'ai.onnx'}; {lowest} to {highest} are read: "
                "export it with another target_opset"
            )
        opsets[domain] = entry.version
    used = {domain_of(node) for node in proto.graph.node}
    if missing := used - opsets.keys():
        raise ModelError(f"it does not say which opset of {min(missing) or 'ai.onnx'} it is written for")
    return opsets


def _check_names(content: Content) -> None:
    graph = content.proto.graph
    _check_unique(weight.name for weight in graph.initializer)
    _check_unique(entry.name for entry in graph.input)
    known = {"", *content.inputs, *content.weights}
    for node in graph.node:
        for name in node.input:
            if name not in known:
                raise ModelError(
                    f"its operator {clipped(node.op_type)} reads {clipped(name)}, which no node before it makes: "
                    "the nodes form a circle or are in no order"
                )
        for name in filter(None, node.output):
            if name in known:
                raise ModelError(f"it has two tensors of the name {clipped(name)}")
            known.add(name)
    for output in graph.output:
        if output.name not in known or not output.name:
            raise ModelError(f"no node makes its output {clipped(output.name)}")


def _check_unique(names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1 or not name:
            raise ModelError(f"it has two tensors of the name {clipped(name)}" if name else "it has a nameless tensor")
