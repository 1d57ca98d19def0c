"""The dataset of a study, and the facts of it that are known without loading it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from studies.frozen_model import FEW_FIELDS, AtMost, FrozenModel, IsNumber
from studies.keras_config.input_columns import InputColumn
from studies.objectives import Task
from studies.spec.name import MAX_NAME, normalize
from studies.spec.table import TableFormat, TableOptions

BuiltinName = Literal["breast_cancer", "wine", "iris", "digits", "digits_images", "diabetes"]
SyntheticName = Literal["few_informative", "noisy_labels", "wide", "clean", "sparse_regression"]


#: Bounds of what a profile says, which a study repeats.
_MAX_ROWS, _MAX_SIZE = 10**12, 10**9
_Sentence = Annotated[str, Field(max_length=10_000)]


@dataclass(frozen=True, slots=True)
class FoldLimit:
    """The most folds that rows can be divided into."""

    most: Annotated[int, Field(le=_MAX_ROWS, description="1 where not even two are possible.")]
    why: Annotated[_Sentence, Field(description="Why one more is not possible; empty where it is.")] = ""


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """The facts of a dataset that the service knows before a worker loads it."""

    task: Annotated[Task, Field(description="What is asked of the target.")]
    rows: Annotated[int, Field(ge=0, le=_MAX_ROWS, description="Rows of all parts together.")]
    shape: Annotated[
        tuple[Annotated[int, Field(ge=0, le=_MAX_SIZE)], ...],
        AtMost(3),
        Field(description="Of one row as a model takes it: [inputs] or [height, width, channels]."),
    ]
    classes: Annotated[int, Field(ge=0, le=_MAX_SIZE, description="Number of classes; 0 for a regression.")]
    about: Annotated[_Sentence, Field(description="What the data is, in words.")]
    rarest: Annotated[
        int,
        Field(ge=0, le=_MAX_ROWS, description="Rows of the rarest class; 0 where it is not known, or there are none."),
    ] = 0
    time_obstacle: Annotated[
        _Sentence, Field(description="Why its rows cannot be split in the order of time; empty where they can.")
    ] = ""
    time_folds: Annotated[
        Annotated[FoldLimit, FEW_FIELDS] | None,
        Field(description="Of folds in the order of time; null where it is not known."),
    ] = None
    nested_time_folds: Annotated[
        Annotated[FoldLimit, FEW_FIELDS] | None,
        Field(description="The same where a share of each fold's training rows stops the training."),
    ] = None
    highest: Annotated[
        int | None,
        Field(
            ge=-1,
            lt=2**31,
            description="The highest value where all inputs are whole numbers from 0, which an Embedding can look up; "
            "-1 where some are not, null where it is not known.",
        ),
    ] = None
    no_input: Annotated[
        _Sentence, Field(description="Which columns give a model no input, and why; empty where all do.")
    ] = ""


BUILTIN: dict[BuiltinName, DatasetFacts] = {
    "breast_cancer": DatasetFacts("binary", 569, (30,), 2, "cell nuclei measurements, malignant or benign", highest=-1),
    "wine": DatasetFacts("multiclass", 178, (13,), 3, "chemical analysis of wines of three growers", highest=-1),
    "iris": DatasetFacts("multiclass", 150, (4,), 3, "flower measurements of three species", highest=-1),
    "digits": DatasetFacts("multiclass", 1797, (64,), 10, "handwritten digits as 64 pixel columns", highest=16),
    "digits_images": DatasetFacts(
        "multiclass", 1797, (8, 8, 1), 10, "handwritten digits as 8×8 grey images", highest=16
    ),
    "diabetes": DatasetFacts("regression", 442, (10,), 0, "disease progression after one year", highest=-1),
}


#: Columns of the bundled tables, as scikit-learn names them.
BUILTIN_COLUMNS: Mapping[BuiltinName, tuple[str, ...]] = {
    "iris": ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
    "diabetes": ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
    "digits": tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
    "wine": (
        *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
        *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines"),
        "proline",
    ),
    "breast_cancer": tuple(
        name
        for form in ("mean {}", "{} error", "worst {}")
        for name in map(
            form.format,
            (
                *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity"),
                *("concave points", "symmetry", "fractal dimension"),
            ),
        )
    ),
}


class BuiltinDataset(FrozenModel):
    """A dataset that scikit-learn carries."""

    kind: Literal["builtin"]
    name: BuiltinName = Field(description="Which of scikit-learn's datasets.")

    @property
    def facts(self) -> DatasetFacts:
        """Task, size and meaning."""
        return BUILTIN[self.name]

    @property
    def columns(self) -> tuple[InputColumn, ...]:
        """The columns by name; none of images."""
        return tuple(InputColumn(name, (1,)) for name in BUILTIN_COLUMNS.get(self.name, ()))


@dataclass(frozen=True, slots=True)
class Recipe:
    """The defaults of one kind of synthetic data."""

    task: Task
    rows: int
    features: int
    informative: int
    label_noise: float
    about: str


SYNTHETIC: dict[SyntheticName, Recipe] = {
    "few_informative": Recipe("binary", 1000, 100, 5, 0.0, "few informative features among many"),
    "noisy_labels": Recipe("binary", 300, 30, 10, 0.2, "few rows, a fifth of the labels flipped"),
    "wide": Recipe("binary", 120, 400, 8, 0.0, "more features than rows"),
    "clean": Recipe("binary", 5000, 10, 10, 0.0, "plenty of clean data, nothing to regularize"),
    "sparse_regression": Recipe("regression", 500, 60, 6, 0.1, "a linear target of few features with Gaussian noise"),
}


class SyntheticDataset(FrozenModel):
    """Seeded data whose truth is known; what is left out takes the recipe's default."""

    kind: Literal["synthetic"]
    name: SyntheticName = Field(description="Which recipe.")
    rows: Annotated[int, Field(ge=30, le=1_000_000, strict=True)] | None = Field(None, description="Rows, at least 30.")
    features: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = Field(None, description="Columns.")
    informative: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = Field(
        None, description="Columns the target depends on, at most `features`; the rest are noise."
    )
    label_noise: Annotated[float, Field(ge=0, le=0.5), IsNumber] | None = Field(
        None, description="Share of labels flipped; for a regression, noise as a share of the target's deviation."
    )
    seed: Annotated[int, Field(ge=0, lt=2**32, strict=True)] = Field(
        0, description="Seed of the data, apart from the study's."
    )

    @model_validator(mode="after")
    def _informative_fits(self) -> Self:
        recipe = self.recipe
        if recipe.informative > recipe.features:
            raise ValueError(f"informative: {recipe.informative} is more than features {recipe.features}")
        return self

    @property
    def recipe(self) -> Recipe:
        """The recipe, with the spec's values in place of its defaults."""
        default = SYNTHETIC[self.name]
        features = default.features if self.features is None else self.features
        return Recipe(
            task=default.task,
            rows=default.rows if self.rows is None else self.rows,
            features=features,
            informative=min(default.informative, features) if self.informative is None else self.informative,
            label_noise=default.label_noise if self.label_noise is None else self.label_noise,
            about=default.about,
        )

    @property
    def facts(self) -> DatasetFacts:
        """Task, size and meaning."""
        recipe = self.recipe
        classes = 0 if recipe.task == "regression" else 2
        return DatasetFacts(recipe.task, recipe.rows, (recipe.features,), classes, recipe.about, highest=-1)

    @property
    def columns(self) -> tuple[InputColumn, ...]:
        """The columns by name."""
        return tuple(InputColumn(f"x{index}", (1,)) for index in range(self.recipe.features))


