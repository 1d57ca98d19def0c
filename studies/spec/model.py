"""The Keras architecture of a study."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, StrictBool, WithJsonSchema, model_validator

from studies.frozen_model import FEW_FIELDS, AtMost, FrozenModel
from studies.keras_config import input_columns, reading, sizes, start_weights
from studies.keras_config.division import Division, Span, Spans
from studies.keras_config.dropout import insert_dropout
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Graph
from studies.keras_config.input_columns import InputColumn, InputError
from studies.spec.table import MAX_NAMED, ColumnName

Activation = Literal["relu", "gelu", "elu", "selu", "silu", "tanh", "sigmoid", "linear"]
Units = Annotated[int, Field(ge=1, le=65_536, strict=True)]


class MlpSpec(FrozenModel):
    """Dense layers for tables; images are flattened. No hidden layer gives a linear model."""

    kind: Literal["mlp"] = "mlp"
    hidden_units: Annotated[tuple[Units, ...], AtMost(64)] = Field((64, 64), description="Units of each hidden layer.")
    activation: Activation = Field("relu", description="Keras activation of the hidden layers.")
    batch_norm: StrictBool = Field(
        False, description="Batch normalization between each hidden layer and its activation."
    )

    @property
    def regularized_layers(self) -> int:
        """Its hidden layers; of a linear model the output layer, which is all there is."""
        return max(1, len(self.hidden_units))

    @property
    def dropped_layers(self) -> frozenset[int]:
        """The layers, counted from 0, that drop: its hidden layers, which a linear model has none of."""
        return frozenset(range(len(self.hidden_units)))

    @property
    def has_biases(self) -> bool:
        """True when a bias can be regularized: batch normalization takes the place of hidden layers' biases."""
        return not (self.hidden_units and self.batch_norm)

    @property
    def has_hidden_outputs(self) -> bool:
        """True when there are hidden layers, whose outputs can be regularized."""
        return bool(self.hidden_units)


class CnnSpec(FrozenModel):
    """Convolutions, each followed by 2×2 max pooling while the image is large enough, then dense layers."""

    kind: Literal["cnn"]
    filters: Annotated[tuple[Units, ...], Field(min_length=1), AtMost(16)] = Field(
        (16, 32), description="Filters of each convolution."
    )
    kernel_size: Annotated[int, Field(ge=1, le=31, strict=True)] = Field(
        3, description="Side of each kernel in pixels."
    )
    hidden_units: Annotated[tuple[Units, ...], AtMost(64)] = Field(
        (64,), description="Units of the dense layers behind them."
    )
    activation: Activation = Field("relu", description="Keras activation of the hidden layers.")
    batch_norm: StrictBool = Field(
        False, description="Batch normalization between each hidden layer and its activation."
    )

    @property
    def regularized_layers(self) -> int:
        """Its convolutions and hidden dense layers."""
        return len(self.filters) + len(self.hidden_units)

    @property
    def dropped_layers(self) -> frozenset[int]:
        """The layers, counted from 0, that drop: all of these."""
        return frozenset(range(self.regularized_layers))

    @property
    def has_biases(self) -> bool:
        """True when a bias can be regularized: batch normalization takes the place of hidden layers' biases."""
        return not self.batch_norm

    @property
    def has_hidden_outputs(self) -> bool:
        """True: there are always hidden layers, whose outputs can be regularized."""
        return True


#: Kept as one text, so that a spec can be hashed; shown as the object it is.
Config = Annotated[
    str,
    BeforeValidator(reading.canonicalize),
    PlainSerializer(json.loads, return_type=dict[str, Any], when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]}),
]


