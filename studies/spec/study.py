"""StudySpec: the one validated description of a study, as JSON over REST and as YAML on disk."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from studies.keras_config import fitting
from studies.keras_config.errors import ConfigError
from studies.keras_config.lanes import not_held
from studies.objectives import OBJECTIVES, Direction, MonitorName, ObjectiveName, Task, metrics_for
from studies.spec.dataset import DatasetSpec, UploadedDataset
from studies.spec.model import KerasSpec, MlpSpec, ModelSpec
from studies.spec.optimizer import AdamSpec, ConstantSpec, OptimizerSpec, ScheduleSpec
from studies.spec.parameter import Part
from studies.spec.space import SearchSpace

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$"

#: Lanes of a reproducible study that names none, for the machine must not choose them.
REPRODUCIBLE_LANES = 8

SamplerName = Literal["tpe", "random", "gp", "cmaes", "qmc", "nsga2", "nsga3", "grid", "brute_force"]
Technique = Literal["none", "l1", "l2", "elastic_net", "dropout", "early_stopping", "combined"]
TECHNIQUES: tuple[Technique, ...] = get_args(Technique)
PrunerName = Literal[
    "none", "median", "percentile", "successive_halving", "hyperband", "threshold", "patient", "wilcoxon"
]


#: Samplers that learn from whatever trials they are shown.
_LEARNING: frozenset[SamplerName] = frozenset({"tpe", "gp"})


class OptionedPart(Part):
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


class SamplerSpec(OptionedPart):
    """Optuna's sampler; its options (see x-samplers in /v1/schema) stand beside the name."""

    name: SamplerName = Field("tpe", description="Which sampler proposes the next trial.")


class PrunerSpec(OptionedPart):
    """Optuna's pruner; its options (see x-pruners in /v1/schema) stand beside the name."""

    name: PrunerName = Field("none", description="Which pruner ends hopeless trials early; one objective only.")


class EarlyStoppingSpec(Part):
    """When a training ends before its epochs are used up, as keras.callbacks.EarlyStopping; patience is searched."""

    monitor: MonitorName = Field("val_loss", description="What must improve; val_loss is without the penalty.")
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="Least change that counts as an improvement, in the monitor's unit."
    )
    start_from_epoch: Annotated[int, Field(ge=0, le=100_000, strict=True)] = Field(
        0, description="Epochs at the start that are not watched."
    )
    restore_best_weights: bool = Field(True, description="Judge and keep the best epoch's weights, not the last's.")


Division = Literal["auto", "random", "stratified", "group", "time"]


def _test_rows(rows: int) -> int:
    """The fewest of some rows that stand in the test part, a fifth."""
    return rows // 5


class Resampling(Part):
    """On which rows a trial is judged; the test part is never among them."""

    kind: Literal["holdout", "kfold", "repeated_kfold", "nested_kfold"] = Field(
        "holdout",
        description="holdout: one validation part; kfold: a trial is trained once a fold and its value is the mean; "
        "repeated_kfold: the same over several random divisions into folds; nested_kfold: as repeated_kfold, and early "
        "stopping watches a fifth of the training rows instead of the fold that judges it.",
    )
    folds: Annotated[int, Field(ge=2, le=100, strict=True)] = Field(5, description="Folds of a division.")
    repeats: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        5, description="Divisions into folds; for repeated_kfold and nested_kfold."
    )

    split: Division = Field(
        "auto",
        description="How rows are divided, into the test part and into folds. random; stratified: each class has its "
        "share of every part; group: no group stands on two sides; time: training rows come before those that judge, "
        "folds grow. auto: as the dataset's `time` or `group` says, else stratified, or random for a regression.",
    )

    @property
    def fits(self) -> int:
        """Trainings of one trial."""
        return {"holdout": 1, "kfold": self.folds}.get(self.kind, self.folds * self.repeats)

    @property
    def nested(self) -> bool:
        """Whether what judges a training is not what stops it."""
        return self.kind == "nested_kfold"


