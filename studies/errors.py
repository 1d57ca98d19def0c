"""The errors that this package raises on purpose.

StudiesError
├── InvalidSpecError      a study that cannot be accepted; names every field that is wrong
│   └── InvalidImportError another program's search that has parts without a meaning here; names them
├── DatasetError          a dataset that cannot be loaded, split or prepared
│   └── InvalidTableError a file that cannot be read as the table its options describe; names the row or column
├── TrainingError         a trial whose training cannot give a result
│   └── DivergedError     a loss that became NaN or infinite
├── OutOfMemoryError      trials that did not fit into the memory together
├── EngineError           a study that this machine cannot train as it asks for
├── ParamsMissingError    a trial that was opened no longer has its params
├── NumberTakenError      another worker opened a trial of this number first
└── LeaseLostError        this worker no longer owns the trial
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

#: Errors that one refusal names; it says how many more there are.
MAX_ERRORS = 50
_MAX_FIELD, MAX_MESSAGE = 200, 1000  # characters


class StudiesError(Exception):
    """Parent of all errors of `studies`."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """The error of one field, and what would be right."""

    field: str
    message: str


def bounded(errors: Iterable[FieldError]) -> tuple[FieldError, ...]:
    """The first errors, each of a bounded length, and a last one that says how many more there are."""
    errors = tuple(errors)
    if len(errors) > MAX_ERRORS + 1:  # or the last is of `count_more` already
        errors = (*errors[:MAX_ERRORS], count_more(len(errors) - MAX_ERRORS))
    return tuple(FieldError(shorten(each.field, _MAX_FIELD), shorten(each.message, MAX_MESSAGE)) for each in errors)


def count_more(count: int) -> FieldError:
    """The last error of a refusal that does not name all."""
    return FieldError("", f"and {count:,} more")


def shorten(text: str, length: int) -> str:
    """Cut a text that is longer, in its middle."""
    half = length // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-(length - half - 1) :]}"


class InvalidSpecError(StudiesError):
    """A study description that cannot be accepted."""

    status = 422  # of the answer to it
    title = "Invalid study"  # of that answer

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = bounded(errors)
        super().__init__("; ".join(f"{e.field}: {e.message}" if e.field else e.message for e in self.errors))

    @property
    def fields(self) -> tuple[FieldError, ...]:
        """The same errors, under the name that they have in every error of a request."""
        return self.errors


class InvalidImportError(InvalidSpecError):
    """Another program's search that cannot become a study.

    `options` are those of `regsweep import` with which the rest of it may become one.
    """

    def __init__(self, errors: Iterable[FieldError], options: tuple[str, ...] = ()) -> None:
        self.options = options
        super().__init__(errors)


class DatasetError(StudiesError):
    """A dataset that cannot be loaded, split or prepared."""


class InvalidTableError(DatasetError):
    """A file that cannot be read as the table its options describe."""

    def __init__(
        self, message: str, *, row: int | None = None, column: str | None = None, option: str | None = None
    ) -> None:
        self.row, self.column = row, column  # of the error; the message says it too
        self.option = option  # the invalid field of TableOptions, if it is one
        super().__init__(message)


class TrainingError(StudiesError):
    """A trial whose training cannot give a result."""


class DivergedError(TrainingError):
    """A loss that became NaN or infinite."""

    @classmethod
    def of(cls, name: str, value: float, epoch: int) -> Self:
        """Name the loss and its epoch, counted from 1."""
        return cls(f"{name} became {value} in epoch {epoch}; a smaller learning rate or λ may help")


class EngineError(StudiesError):
    """A study that this machine cannot train as it asks for."""


class OutOfMemoryError(StudiesError):
    """Trials that did not fit into the memory together."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out; TensorFlow's error is known by its name, as most never load TensorFlow."""
    return isinstance(error, MemoryError | OutOfMemoryError) or type(error).__name__ == "ResourceExhaustedError"


class NumberTakenError(StudiesError):
    """Another worker opened a trial of this number first; ask again with its trial in view."""


class ParamsMissingError(StudiesError):
    """A trial that an earlier attempt opened no longer has its params: another program removed them."""


class LeaseLostError(StudiesError):
    """This worker no longer owns the trial: its lease ran out or its study was deleted."""


class RawRowsWarning(UserWarning):
    """A column whose texts a raw-rows model matches less well than the zip that it was converted from."""