_InputName = Annotated[str, Field(min_length=1, max_length=200)]
#: One column may stand without a list around it.
_Columns = Annotated[
    tuple[ColumnName, ...],
    AtMost(MAX_NAMED),
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


def _check_weights(value: Any) -> Any:
    if value is True:
        raise ValueError("true asks for the weights of a .keras file; name the file by --model")
    if isinstance(value, str):
        start_weights.unpack(value)
    return None if value is False else value


class KerasSpec(FrozenModel):
    """The user's own Keras model, Sequential or Functional, rebuilt by our code from a list of known layers.

    The study's regularizers take the places of the model's own, its dropout rates those of the Dropout layers.
    """

    kind: Literal["keras"]
    config: Config = Field(
        description="What model.to_json() gives, as text or as an object; only the architecture counts."
    )
    weights: Annotated[str | None, BeforeValidator(_check_weights)] = Field(
        None,
        description="Weights that every trial starts from, as `POST /v1/models/read?weights=true` answers them of a "
        ".keras file: a safetensors file in base64, of at most 6,000,000 numbers. They begin at random when it is left "
        "out.",
    )
    insert_dropout: StrictBool = Field(
        False, description="A Dropout layer after each hidden layer that has none behind it."
    )
    inputs: Annotated[Mapping[_InputName, _Columns], AtMost(reading.MAX_INPUTS)] = Field(
        default_factory=dict,
        description="The columns or arrays that each input takes, by the input's name; one that is left out takes "
        "those of its own name.",
    )
    positions: Annotated[
        Mapping[_InputName, Annotated[tuple[Annotated[Span, FEW_FIELDS], ...], AtMost(MAX_NAMED), Field(min_length=1)]],
        AtMost(reading.MAX_INPUTS),
    ] = Field(
        default_factory=dict, description="Where in a row the values of each input stand; filled in by the service."
    )

    def __hash__(self) -> int:
        """Hash what is no mapping."""
        return hash((self.config, self.insert_dropout))

    def for_dataset(self, columns: Sequence[InputColumn], shape: tuple[int, ...], no_input: str = "") -> Self:
        """The same with the place of each input in the rows of a dataset, which are of `shape`.

        `columns` are empty where they are not known, and then the places stay; `no_input` says which columns are none
        of these.

        Raises ValueError when columns do not fit an input.
        """
        graph = reading.read_graph(self.config)
        if not self.inputs and len(graph.inputs) == 1 and graph.inputs[0].vocabulary is None:
            return self.model_copy(update={"positions": {}})
        if len(shape) > 1:
            raise ValueError(
                f"inputs: are found by the names of columns or arrays, and this dataset is one array of {shape}; "
                "upload an .npz file with an array for each input"
            )
        if not columns:
            self._check_positions(graph, shape[0])
            return self
        try:
            spans = input_columns.find_spans(graph, self.inputs, columns, no_input)
        except InputError as error:
            raise ValueError(f"inputs.{error.name.replace(' ', '_')}: {error}") from None
        except ConfigError as error:
            raise ValueError(f"config: {error}") from None
        placed = self.model_copy(update={"positions": dict(spans)})
        placed._check_positions(graph, shape[0])
        return placed

    def _check_positions(self, graph: Graph, size: int) -> None:
        spans = [span for of_input in self.positions.values() for span in of_input]
        inside = all(0 <= span.first < span.end <= size for span in spans)
        if set(self.positions) != {each.name for each in graph.inputs} or not inside:
            raise ValueError("positions: are filled in by the service that has the dataset; send the study there")

    @property
    def spans(self) -> Spans | None:
        """The place of each input in a row; None where the model's one input is the row."""
        return tuple(self.positions.items()) if self.positions else None

    @property
    def division(self) -> Division:
        """Its inputs, each with its place in a row; empty where its one input is the row."""
        places = dict(self.positions)
        return tuple((each, places[each.name]) for each in self.graph.inputs) if places else ()

    @model_validator(mode="after")
    def _check_frozen(self) -> Self:
        layers = reading.read_graph(self.config).layers
        frozen = next((layer for layer in layers if layer.frozen and sizes.has_weights(layer)), None)
        if frozen is not None and self.weights is None:
            raise ValueError(
                f"config: {frozen.location}: is frozen (trainable: false), which is taken only with weights to start "
                "from, for else they would stay random; give the weights of the .keras file, or set trainable to true"
            )
        return self

    @property
    def graph(self) -> Graph:
        """The model as data, of one input: a row."""
        read = _read_with_dropout if self.insert_dropout else reading.read_graph
        return read(self.config, self.spans)

    @property
    def regularized_layers(self) -> int:
        """Its layers with a kernel but the output's, or that when it is alone."""
        return len(self.graph.regularized)

    @property
    def dropped_layers(self) -> frozenset[int]:
        """Those of these layers, counted from 0, whose dropout rate a layer of the model takes."""
        return self.graph.dropped

    @property
    def has_biases(self) -> bool:
        """True when one of these layers has a bias."""
        return any(self.graph.by_name[name].has_bias for name in self.graph.regularized)

    @property
    def has_hidden_outputs(self) -> bool:
        """True: the output of each of these layers can be regularized, also that of the only one."""
        return True


@lru_cache(64)
def _read_with_dropout(config: str, spans: Spans | None) -> Graph:
    return insert_dropout(reading.read_graph(config, spans))


ModelSpec = Annotated[MlpSpec | CnnSpec | KerasSpec, Field(discriminator="kind")]


def starts_from_weights(model: ModelSpec) -> bool:
    """Return whether a model's trainings start from weights of its own, and not from random ones."""
    return isinstance(model, KerasSpec) and model.weights is not None


def describe(model: ModelSpec) -> str:
    """Name the kind of a model, and say where its trials do not begin at random."""
    return "keras, each trial from the weights of its file" if starts_from_weights(model) else model.kind