MAX_VERSION = 2**31 - 1  # that a column of the database holds


class UploadedDataset(FrozenModel):  # noqa: PLW1641  # pydantic gives a frozen model its hash
    """A user's own dataset by the name it was uploaded under.

    A user gives the name, and perhaps a version; everything else is filled in by the service that has the file, so that
    a study says all that is known of its data and is about that very file.
    """

    kind: Literal["uploaded"]
    name: Annotated[str, AfterValidator(normalize), Field(min_length=1, max_length=MAX_NAME)] = Field(
        description="The name it was uploaded under."
    )
    version: Annotated[int, Field(ge=1, le=MAX_VERSION, strict=True)] | None = Field(
        None, description="Which upload of the name, counted from 1; the newest when left out."
    )
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(None, description="SHA-256 of the file.")
    format: TableFormat | None = Field(None, description="The file's format.")
    options: TableOptions | None = Field(None, description="What its columns are for.")
    known: Annotated[DatasetFacts, FEW_FIELDS] | None = Field(
        None, description="What its profile says: task, rows, shape of a row, classes."
    )

    _columns: tuple[InputColumn, ...] = PrivateAttr(())

    def with_columns(self, columns: Sequence[InputColumn]) -> Self:
        """The same with its columns, which are not written."""
        described = self.model_copy()
        described._columns = tuple(columns)
        return described

    @property
    def columns(self) -> tuple[InputColumn, ...]:
        """The columns that give inputs, in order, where they are known."""
        return self._columns

    def __eq__(self, other: object) -> bool:
        """Return whether it is the same dataset: one that knows its columns is the one that a study has kept."""
        return isinstance(other, UploadedDataset) and self.__dict__ == other.__dict__

    @model_validator(mode="after")
    def _filled_in(self) -> Self:
        if None in {self.digest, self.format} or self.options is None or self.known is None:
            raise ValueError(
                f"name: only the service that '{self.name}' was uploaded to knows it; send the study there"
            )
        return self

    @property
    def facts(self) -> DatasetFacts:
        """Task, size and meaning."""
        assert self.known is not None  # noqa: S101  # validated
        return self.known


DatasetSpec = Annotated[BuiltinDataset | SyntheticDataset | UploadedDataset, Field(discriminator="kind")]