class ComparisonSpec(Part):
    """Which regularization to use: techniques searched one by one, confirmed on many folds, and compared."""

    techniques: Annotated[tuple[Technique, ...], Field(min_length=2)] | None = Field(
        None, description="What is compared, by default all that `space` does not exclude; combined is the whole of it."
    )
    trials_per_technique: Annotated[int, Field(ge=1, le=10_000, strict=True)] = Field(
        30, description="Trials that each technique is searched with."
    )
    repeats: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        5, description="Random divisions into folds on which each technique's best parameters are confirmed."
    )
    folds: Annotated[int, Field(ge=2, le=20, strict=True)] = Field(5, description="Folds of each division.")
    cocktails: bool = Field(
        True,
        description="Whether mixtures are confirmed beside the techniques: everything combined with a part left out, "
        "the best technique with a part added.",
    )
    racing: bool = Field(
        True, description="Whether what has surely lost is given no more folds; false trains every candidate on all."
    )
    deliver: Literal["refit", "folds", "split"] = Field(
        "folds",
        description="The model of the recommended technique that people take away. folds: the mean of models trained "
        "on the folds, in one Keras model; refit: one trained on all rows, for as many epochs as on the folds; split: "
        "the one that is trained on the study's own split, as of every candidate.",
    )
    rope: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None,
        description="Region of practical equivalence: a difference of the first objective up to this much does not "
        "matter; 0.01 when left out, for val_mae, epochs and nonzero_weights a hundredth of the best mean.",
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.techniques is not None and len(set(self.techniques)) < len(self.techniques):
            raise ValueError("techniques: lists a technique twice; each must stand once")
        return self


class WarmStartSpec(Part):
    """Another study whose complete trials the sampler knows from the start; they cost none of the budget."""

    study: str = Field(description="Its name; of the same objectives, with trials in this study's space.")


class Budget(Part):
    """How much a study may cost."""

    trials: Annotated[int, Field(ge=1, le=100_000, strict=True)] = Field(
        50, description="Trials: exactly so many are run, whatever the number of workers."
    )
    epochs: Annotated[int, Field(ge=1, le=100_000, strict=True)] = Field(100, description="Most epochs a trial trains.")
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Seconds from the first trial's start until the study is ended with what it has."
    )
    max_failed_trials: Annotated[int, Field(ge=0, le=100_000, strict=True)] | None = Field(
        None, description="Failed trials that are borne; one more and the study is failed."
    )
    max_attempts: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        3,
        description="Attempts at a trial whose worker is lost, hangs or runs out of memory, or that fails for a reason "
        "that may pass; then the trial is FAIL. An attempt that got further, by its checkpoint, starts the count anew.",
    )


class Training(Part):
    """How trials are trained."""

    engine: Literal["auto", "lanes", "fit"] = Field(
        "auto",
        description="lanes trains many trials in one compiled program, fit one after another by keras.Model.fit; auto "
        "takes lanes where they can hold the study.",
    )
    lanes: Annotated[int, Field(ge=1, le=1024, strict=True)] | None = Field(
        None, description="Lanes of a worker's program; chosen when left out."
    )
    optimizer: OptimizerSpec = Field(
        default_factory=AdamSpec, description="Keras' optimizer; its learning rate is searched or fixed in `space`."
    )
    schedule: ScheduleSpec = Field(
        default_factory=ConstantSpec, description="How the learning rate goes on from its initial value."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="balanced: a training row counts as much as its class is rare, so that all classes count the same; "
        "what is measured is not weighted.",
    )


