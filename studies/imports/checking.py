"""Makes a study's document of what was placed, and checks it as any study is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from studies.errors import FieldError, InvalidImportError, InvalidSpecError
from studies.imports.imported import LeftOut
from studies.imports.options import leaving_out
from studies.spec.study import StudySpec

#: Checks a document, as `study_file.parse` does.
Check = Callable[[Mapping[str, Any]], StudySpec]


def document_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Nest fields by their paths: `space.dropout` stands in `space`."""
    document: dict[str, Any] = {}
    for path, value in fields.items():
        *parents, name = path.split(".")
        node = document
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return document


def refuse(refused: Iterable[LeftOut]) -> None:
    """Raise InvalidImportError with each part that has no meaning here, if there are any."""
    refused = list(refused)
    if refused:
        raise _refusal(refused)


def _refusal(refused: Sequence[LeftOut]) -> InvalidImportError:
    options = tuple(dict.fromkeys(each.option for each in refused if each.option))
    return InvalidImportError([FieldError(each.name, _with_option(each)) for each in refused], options)


def _with_option(each: LeftOut) -> str:
    return each.reason if not each.option or each.option in each.reason else f"{each.reason}: {each.option}"


def check_study(document: Mapping[str, Any], sources: Mapping[str, str], check: Check) -> StudySpec:
    """Check a study, and name each wrong field as the other program does.

    Raises InvalidImportError with every field that no study has so.
    """
    try:
        return check(document)
    except InvalidSpecError as error:
        raise _refusal([_in_their_words(each, sources) for each in error.errors]) from error


def _in_their_words(error: FieldError, sources: Mapping[str, str]) -> LeftOut:
    parts = error.field.split(".")
    paths = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    name = next((sources[path] for path in paths if path in sources), None)
    if name is None:
        return LeftOut(error.field, error.message)
    reason = f"as {error.field}: {error.message}"
    if ", " in name or " and " in name:  # of several
        return LeftOut(name, reason)
    return LeftOut(name, f"{reason}; change it in the file, or leave it out", leaving_out(name))
