"""Datasets: bundled, synthetic and uploaded."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Json

from service.names import DEFAULT_PROJECT
from studies.datasets.profile import DatasetProfile, InputsProfile
from studies.objectives import Task
from studies.spec.name import NAME_RULE, Name
from studies.spec.table import TableFormat, TableOptions

DatasetKind = Literal["uploaded", "builtin", "synthetic"]


class DatasetView(BaseModel):
    """A dataset that a study can name."""

    kind: DatasetKind = Field(
        description="As a study says it: uploaded here, of scikit-learn, or made by a recipe of ours."
    )
    name: str
    project: str | None = Field(None, description="The project that it belongs to; null of what is no upload.")
    version: int | None = Field(description="The newest, which the name means; None of what is no upload.")
    task: str
    rows: int
    shape: list[int] = Field(description="Of one row: [features], or [height, width, channels].")
    classes: int = Field(description="Number of classes; 0 for a regression.")
    about: str


class DatasetVersion(BaseModel):
    """One upload under a dataset's name."""

    name: str
    project: str = Field(DEFAULT_PROJECT, description="The project that it belongs to.")
    version: int = Field(description="Counted from 1; the highest is the newest, which the name alone means.")
    digest: str = Field(description="SHA-256 of the file.")
    bytes: int
    format: TableFormat
    options: TableOptions
    created_by: str | None = Field(
        None, description="Name of the key that it was uploaded with; null where no key was needed."
    )
    created_at: datetime


class DatasetDetail(DatasetVersion):
    """A version of an uploaded dataset, with what its rows hold."""

    kind: Literal["uploaded"] = "uploaded"
    profile: DatasetProfile


class FileProfile(BaseModel):
    """A file as a dataset would be read from it; nothing of it is kept."""

    name: str = Field(description="The name that the dataset would get.")
    version: None = Field(None, description="Null: it is no dataset.")
    digest: str = Field(description="SHA-256 of the file.")
    bytes: int
    format: TableFormat
    options: dict[str, Any] = Field(description="What its columns are for; the target is null where none was named.")
    target: str | None
    suggested_target: str | None = Field(description="Where none was named, the column that is likely the target.")
    profile: DatasetProfile | InputsProfile = Field(
        description="As of a dataset; without a target only its rows, columns, warnings, delimiter and encoding."
    )


class UploadOptions(BaseModel):
    """What a request says of the file that it uploads, in its query or in its form."""

    model_config = ConfigDict(extra="forbid")

    target: str | None = Field(None, description="The column to predict; needed.")
    name: Name | None = Field(
        None, description=f"{NAME_RULE}; made of the file's name, or of target and digest, when left out."
    )
    project: str | None = Field(
        None,
        description="That the dataset belongs to; left out, that of its earlier versions, else the key's only one, "
        "else default.",
    )
    task: Task | None = Field(None, description="Inferred from the target column when left out.")
    ignore: list[str] = Field(default_factory=list, description="Columns that are not read; may be repeated.")
    weight: str | None = Field(None, description="The column with the weight of each row.")
    group: str | None = Field(None, description="The column whose equal values stay in one part of a split.")
    time: str | None = Field(None, description="The column that orders the rows in time.")
    format: TableFormat | None = Field(
        None, description="Of the file; taken from its Content-Type, then from its name, when left out."
    )

    encoding: str | None = Field(
        None, description="Of a text, as cp1252; taken from its Content-Type's charset, or seen from it, when left out."
    )
    sheet: str | None = Field(None, description="Of a workbook; the first that is shown when left out.")
    columns: Json[dict[str, Any]] | None = Field(
        None,
        description="How columns are to be read, JSON: an object with the name of each and its ColumnOptions: kind "
        "(number, category, date, text or ignore), format, missing, decimal, thousands, merge_spellings.",
        examples=['{"when": {"kind": "date", "format": "%d/%m/%Y"}}'],
    )
    drop_missing_target: bool = Field(False, description="Rows without a target are left out.")
    drop_rare_classes: bool = Field(False, description="Rows whose class has fewer than 5 rows are left out.")

    @property
    def table_options(self) -> dict[str, Any]:
        """What is said of the columns, without what is not said."""
        return self.model_dump(exclude={"name", "format", "project"}, exclude_none=True)