class StudySpec(Part):
    """A study: which regularization suits this dataset and this architecture?"""

    name: Annotated[str, Field(pattern=NAME_PATTERN)] | None = Field(
        None, description="The study's key: 1 to 100 letters, digits, blanks, dots, _ or -; made up when left out."
    )
    dataset: DatasetSpec = Field(
        description="The data: {kind: builtin, name}, {kind: synthetic, name, …} or {kind: uploaded, name}."
    )
    model: ModelSpec = Field(
        default_factory=MlpSpec,
        description="The architecture: {kind: mlp, …}, {kind: cnn, …} or {kind: keras, config}.",
    )
    space: SearchSpace = Field(default_factory=SearchSpace, description="What is searched.")
    objectives: Annotated[tuple[ObjectiveName, ...], Field(min_length=1, max_length=4)] = Field(
        ("val_loss",), description="What is optimised, each in its own direction; several give a Pareto front."
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
    warm_start: WarmStartSpec | None = Field(None, description="Another study to learn from; for tpe and gp.")
    priority: Annotated[int, Field(ge=-1000, le=1000, strict=True)] = Field(
        0, description="Workers serve the studies of the highest priority first, and those of the same in turns."
    )
    seed: Annotated[int, Field(ge=0, lt=2**32, strict=True)] = Field(
        0, description="Seed of the splits, the sampler, initial weights, data order and dropout."
    )

    reproducible: bool = Field(
        False,
        description="The same table of trials for any number of workers, on machines with the same processor: trials "
        "are asked in generations of twice `training.lanes` (8), each ended before the next is asked.",
    )

    @property
    def generation(self) -> int:
        """Trials of a reproducible study that are asked before any of them is told: two fillings of the lanes."""
        return 2 * (self.training.lanes or REPRODUCIBLE_LANES)

    @property
    def task(self) -> Task:
        """What the dataset asks for."""
        return self.dataset.facts.task

    @property
    def ordered(self) -> bool:
        """Whether rows are divided in the order of time."""
        options = self.dataset.options if isinstance(self.dataset, UploadedDataset) else None
        split = self.resampling.split
        return split == "time" or (split == "auto" and options is not None and options.time is not None)

    @property
    def most_folds(self) -> int:
        """Folds that there are rows for, as far as is known before the dataset is loaded."""
        facts, split = self.dataset.facts, self.resampling.split
        options = self.dataset.options if isinstance(self.dataset, UploadedDataset) else None
        by_class = split == "stratified" or (
            split == "auto" and (options is None or not (options.time or options.group))
        )
        halves = (facts.rows - _test_rows(facts.rows)) // 2
        return min(halves, facts.rarest - _test_rows(facts.rarest)) if by_class and facts.rarest else halves

    @property
    def weighted(self) -> bool:
        """Whether training rows count differently."""
        options = self.dataset.options if isinstance(self.dataset, UploadedDataset) else None
        return self.training.class_weights == "balanced" or (options is not None and options.weight is not None)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The direction of each objective."""
        return tuple(OBJECTIVES[name].direction for name in self.objectives)

    def named(self, name: str) -> Self:
        """The same study under another name."""
        return self.model_copy(update={"name": name})

    @field_validator("space")
    @classmethod
    def _sized(cls, space: SearchSpace, info: ValidationInfo) -> SearchSpace:
        model = info.data.get("model")  # none when it is wrong itself
        return space if model is None else space.sized(model.regularized_layers)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        task, shape = self.task, self.dataset.facts.shape
        known = metrics_for(task)
        for field, names in (
            ("objectives", self.objectives),
            ("early_stopping.monitor", (self.early_stopping.monitor,)),
        ):
            for name in names:
                if name not in known:
                    raise ValueError(
                        f"{field}: {name} is not defined for a {task} task; choose from {', '.join(known)}"
                    )
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("objectives: the same objective stands twice; name each once")
        if self.training.engine == "lanes" and not self.space.batch_sizes:
            raise ValueError(
                "space.batch_size: lanes need a fixed batch size or a list, for each size is a program of its own; "
                "list the sizes, or use training.engine: fit"
            )
        if self.warm_start is not None and self.sampler.name not in _LEARNING:
            raise ValueError(
                f"warm_start: the sampler {self.sampler.name} does not learn from another study's trials; use tpe or gp"
            )
        if self.model.kind == "cnn" and len(shape) != 3:
            raise ValueError("model.kind: cnn needs images and this dataset is a table; use mlp or digits_images")
        if self.training.class_weights == "balanced" and task == "regression":
            raise ValueError("training.class_weights: a regression has no classes; leave it out")
        if isinstance(self.model, KerasSpec):
            self._own_model_fits(self.model)
        return self

    @model_validator(mode="after")
    def _rows_divide(self) -> Self:
        how = self.resampling
        uploaded = self.dataset if isinstance(self.dataset, UploadedDataset) else None
        options = None if uploaded is None else uploaded.options
        time, group = (None, None) if options is None else (options.time, options.group)
        split = how.split
        if split == "auto" and time is not None and group is not None:
            raise ValueError("resampling.split: the dataset has a time and a group column; say time or group")
        if (split == "time" and time is None) or (split == "group" and group is None):
            raise ValueError(f"resampling.split: the dataset has no {split} column; name one where it is uploaded")
        if split == "stratified" and self.task == "regression":
            raise ValueError("resampling.split: a regression has no classes to stratify by; use random")
        if self.ordered and how.fits > how.folds:
            raise ValueError("resampling.repeats: in the order of time rows are divided in one way only; use 1")
        if self.ordered and self.comparison is not None and self.comparison.repeats > 1:
            raise ValueError("comparison.repeats: in the order of time rows are divided in one way only; use 1")
        if how.kind != "holdout" and how.folds > self.most_folds:
            raise ValueError(
                f"resampling.folds: the rows beside the test part cannot be divided into {how.folds} folds; use at "
                f"most {self.most_folds}, for every fold needs two rows and one of each class"
            )
        return self

    def _own_model_fits(self, model: KerasSpec) -> None:
        facts = self.dataset.facts
        try:
            fitting.check(model.graph, facts.shape, facts.task, facts.classes)
        except ConfigError as error:
            raise ValueError(f"model.config: {error}") from None
        why = not_held(model.graph)
        if self.training.engine == "lanes" and why is not None:
            raise ValueError(f"training.engine: lanes cannot hold this model; use auto or fit. {why}")
