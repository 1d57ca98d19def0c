"""The search space: the values that each hyperparameter may take, and Optuna's distributions of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from studies.frozen_model import AtMost, FrozenModel
from studies.hyperparameters import Hyperparameters, layer_prefixes
from studies.keras_config.reading import MAX_LAYERS
from studies.regularization import REGULARIZERS, L1Mode, LayerRegularization, Penalty, Regularization
from studies.spec.parameter import (
    BatchSize,
    BatchSizeRange,
    Kinds,
    Lambda,
    LambdaRange,
    LearningRate,
    LearningRateRange,
    Parameter,
    Patience,
    PatienceRange,
    Range,
    Rate,
    RateRange,
    Ratio,
    RatioRange,
    notation_of,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

#: The parameters that a layer may have of its own: field, and name in a trial.
_OF_LAYERS = {"regularizer": "regularizer", "lambda_": "lambda", "l1_ratio": "l1_ratio", "dropout": "dropout"}


class LayerSpace(FrozenModel):
    """The search space of one hidden layer; what is left out is as `space` says, searched for this layer alone."""

    regularizer: Kinds | None = Field(None, description="Kinds of kernel regularizer to try.")
    lambda_: Parameter[LambdaRange, Lambda] | None = Field(None, alias="lambda", description="Strength λ ≥ 0.")
    l1_ratio: Parameter[RatioRange, Ratio] | None = Field(None, description="Elastic net's share of λ for L1.")
    dropout: Parameter[RateRange, Rate] | None = Field(None, description="Share of this layer's activations dropped.")


class SearchSpace(FrozenModel):
    """The search space. Each parameter is a range `{low, high, log}`, a list of choices, or one fixed value."""

    scope: Literal["shared", "per_layer"] = Field(
        "shared",
        description="shared: one regularizer, λ, l1_ratio and dropout for all hidden layers; per_layer: each its own.",
    )
    layers: Annotated[tuple[LayerSpace, ...], AtMost(MAX_LAYERS)] | None = Field(
        None, description="With scope per_layer: what each hidden layer has of its own, from the input on."
    )
    regularizer: Kinds = Field(
        REGULARIZERS, description="Kinds of kernel regularizer to try: none, l1, l2, elastic_net."
    )
    lambda_: Parameter[LambdaRange, Lambda] = Field(
        LambdaRange(low=1e-6, high=1e-1, log=True),
        alias="lambda",
        description="Strength λ ≥ 0 of the regularizer (no unit): L1 adds λ·Σ|w|, L2 λ·Σw² to the mean data loss.",
    )
    l1_ratio: Parameter[RatioRange, Ratio] = Field(
        RatioRange(low=0.1, high=0.9),
        description="Elastic net's share of λ that goes to L1, from 0 (pure L2) to 1 (pure L1).",
    )
    dropout: Parameter[RateRange, Rate] = Field(
        RateRange(low=0.0, high=0.5),
        description="Share of activations dropped after every hidden layer while training, 0 ≤ rate < 1.",
    )
    patience: Parameter[PatienceRange, Patience | None] = Field(
        PatienceRange(low=5, high=20),
        description="Early stopping: epochs without improvement before training stops, at least 1; null for none, and "
        "then the last epoch's weights are kept.",
    )
    learning_rate: Parameter[LearningRateRange, LearningRate] = Field(
        1e-3, description="The optimizer's step size (no unit), above 0."
    )
    batch_size: Parameter[BatchSizeRange, BatchSize] = Field(32, description="Rows a gradient step, at least 1.")
    l1_mode: L1Mode = Field(
        "proximal",
        description="How L1 acts on kernels: proximal soft-thresholds after each step and reaches exact zeros; penalty "
        "is Keras' own, which does not.",
    )
    bias_regularizer: Kinds = Field("none", description="Kinds of regularizer on hidden layers' biases: none, l1, l2.")
    bias_lambda: Parameter[LambdaRange, Lambda] = Field(
        LambdaRange(low=1e-6, high=1e-1, log=True), description="Strength of the biases' regularizer."
    )
    activity_regularizer: Kinds = Field(
        "none", description="Kinds of regularizer on hidden layers' outputs: none, l1, l2."
    )
    activity_lambda: Parameter[LambdaRange, Lambda] = Field(
        LambdaRange(low=1e-6, high=1e-1, log=True),
        description="Strength of the outputs' regularizer: its sum over a batch over the batch's rows is added.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.layers is not None and self.scope != "per_layer":
            raise ValueError("layers: each layer has its own only with scope: per_layer")
        for name, parameter in self.parameters().items():
            if isinstance(parameter, tuple) and len(set(parameter)) < len(parameter):
                raise ValueError(f"{name}: lists a choice twice; each choice must stand once")
        for name in ("bias_regularizer", "activity_regularizer"):
            if "elastic_net" in kinds(getattr(self, name)):
                raise ValueError(f"{name}: elastic_net is for kernels; use l1 or l2")
        return self

    def with_layers(self, hidden_layers: int) -> Self:
        """The same space for a model of so many hidden layers.

        Raises ValueError when it lists another number of layers.
        """
        if self.scope == "shared" or (self.layers is not None and len(self.layers) == hidden_layers):
            return self
        if self.layers is not None:
            raise ValueError(
                f"layers: lists {len(self.layers)} layers and the model has {hidden_layers} hidden; list each of them"
            )
        return self.model_copy(update={"layers": (LayerSpace(),) * hidden_layers})

    def parameters(self) -> dict[str, Any]:
        """Each parameter by its name in a trial; with scope per_layer, those of each layer."""
        shared = ("patience", "learning_rate", "batch_size", "bias_regularizer", "bias_lambda")
        names = (*shared, "activity_regularizer", "activity_lambda")
        return self._layer_parameters() | {name: getattr(self, name) for name in names}

    def _layer_parameters(self) -> dict[str, Any]:
        layers = self.layers or (LayerSpace(),)
        parameters: dict[str, Any] = {}
        for prefix, layer in zip(layer_prefixes(len(layers)), layers, strict=True):
            for field, name in _OF_LAYERS.items():
                of_layer = getattr(layer, field)
                parameters[prefix + name] = getattr(self, field) if of_layer is None else of_layer
        return parameters

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes a trial may have when they are listed; none when they are a range."""
        size: Any = self.batch_size
        return () if isinstance(size, Range) else size if isinstance(size, tuple) else (size,)

    def regularizes(self, target: Literal["bias", "activity"]) -> bool:
        """Return whether any trial may regularize the hidden layers' biases or outputs."""
        return kinds(getattr(self, f"{target}_regularizer")) != {"none"}

    def searched(self) -> dict[str, Any]:
        """The parameters that the sampler chooses: neither fixed, nor without effect for every kind listed."""
        parameters, inert = self.parameters(), self._inert()
        return {
            name: parameter
            for name, parameter in parameters.items()
            if notation_of(parameter) != "fixed" and name not in inert
        }

    def constants(self) -> dict[str, Any]:
        """The fixed values that have an effect: params of every trial which are none of Optuna's."""
        without = self._inert()
        without |= {f"{target}_regularizer" for target in ("bias", "activity") if not self.regularizes(target)}
        fixed = {name: value for name, value in self.parameters().items() if notation_of(value) == "fixed"}
        return {name: value for name, value in fixed.items() if value is not None and name not in without}

    def _inert(self) -> set[str]:
        """The names of parameters without effect for every kind listed."""
        parameters = self.parameters()
        inert = set[str]()
        for name, parameter in parameters.items():
            if name.endswith("regularizer"):
                prefix = name.removesuffix("regularizer")
                inert |= {f"{prefix}l1_ratio"} if "elastic_net" not in kinds(parameter) else set()
                inert |= {f"{prefix}lambda"} if kinds(parameter) == {"none"} else set()
        return inert

    def fixed(self) -> dict[str, Any]:
        """The values that the sampler never chooses; 0 for a parameter without effect."""
        searched = self.searched()
        others = {name: value for name, value in self.parameters().items() if name not in searched}
        return {name: value if notation_of(value) == "fixed" else 0.0 for name, value in others.items()}

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of every parameter that is searched.

        Every trial gets all of them, also λ where the regularizer is none: a parameter that some trials lack drops out
        of TPE's joint search space.
        """
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        distributions: dict[str, BaseDistribution] = {}
        for name, parameter in self.searched().items():
            if isinstance(parameter, tuple):
                distributions[name] = CategoricalDistribution(parameter)
            elif isinstance(parameter, Range):
                kind = IntDistribution if isinstance(parameter.low, int) else FloatDistribution
                distributions[name] = kind(parameter.low, parameter.high, log=parameter.log)
        return distributions

    def hyperparameters(self, params: Mapping[str, Any]) -> Hyperparameters:
        """The values of one trial, from the sampler's suggestions and the fixed values."""
        values = self.fixed() | dict(params)

        def penalty(prefix: str) -> Penalty:
            ratio = float(values.get(f"{prefix}l1_ratio", 0.0))
            return Penalty(values[f"{prefix}regularizer"], float(values[f"{prefix}lambda"]), ratio)

        return Hyperparameters(
            regularization=Regularization(
                tuple(
                    LayerRegularization(penalty(prefix), float(values[f"{prefix}dropout"]))
                    for prefix in layer_prefixes(len(self.layers or (None,)))
                ),
                bias=penalty("bias_"),
                activity=penalty("activity_"),
                l1_mode=self.l1_mode,
            ),
            patience=None if values["patience"] is None else int(values["patience"]),
            learning_rate=float(values["learning_rate"]),
            batch_size=int(values["batch_size"]),
        )


def kinds(parameter: Any) -> set[str]:
    """The kinds of regularizer that a parameter allows."""
    return {parameter} if isinstance(parameter, str) else set(parameter)
