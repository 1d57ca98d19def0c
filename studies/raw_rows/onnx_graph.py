"""Puts lookups of texts around an ONNX graph of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.raw_rows.model import CLASS, RawInput, RawModel, unique

if TYPE_CHECKING:
    import onnx

_TEXTS = "ai.onnx.ml"  # the operators of ONNX that look texts up
_TEXTS_VERSION = 2


def add_texts(path: Path, model: RawModel, names: Sequence[str], description: str) -> bytes:
    """Name the inputs of a file by columns, which may be texts, and its class by its name."""
    import onnx
    from onnx import helper

    proto = onnx.load(path)
    graph = proto.graph
    columns = zip(names, model.inputs, graph.input, strict=True)
    before = [_read_column(graph, name, each, numbers, names) for name, each, numbers in columns]
    behind = [_name_result(graph, result, model.class_names, names) for result in graph.output]
    inputs, outputs = [value for value, _ in before], [value for value, _ in behind]
    nodes = [*(node for _, nodes in before for node in nodes), *graph.node, *(node for _, node in behind)]
    for field, values in (("node", nodes), ("input", inputs), ("output", outputs)):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    if all(each.domain != _TEXTS for each in proto.opset_import):
        proto.opset_import.append(helper.make_opsetid(_TEXTS, _TEXTS_VERSION))
    helper.set_model_props(proto, {"regsweep": description})
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def _read_column(
    graph: onnx.GraphProto, name: str, column: RawInput, numbers: onnx.ValueInfoProto, taken: Sequence[str]
) -> tuple[onnx.ValueInfoProto, list[onnx.NodeProto]]:
    """An input of the graph, and the nodes that turn it into the numbers that were one."""
    from onnx import TensorProto, helper

    inner = _rename(graph, numbers.name, taken)
    if not column.texts:
        return _value(name, numbers), [helper.make_node("Identity", [name], [inner])]
    return _value(name, numbers, TensorProto.STRING), _number_texts(column, name, inner, taken)


def _number_texts(column: RawInput, name: str, inner: str, taken: Sequence[str]) -> list[onnx.NodeProto]:
    """Number texts as they are written, and those that are not found so by their lower case."""
    from onnx import TensorProto, helper

    first_folded = 1 + len(column.texts)
    if not column.folded:
        return [_encode(column.texts, 1, name, inner)]
    written, lowered, folded, known = (
        unique(f"{part} {inner}", taken) for part in ("written", "lowered", "folded", "known")
    )
    # Of the locale C, which every machine has, and which knows the case of ASCII's letters alone, as Keras does.
    lower = helper.make_node(
        "StringNormalizer", [name], [lowered], case_change_action="LOWER", is_case_sensitive=1, locale="C"
    )
    return [
        _encode(column.texts, 1, name, written),
        lower,
        _encode(column.folded, first_folded, lowered, folded),
        helper.make_node("Cast", [written], [known], to=TensorProto.BOOL),
        helper.make_node("Where", [known, written, folded], [inner]),
    ]


def _encode(texts: Sequence[str], first: int, name: str, result: str) -> onnx.NodeProto:
    from onnx import helper

    found = list(range(first, first + len(texts)))
    options: dict[str, Any] = {"keys_strings": list(texts), "values_int64s": found, "default_int64": 0}
    return helper.make_node("LabelEncoder", [name], [result], domain=_TEXTS, **options)


def _name_result(
    graph: onnx.GraphProto, result: onnx.ValueInfoProto, class_names: Sequence[str], taken: Sequence[str]
) -> tuple[onnx.ValueInfoProto, onnx.NodeProto]:
    """An output of the graph, and the node that gives it; a graph's names are one space, with those of columns."""
    from onnx import TensorProto, helper

    name, inner = unique(result.name, taken), _rename(graph, result.name, taken)
    if result.name != CLASS:
        return _value(name, result), helper.make_node("Identity", [inner], [name])
    numbers = list(range(len(class_names)))
    # A row that is refused has the next number.
    options: dict[str, Any] = {"keys_int64s": numbers, "values_strings": list(class_names), "default_string": ""}
    node = helper.make_node("LabelEncoder", [inner], [name], domain=_TEXTS, **options)
    return _value(name, result, TensorProto.STRING), node


def _value(name: str, like: onnx.ValueInfoProto, kind: int | None = None) -> onnx.ValueInfoProto:
    """A value as another, of a name, and of another kind if one is given."""
    import onnx

    value = onnx.ValueInfoProto()
    value.CopyFrom(like)
    value.name = name
    if kind is not None:
        value.type.tensor_type.elem_type = kind
    value.type.tensor_type.shape.dim[0].dim_param = "rows"
    return value


def _rename(graph: onnx.GraphProto, name: str, taken: Sequence[str]) -> str:
    """Rename a value wherever nodes give or use it, so that columns may have its name; return its new name."""
    new = unique(f"numbered {name}", taken)
    for node in graph.node:
        for values in (node.input, node.output):
            for index, each in enumerate(values):
                if each == name:
                    values[index] = new
    return new
