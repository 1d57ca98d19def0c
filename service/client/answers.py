"""Requests and answers as values: paths, query parameters, and the error that a refusal stands for."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from service import errors
from service.errors import RefusedError, ServiceError, UnreachableError
from studies.errors import FieldError, InvalidSpecError, RawRowsWarning

_INVALID = 422
#: Answers while the server, or its database, is away; a proxy gives the first and the last of a server that restarts.
AWAY = frozenset({502, 503, 504})
_KINDS = {"/v1/datasets/": "dataset", "/v1/projects/": "project", "/v1/sessions/": "session"}  # else a study


def _kinds(parent: type[ServiceError]) -> list[type[ServiceError]]:
    return [parent, *(kind for child in parent.__subclasses__() for kind in _kinds(child))]


#: The classes of errors by their titles and, for an answer whose title is none of ours, by its status.
_BY_TITLE = {kind.title: kind for kind in _kinds(ServiceError) if kind is not ServiceError and "title" in vars(kind)}
_BY_STATUS: dict[int, type[ServiceError]] = {
    400: errors.BadRequestError,
    401: errors.UnauthenticatedError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    412: errors.PreconditionError,
    413: errors.TooLargeError,
    429: errors.RateLimitedError,
    503: errors.StorageError,
}


def fill(template: str, **parts: object) -> str:
    """Fill a path's names in, as `/v1/studies/{name}`.

    Raises NotFoundError when a name would lead the path elsewhere, or holds half a character, which no path can.
    """
    for part in map(str, parts.values()):
        if part in {"", ".", ".."} or "/" in part or not _is_whole(part):
            kind = next((kind for start, kind in _KINDS.items() if template.startswith(start)), "study")
            raise errors.NotFoundError(f"there is no {kind} named '{part}'")
    return template.format(**{name: quote(str(part), safe="") for name, part in parts.items()})


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def query(**parameters: Any) -> dict[str, Any]:
    """Query parameters, without those that are left out; a mapping is sent as JSON."""
    given = {name: value for name, value in parameters.items() if value is not None and value not in ((), [], {})}
    return {name: json.dumps(value) if isinstance(value, Mapping) else value for name, value in given.items()}


def refusal(response: httpx.Response) -> ServiceError | InvalidSpecError:
    """The error that a refusing answer stands for, in the server's words."""
    status = response.status_code
    try:
        problem = response.json()
        detail, wrong = str(problem["detail"]), problem.get("errors", [])
        fields = [FieldError(str(one["field"]), str(one["message"])) for one in wrong]
    except (ValueError, KeyError, TypeError):
        return _of_another(response)
    kind = _BY_TITLE.get(str(problem.get("title")), _BY_STATUS.get(status, RefusedError))
    if status == _INVALID and fields and kind is RefusedError:
        return InvalidSpecError(fields)
    error = kind.told(detail, status, fields)
    seconds = response.headers.get("retry-after", "")
    if isinstance(error, errors.RateLimitedError) and seconds.isdecimal():
        error.retry_after = int(seconds)
    return error


def _of_another(response: httpx.Response) -> ServiceError:
    """The error that a proxy's page stands for, or the answer of another server than regsweep's."""
    status, asked = f"{response.status_code} {response.reason_phrase}", response.request.url
    if response.has_redirect_location:
        text = f"{asked} leads to {response.headers['location']}; name the server by where that is"
    elif response.status_code in AWAY:
        return UnreachableError.told(f"no server behind {asked} (a proxy answered {status})", response.status_code)
    elif "html" in response.headers.get("content-type", ""):
        text = f"{asked} is not regsweep's ({status}); give the URL with the path under which a proxy shows it"
    else:
        text = f"the server answered {status}: {response.text[:200]}"
    return RefusedError.told(text, response.status_code)


def warn_of_model(answer: httpx.Response) -> None:
    """Warn of what a model of raw rows that the server converted does less well than the zip."""
    for sentence in json.loads(answer.headers.get("Regsweep-Warnings", "[]")):
        warnings.warn(sentence, RawRowsWarning, stacklevel=4)
