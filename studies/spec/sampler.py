"""The sampler and the pruner of a study, by Optuna's names, and what it begins with."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictInt, model_validator

from studies.frozen_model import AtMost, FrozenModel
from studies.spec.name import normalize

SamplerName = Literal["tpe", "random", "gp", "cmaes", "qmc", "nsga2", "nsga3", "grid", "brute_force"]
PrunerName = Literal[
    "auto",
    "none",
    "median",
    "percentile",
    "successive_halving",
    "hyperband",
    "threshold",
    "patient",
    "wilcoxon",
]
#: Samplers that learn from any trials, another study's too.
LEARNING_SAMPLERS: frozenset[SamplerName] = frozenset({"tpe", "gp"})
#: Samplers that try each point of a finite space once.
FINITE_SAMPLERS: frozenset[SamplerName] = frozenset({"grid", "brute_force"})


class OptionedModel(FrozenModel):
    """A part chosen by name whose options stand beside the name; Optuna's own signature says which exist."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """Everything that stands beside the name."""
        return dict(self.__pydantic_extra__ or {})


class SamplerSpec(OptionedModel):
    """Optuna's sampler; its options (see x-samplers in /v1/schema) stand beside the name."""

    name: SamplerName = Field("tpe", description="Which sampler proposes the next trial.")


class PrunerSpec(OptionedModel):
    """Optuna's pruner; its options (see x-pruners in /v1/schema) stand beside the name."""

    name: PrunerName = Field(
        "none",
        description="Which pruner ends hopeless trials early; one objective only. auto: hyperband where it suits, "
        "none elsewhere; `pruner` of the study says which, and why.",
    )


#: Params that are enqueued with a study, at most.
MAX_ENQUEUED = 1000
#: Params of one trial, at most: a layer has four of its own.
MAX_PARAMS = 10_000
#: Params of a trial by their names in the space, for the sampler chooses those that are missing.
Params = Annotated[dict[str, StrictBool | str | StrictInt | float | None], AtMost(MAX_PARAMS)]


class WarmStartSpec(FrozenModel):
    """What a study begins with: trials of another study that its sampler knows, params that it tries first, or both."""

    study: Annotated[str, AfterValidator(normalize), Field(max_length=1000)] | None = Field(
        None,
        description="Another study, by its name, whose complete trials the sampler knows from the start; they cost "
        "none of the budget. Of the same objectives and data, with trials in this study's space. For tpe and gp.",
    )
    enqueue: Annotated[tuple[Params, ...], AtMost(MAX_ENQUEUED)] = Field(
        (),
        description="Params that the study's first trials try, in this order, within its budget, as those that another "
        "program found best. By their names in the space; the sampler chooses those that are missing.",
    )

    @model_validator(mode="after")
    def _begins_with_something(self) -> Self:
        if self.study is None and not self.enqueue:
            raise ValueError("names nothing to begin with; name a study, or list params to enqueue")
        return self
