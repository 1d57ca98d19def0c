"""A client of the REST API for the command line and for scripts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote
from uuid import uuid4

import httpx

from service.api_keys import ApiKey
from service.errors import RefusedError
from service.schemas.comparisons import ComparisonView
from service.schemas.datasets import DatasetDetail, DatasetVersion, DatasetView
from service.schemas.studies import StudyView
from service.schemas.trials import BestTrialsView, TrialView
from service.settings import Settings

StudyAction = Literal["pause", "resume", "stop"]

_UNAUTHORIZED, _UNAVAILABLE = 401, 503
_RETRY_SECONDS = 0.5


class Client:
    """The REST API of one server.

    Every method raises RefusedError when the server refuses or does not answer. A server that has answered before is
    waited for, up to `patience_seconds`: it is restarting, or its database is.
    """

    def __init__(
        self, url: str, key: str | None = None, timeout_seconds: float = 30.0, patience_seconds: float = 60.0
    ) -> None:
        self._url, self._patience_seconds = url, patience_seconds
        self._has_answered = False
        self._timeout_seconds = timeout_seconds
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def is_healthy(self) -> bool:
        """Return whether the server answers."""
        try:
            return self._http.get("/healthz").is_success
        except httpx.TransportError:
            return False

    def submit(self, spec: Mapping[str, Any]) -> StudyView:
        """Submit a study; it is accepted once, even when an answer is lost."""
        headers = {"Idempotency-Key": uuid4().hex}
        return StudyView.model_validate(self._call("POST", "/v1/studies", json=spec, headers=headers))

    def add_dataset(self, file: Path, options: Mapping[str, Any]) -> DatasetDetail:
        """Upload a file as a dataset in a stream; `options` are the query parameters of POST /v1/datasets."""
        return self.add_dataset_or_find(file, options)[0]

    def add_dataset_or_find(self, file: Path, options: Mapping[str, Any]) -> tuple[DatasetDetail, bool]:
        """Upload a file as `add_dataset` does; return also whether its dataset is new, and was not there before."""
        given = {name: value for name, value in options.items() if value not in (None, (), [], {})}
        params = {name: json.dumps(value) if isinstance(value, Mapping) else value for name, value in given.items()}
        with file.open("rb") as content:
            # The server reads a large file before it answers, which takes longer than any other answer.
            timeout = httpx.Timeout(self._timeout_seconds, read=None)
            answer = self._answer("POST", "/v1/datasets", params=params, content=content, timeout=timeout)
        return DatasetDetail.model_validate_json(answer.content), answer.status_code == HTTPStatus.CREATED

    def datasets(self) -> list[DatasetView]:
        """The datasets that a study can name."""
        return [DatasetView.model_validate(item) for item in self._call("GET", "/v1/datasets")]

    def dataset_versions(self, name: str) -> list[DatasetVersion]:
        """What was uploaded under a dataset's name, newest first."""
        path = f"/v1/datasets/{quote(name, safe='')}/versions"
        return [DatasetVersion.model_validate(item) for item in self._call("GET", path)]

    def delete_dataset(self, name: str, version: int | None = None) -> None:
        """Delete an uploaded dataset with all its versions, or one version."""
        params = {} if version is None else {"version": version}
        self._answer("DELETE", f"/v1/datasets/{quote(name, safe='')}", params=params)

    def export(self, name: str, technique: str | None = None) -> bytes:
        """A model with its preprocessing, a zip: the best trial's, or a compared technique's."""
        if technique is None:
            return self._answer("GET", f"{_path(name)}/export").content
        return self._answer("GET", f"{_path(name)}/comparison/export", params={"technique": technique}).content

    def study(self, name: str) -> StudyView:
        """One study."""
        return StudyView.model_validate(self._call("GET", _path(name)))

    def find(self, name: str) -> StudyView | None:
        """One study, None when it does not exist."""
        try:
            return self.study(name)
        except RefusedError as error:
            if error.response_status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def compare(self, name: str, comparison: Mapping[str, Any]) -> ComparisonView:
        """Begin a study's comparison; fields left out of `comparison` take their defaults."""
        return ComparisonView.model_validate(self._call("POST", f"{_path(name)}/comparison", json=dict(comparison)))

    def set_state(self, name: str, action: StudyAction) -> StudyView:
        """Pause, resume or stop a study."""
        return StudyView.model_validate(self._call("POST", f"{_path(name)}/{action}"))

    def delete(self, name: str, *, force: bool) -> None:
        """Delete a study with all its trials."""
        self._answer("DELETE", _path(name), params={"force": force})

    def studies(self) -> Iterator[StudyView]:
        """All studies, newest first."""
        return (StudyView.model_validate(item) for item in self._pages("/v1/studies"))

    def trials(self, name: str) -> Iterator[TrialView]:
        """All trials of a study, by number."""
        return (TrialView.model_validate(item) for item in self._pages(f"{_path(name)}/trials"))

    def best(self, name: str) -> list[TrialView]:
        """The best trial or the Pareto front."""
        return BestTrialsView.model_validate(self._call("GET", f"{_path(name)}/best")).items

    def comparison(self, name: str) -> ComparisonView:
        """A study's comparison."""
        return ComparisonView.model_validate(self._call("GET", f"{_path(name)}/comparison"))

    def report(self, name: str) -> str:
        """A study's report, an HTML page."""
        return self._answer("GET", f"{_path(name)}/report").text

    def model(self, name: str, technique: str | None = None) -> bytes:
        """A trained model, a .keras file: the best trial's, or a compared technique's."""
        if technique is None:
            return self._answer("GET", f"{_path(name)}/model").content
        return self._answer("GET", f"{_path(name)}/comparison/model", params={"technique": technique}).content

    def snippet(self, name: str, technique: str | None = None) -> str:
        """Keras code of the best trial, or of a compared technique."""
        params = {} if technique is None else {"technique": technique}
        return self._answer("GET", f"{_path(name)}/snippet", params=params).text

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        params: dict[str, str] = {}
        while True:
            page = self._call("GET", path, params=params)
            yield from page["items"]
            if page["next"] is None:
                return
            params = {"cursor": page["next"]}

    def _call(self, method: str, path: str, **request: Any) -> Any:
        return self._answer(method, path, **request).json()

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request and return a successful response, after repeating it while the server is away."""
        # A POST is done once only when an Idempotency-Key stands in its headers.
        repeatable = method != "POST" or "headers" in request
        deadline = time.monotonic() + (self._patience_seconds if repeatable and self._has_answered else 0.0)
        while True:
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                if time.monotonic() >= deadline:
                    raise RefusedError(
                        f"no server at {self._url} ({error}); start one with `regsweep serve`, or name it with --server"
                    ) from error
            else:
                self._has_answered = True
                if response.is_success:
                    return response
                if response.status_code != _UNAVAILABLE or time.monotonic() >= deadline:
                    raise RefusedError(_reason(response), response.status_code)
            time.sleep(_RETRY_SECONDS)


def _path(name: str) -> str:
    return f"/v1/studies/{quote(name, safe='')}"


def api_key_of(settings: Settings) -> str | None:
    """The API key to send.

    Raises RefusedError when the setting is not a key.
    """
    if settings.key is None:
        return None
    text = settings.key.get_secret_value()
    if ApiKey.parse(text) is None:
        raise RefusedError("REGSWEEP_KEY: holds no key; give one whole, as `regsweep keys create` printed it")
    return text


def _reason(response: httpx.Response) -> str:
    try:
        problem = response.json()
    except ValueError:
        return f"the server answered {response.status_code}: {response.text[:200]}"
    if response.status_code == _UNAUTHORIZED:
        return f"{problem['detail'].partition(';')[0]}; give one with --key, REGSWEEP_KEY or REGSWEEP_KEY_FILE"
    errors = [f"{error['field']}: {error['message']}".removeprefix(": ") for error in problem.get("errors", [])]
    return "\n".join(errors or [str(problem.get("detail", problem))])
