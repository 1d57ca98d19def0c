"""Errors of requests that do not fit the current state."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from service.errors.service_error import MAX_LISTED, ServiceError
from studies.errors import FieldError
from studies.spec.budget import seconds_text

#: What a study that was accepted can get more of, and its unit.
_EXTENSIBLE = {"budget.trials": "trials", "budget.timeout_seconds": "seconds"}
_NO_LIMIT = "null"


class ConflictError(ServiceError):
    """The request does not fit the current state."""

    status = 409
    title = "Conflict"


class NameInUseError(ConflictError):
    """A study of this name exists."""

    title = "Name in use"
    extension = ""  # flags of `regsweep extend` after which the two would be the same; begin with a blank

    def __init__(self, name: str, differences: Sequence[tuple[str, str, str]] = (), *, is_seen: bool = True) -> None:
        """Name the study, and each field in which it differs: the field, its value there, its value in the new one.

        One that is not seen is another project's, or Optuna's alone, and cannot be deleted.
        """
        self.fields = tuple(FieldError(field, f"{there} there, {here} here") for field, there, here in differences)
        if not differences:
            advice = "choose another name or delete it first" if is_seen else "choose another name"
            super().__init__(f"a study named '{name}' exists; {advice}")
            return
        listed = [f"{wrong.field}: {wrong.message}" for wrong in self.fields]
        if len(listed) > MAX_LISTED:
            listed[MAX_LISTED - 1 :] = [f"and {len(listed) - MAX_LISTED + 1} more"]
        differs = "; ".join(listed)
        super().__init__(f"another study is named '{name}' and differs: {differs}; {_advice(differences)}")
        self.extension = _extension(differences)


def _advice(differences: Sequence[tuple[str, str, str]]) -> str:
    """What to do about another study of the name: go on with it where only its budget differs."""
    if any(field not in _EXTENSIBLE for field, _, _ in differences):
        return "choose another name, or delete that one first"
    grows = _grows(differences)
    amounts = [
        "no time limit" if text == _NO_LIMIT else f"{seconds_text(_amount(text))} {_EXTENSIBLE[field]}"
        for field, text in ((field, here if grows else there) for field, there, here in differences)
    ]
    return f"to go on with it, {'extend it to' if grows else 'ask for'} {' and '.join(amounts)}, or choose another name"


def _extension(differences: Sequence[tuple[str, str, str]]) -> str:
    if any(field not in _EXTENSIBLE for field, _, _ in differences) or not _grows(differences):
        return ""
    flags = {"budget.trials": "--trials", "budget.timeout_seconds": "--timeout-seconds"}
    return "".join(f" {flags[field]} {seconds_text(_amount(here))}" for field, _, here in differences)


def _grows(differences: Sequence[tuple[str, str, str]]) -> bool:
    return all(_amount(here) >= _amount(there) for _, there, here in differences)


def _amount(text: str) -> float:
    return inf if text == _NO_LIMIT else float(text)


class DatasetInUseError(ConflictError):
    """A dataset is deleted while a study is about it."""

    title = "Dataset in use"

    def __init__(self, name: str, studies: Sequence[str]) -> None:
        named = ", ".join(f"'{study}'" for study in studies)
        super().__init__(f"dataset '{name}' is that of the studies {named}; delete those first")


class PreconditionError(ServiceError):
    """If-Match does not name the current version."""

    status = 412
    title = "Precondition failed"


class KeyReusedError(ServiceError):
    """An Idempotency-Key was used for another request."""

    status = 422
    title = "Key reused"

    def __init__(self, idempotency_key: str) -> None:
        super().__init__(
            f"Idempotency-Key '{idempotency_key}' came with another request before; a new request needs a new key"
        )
