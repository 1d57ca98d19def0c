"""StudySpec: the one validated description of a study, as JSON over REST and as YAML on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, ValidationInfo, field_validator, model_validator

from studies import seeds
from studies.frozen_model import AtMost, FrozenModel
from studies.keras_config import compatibility, sizes, start_weights
from studies.keras_config.division import Division
from studies.keras_config.errors import ConfigError
from studies.keras_config.lanes import find_lane_obstacle
from studies.keras_config.lookups import Lookup, find_lookups
from studies.keras_config.raw_values import find_raw_values
from studies.keras_config.texts import find_texts
from studies.objectives import OBJECTIVES, Direction, ObjectiveName, Task, metrics_for
from studies.spec.budget import Budget
from studies.spec.comparison import ComparisonSpec
from studies.spec.dataset import DatasetFacts, DatasetSpec, UploadedDataset
from studies.spec.logger import LOGGERS, LoggerName
from studies.spec.model import KerasSpec, MlpSpec, ModelSpec
from studies.spec.name import NAME_RULE, Name
from studies.spec.resampling import ONE_DIVISION_BY_TIME, Resampling, describe_too_many_folds, min_test_rows
from studies.spec.resources import Resources
from studies.spec.sampler import LEARNING_SAMPLERS, PrunerSpec, SamplerSpec, WarmStartSpec
from studies.spec.space import SearchSpace
from studies.spec.table import TableOptions
from studies.spec.training import REPRODUCIBLE_LANES, REPRODUCIBLE_WORKERS, EarlyStoppingSpec, Training

#: A spread needs two values at least; the repeats cost at most a tenth of the trials.
_TRIALS_A_REPEAT, _MIN_DEFAULT_REPEATS, _MAX_DEFAULT_REPEATS = 10, 2, 4
MAX_WORKERS = 10_000


class StudySpec(FrozenModel):
    """A study of the regularization for one dataset and architecture."""

    name: Name | None = Field(None, description=f"The study's key: {NAME_RULE}; made up when left out.")
    dataset: DatasetSpec = Field(
        description="The data: {kind: builtin, name}, {kind: synthetic, name, …} or {kind: uploaded, name}."
    )
    model: ModelSpec = Field(
        default_factory=MlpSpec,
        description="The architecture: {kind: mlp, …}, {kind: cnn, …} or {kind: keras, config}.",
    )
    space: SearchSpace = Field(default_factory=SearchSpace, description="What is searched.")
    objectives: Annotated[tuple[ObjectiveName, ...], Field(min_length=1), AtMost(4)] = Field(
        ("val_loss",),
        description="What is optimised, each in its own direction; several give a Pareto front. "
        + "; ".join(f"{name}: {objective.meaning}" for name, objective in OBJECTIVES.items()),
    )
    sampler: SamplerSpec = Field(default_factory=SamplerSpec, description="How trials are proposed.")
    pruner: PrunerSpec = Field(default_factory=PrunerSpec, description="How hopeless trials are cut.")
    early_stopping: EarlyStoppingSpec = Field(
        default_factory=EarlyStoppingSpec, description="How training ends early; patience itself is searched."
    )
    training: Training = Field(default_factory=Training, description="How trials are trained: engine, optimizer.")
    resampling: Resampling = Field(default_factory=Resampling, description="On which rows trials are judged.")
    budget: Budget = Field(default_factory=Budget, description="How much the study may cost.")
    comparison: ComparisonSpec | None = Field(
        None, description="Which technique to use, asked beside the study's own search; see POST …/comparison."
    )
    warm_start: WarmStartSpec | None = Field(
        None, description="What it begins with: another study to learn from, or params that its first trials try."
    )
    priority: Annotated[int, Field(ge=-1000, le=1000, strict=True)] = Field(
        0, description="Workers serve the studies of the highest priority first, and those of the same in turns."
    )
    seed: Annotated[int, Field(ge=0, lt=2**32, strict=True)] = Field(
        0, description="Seed of the splits, the sampler, initial weights, data order and dropout."
    )

    resources: Resources = Field(
        default_factory=Resources,
        description="What a worker must offer to be given the study: {cpus, gpus, memory}; any worker when left out.",
    )
    max_workers: Annotated[int, Field(ge=1, le=MAX_WORKERS, strict=True)] | None = Field(
        None,
        description="Most workers that serve the study and its comparison at once; no limit when left out. In a "
        "reproducible study it settles the generations as well, see `reproducible`.",
    )
    loggers: Annotated[tuple[LoggerName, ...], Field(json_schema_extra={"uniqueItems": True}), AtMost(len(LOGGERS))] = (
        Field(
            (),
            description="Trackers that it is logged to while it runs, of those that the server's owner has set up: "
            "mlflow, tensorboard.",
        )
    )
    reproducible: StrictBool = Field(
        False,
        description="The same table of trials for any number of workers, on machines with the same processor: trials "
        "are asked in generations of `training.lanes` (8) times `max_workers` (2), each ended before the next is "
        "asked.",
    )

    @property
    def generation(self) -> int:
        """Trials of a reproducible study that are asked before any of them is told: the lanes of all its workers."""
        return (self.max_workers or REPRODUCIBLE_WORKERS) * (self.training.lanes or REPRODUCIBLE_LANES)

    @property
    def task(self) -> Task:
        """The dataset's task."""
        return self.dataset.facts.task

    @property
    def table_options(self) -> TableOptions | None:
        """The roles of an uploaded dataset's columns; None for any other dataset."""
        return self.dataset.options if isinstance(self.dataset, UploadedDataset) else None

    @property
    def ordered(self) -> bool:
        """True when rows are divided in the order of time."""
        options = self.table_options
        split = self.resampling.split
        return split == "time" or (split == "auto" and options is not None and options.time is not None)

    def kept_fold(self, folds: Iterable[int]) -> int:
        """Of the folds that a trial is trained on, the one whose model, curve and weights stand for the trial.

        Folds are alike, and the first is taken; in the order of time they grow, and the last trains on most rows, up to
        the latest.
        """
        return max(folds) if self.ordered else min(folds)

    @property
    def max_folds(self) -> int:
        """The most folds that there are rows for, as far as is known before the dataset is loaded."""
        facts, split = self.dataset.facts, self.resampling.split
        options = self.table_options
        by_class = split == "stratified" or (
            split == "auto" and (options is None or not (options.time or options.group))
        )
        halves = (facts.rows - min_test_rows(facts.rows)) // 2
        return min(halves, facts.rarest - min_test_rows(facts.rarest)) if by_class and facts.rarest else halves

    def time_fold_obstacle(self, resampling: Resampling) -> str:
        """Say why the rows cannot be divided so in the order of time; empty where they can, or are not divided so."""
        facts = self.dataset.facts
        limit = facts.nested_time_folds if resampling.nested else facts.time_folds
        if not self.ordered or limit is None or resampling.folds <= limit.most:
            return ""
        instead = f"use at most {limit.most}" if limit.most > 1 else "use holdout, or another resampling.split"
        return f"with {limit.most + 1} folds in the order of time {limit.why}; {instead}"

    @property
    def weighted(self) -> bool:
        """True when training rows count differently."""
        options = self.table_options
        return self.training.class_weights == "balanced" or (options is not None and options.weight is not None)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The direction of each objective."""
        return tuple(OBJECTIVES[name].direction for name in self.objectives)

    @property
    def repeats_of_best(self) -> int:
        """How often the best trial's params are trained again, each time with another seed."""
        chosen = self.budget.best_seeds
        if chosen is None:
            chosen = min(self.budget.trials // _TRIALS_A_REPEAT, _MAX_DEFAULT_REPEATS)
            chosen = 0 if chosen < _MIN_DEFAULT_REPEATS or self.resampling.fits > 1 else chosen
        return chosen if len(self.objectives) == 1 else 0

    @property
    def enqueued(self) -> tuple[dict[str, Any], ...]:
        """The params that the first trials try; the sampler chooses those that are missing."""
        return () if self.warm_start is None else self.warm_start.enqueue

    def training_seed(self, number: int, fit: int = 0, *, repeat: bool = False) -> int:
        """The seed of initial weights, data order and dropout of one of a trial's trainings.

        A repeat's differs from those of all trials, whose numbers are smaller.
        """
        if self.training.seeds == "common" and not repeat:
            return seeds.common_seed(self.seed, fit)
        return seeds.trial_seed(self.seed, number, fit)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read a spec that was stored; in versions that had no `training.seeds` every trial had its own.

        Its name stays, whatever the rule for names was then.
        """
        training = {"seeds": "own", **document.get("training", {})}
        spec = cls.model_validate({**document, "training": training, "name": None}, context={"stored": True})
        return spec.model_copy(update={"name": document.get("name")})

    def named(self, name: str) -> Self:
        """The same study under another name."""
        return self.model_copy(update={"name": name})

    @field_validator("model")
    @classmethod
    def _fit_to_dataset(cls, model: ModelSpec, info: ValidationInfo) -> ModelSpec:
        dataset = info.data.get("dataset")  # None when it is invalid itself
        if dataset is None or not isinstance(model, KerasSpec):
            return model
        # Those of an uploaded dataset are known to the service that has it, and a study keeps only what it needs.
        columns = (info.context or {}).get("columns", dataset.columns)
        return model.for_dataset(columns, dataset.facts.shape, dataset.facts.no_input)

    @field_validator("space")
    @classmethod
    def _fit_to_model(cls, space: SearchSpace, info: ValidationInfo) -> SearchSpace:
        model = info.data.get("model")  # None when it is invalid itself
        return space if model is None else space.with_layers(model.regularized_layers)

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        task, shape = self.task, self.dataset.facts.shape
        metrics = metrics_for(task)
        for field, names in (
            ("objectives", self.objectives),
            ("early_stopping.monitor", (self.early_stopping.monitor,)),
        ):
            for name in names:
                if name not in metrics:
                    raise ValueError(
                        f"{field}: {name} is not defined for a {task} task; choose from {', '.join(metrics)}"
                    )
        if len(self.objectives) > 1 and self.budget.best_seeds:
            raise ValueError("budget.best_seeds: several objectives have no one best trial; leave it out")
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("objectives: the same objective stands twice; name each once")
        if self.training.engine == "lanes" and not self.space.batch_sizes:
            raise ValueError(
                "space.batch_size: lanes need a fixed batch size or a list, for each size is a program of its own; "
                "list the sizes, or use training.engine: fit"
            )
        if self.warm_start is not None and self.warm_start.study and self.sampler.name not in LEARNING_SAMPLERS:
            raise ValueError(
                f"warm_start: the sampler {self.sampler.name} does not learn from another study's trials; use tpe or gp"
            )
        if len(self.enqueued) > self.budget.trials:
            raise ValueError(
                f"warm_start.enqueue: lists params of {len(self.enqueued)} trials and the budget has "
                f"{self.budget.trials}; list fewer, or raise budget.trials"
            )
        if self.model.kind == "cnn" and len(shape) != 3:
            raise ValueError("model.kind: cnn needs images alone and this dataset is a table; use mlp or digits_images")
        if self.training.class_weights == "balanced" and task == "regression":
            raise ValueError("training.class_weights: a regression has no classes; leave it out")
        if isinstance(self.model, KerasSpec):
            self._check_user_model(self.model)
        return self

    @model_validator(mode="after")
    def _check_resampling(self) -> Self:
        resampling = self.resampling
        options = self.table_options
        time, group = (None, None) if options is None else (options.time, options.group)
        split = resampling.split
        if split == "auto" and time is not None and group is not None:
            raise ValueError("resampling.split: the dataset has a time and a group column; say time or group")
        if (split == "time" and time is None) or (split == "group" and group is None):
            raise ValueError(f"resampling.split: the dataset has no {split} column; name one where it is uploaded")
        if split == "stratified" and self.task == "regression":
            raise ValueError("resampling.split: a regression has no classes to stratify by; use random")
        if self.ordered and self.dataset.facts.time_obstacle:
            raise ValueError(f"resampling.split: {self.dataset.facts.time_obstacle}; use random or stratified")
        if self.ordered and resampling.fits > resampling.folds:
            raise ValueError(f"resampling.repeats: {ONE_DIVISION_BY_TIME}")
        if self.ordered and self.comparison is not None and self.comparison.repeats > 1:
            raise ValueError(f"comparison.repeats: {ONE_DIVISION_BY_TIME}")
        if resampling.kind != "holdout" and (obstacle := self.time_fold_obstacle(resampling)):
            raise ValueError(f"resampling.folds: {obstacle}")
        if resampling.kind != "holdout" and resampling.folds > self.max_folds:
            message = describe_too_many_folds(resampling.folds, self.max_folds)
            raise ValueError(f"resampling.folds: {message}, for every fold needs two rows and one of each class")
        return self

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """What the model looks up or prepares by itself, and so gets as it stands."""
        if not isinstance(self.model, KerasSpec):
            return ()
        graph, row = self.model.graph, self.dataset.facts.shape
        return find_lookups(graph, row) + find_raw_values(graph, row) + find_texts(graph)

    @property
    def division(self) -> Division:
        """The inputs of the model that are parts of a row; empty where its one input is the row."""
        return self.model.division if isinstance(self.model, KerasSpec) else ()

    def _check_user_model(self, model: KerasSpec) -> None:
        facts = self.dataset.facts
        try:
            compatibility.check_fits_dataset(model.graph, facts.shape, facts.task, facts.classes, facts.no_input)
        except ConfigError as error:
            raise ValueError(f"model.config: {error}") from None
        for lookup in self.lookups:
            if reason := _why_not_in_table(lookup, facts):
                raise ValueError(f"model.config: {lookup.location}: {reason}")
        if model.weights is not None:
            self._check_weights(model, model.weights)
        obstacle = find_lane_obstacle(model.graph)
        if self.training.engine == "lanes" and obstacle is not None:
            raise ValueError(f"training.engine: lanes cannot hold this model; use auto or fit. {obstacle}")

    def _check_weights(self, model: KerasSpec, text: str) -> None:
        """Check that each layer has as many weights to start from as it takes."""
        counts = dict(start_weights.count_by_layer(start_weights.unpack(text)))
        try:
            calls = list(sizes.measure_calls(model.graph, self.dataset.facts.shape))
        except ConfigError as error:
            raise ValueError(f"model.config: {error}") from None
        for layer, needed in ((call.layer, call.parameters) for call in calls if call.parameters):
            if (given := counts.pop(layer.name, 0)) != needed:
                raise ValueError(f"model.weights: {layer.location} takes {needed:,} numbers, and they hold {given:,}")
        if counts:
            raise ValueError(f"model.weights: hold '{min(counts)[:100]}', and the model has no layer of this name")


def _why_not_in_table(lookup: Lookup, facts: DatasetFacts) -> str:
    """Say why a layer cannot look up a dataset's values; empty where it can, or only a worker can tell."""
    if facts.highest is None or lookup.size is None or len(lookup.positions) < prod(facts.shape):
        return ""
    if facts.highest < 0:
        return (
            "looks up whole numbers from 0, and this dataset's inputs are others; put a Discretization layer before it"
        )
    if facts.highest >= lookup.size:
        return (
            f"looks up whole numbers below {lookup.size}, and this dataset's go up to {facts.highest}; right is "
            f"{lookup.limit}={facts.highest + 1}"
        )
    return ""
