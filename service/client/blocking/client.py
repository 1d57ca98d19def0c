"""The client: every operation of the REST API as a method."""

from __future__ import annotations

import httpx

from service.client.blocking.comparisons import ComparisonCalls
from service.client.blocking.datasets import DatasetCalls
from service.client.blocking.following import FollowingCalls
from service.client.blocking.results import ResultCalls
from service.client.blocking.sessions import SessionCalls
from service.client.blocking.trials import TrialCalls
from service.client.keras_models import model_file
from service.schemas.health import HealthView
from service.schemas.models import ModelView


class Client(FollowingCalls, TrialCalls, ComparisonCalls, ResultCalls, DatasetCalls, SessionCalls):
    """The REST API of one server.

    Every method raises a ServiceError, or an InvalidSpecError that names the wrong fields, when the server refuses, and
    UnreachableError when none answers.
    """

    def health(self) -> HealthView:
        """The server's version, as soon as it answers."""
        return self._read(HealthView, "GET", "/healthz")

    def is_healthy(self) -> bool:
        """Return whether the server answers."""
        try:
            answer = self._http.get("/healthz")
        except httpx.TransportError:
            return False
        return answer.is_success

    def read_model(self, model: object) -> ModelView:
        """Read a keras.Model, or a .json or .keras file by its path, as a study takes it; nothing is kept."""
        content = model_file(model)
        headers = {"Content-Type": "application/octet-stream"}
        return self._read(ModelView, "POST", "/v1/models/read", content=content, headers=headers)
