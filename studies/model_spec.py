"""How a study names its Keras architecture."""

from typing import Annotated, Literal

from pydantic import Field

from studies.parameter import Part

Activation = Literal["relu", "gelu", "elu", "selu", "silu", "tanh", "sigmoid", "linear"]
Units = Annotated[int, Field(ge=1, le=65_536, strict=True)]


class MlpSpec(Part):
    """Dense layers for tables; images are flattened. No hidden layer gives a linear model."""

    kind: Literal["mlp"] = "mlp"
    hidden_units: tuple[Units, ...] = Field((64, 64), max_length=64, description="Units of each hidden layer.")
    activation: Activation = Field("relu", description="Keras activation of the hidden layers.")
    batch_norm: bool = Field(False, description="Batch normalization between each hidden layer and its activation.")

    @property
    def regularized_layers(self) -> int:
        """Its hidden layers; of a linear model the output layer, which is all there is."""
        return max(1, len(self.hidden_units))


class CnnSpec(Part):
    """Convolutions, each followed by 2×2 max pooling while the image is large enough, then dense layers."""

    kind: Literal["cnn"]
    filters: tuple[Units, ...] = Field(
        (16, 32), min_length=1, max_length=16, description="Filters of each convolution."
    )
    kernel_size: Annotated[int, Field(ge=1, le=31, strict=True)] = Field(
        3, description="Side of each kernel in pixels."
    )
    hidden_units: tuple[Units, ...] = Field((64,), max_length=64, description="Units of the dense layers behind them.")
    activation: Activation = Field("relu", description="Keras activation of the hidden layers.")
    batch_norm: bool = Field(False, description="Batch normalization between each hidden layer and its activation.")

    @property
    def regularized_layers(self) -> int:
        """Its convolutions and hidden dense layers."""
        return len(self.filters) + len(self.hidden_units)


ModelSpec = Annotated[MlpSpec | CnnSpec, Field(discriminator="kind")]
