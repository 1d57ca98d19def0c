"""The client: every operation of the REST API as a method."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from service.client.answers import refusal
from service.client.blocking.comparisons import ComparisonCalls
from service.client.blocking.datasets import DatasetCalls
from service.client.blocking.following import FollowingCalls
from service.client.blocking.projects import ProjectCalls
from service.client.blocking.results import ResultCalls
from service.client.blocking.sessions import SessionCalls
from service.client.blocking.trials import TrialCalls
from service.client.blocking.webhooks import WebhookCalls
from service.client.keras_models import model_file
from service.errors import UnreachableError
from service.schemas.health import HealthView, ReadinessView
from service.schemas.models import ModelView


class Client(
    FollowingCalls, TrialCalls, ComparisonCalls, ResultCalls, DatasetCalls, ProjectCalls, SessionCalls, WebhookCalls
):
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

    def readiness(self, exclude: Sequence[str] = ()) -> ReadinessView:
        """What the server's checks find, without those to `exclude`; a server that is not ready says so here too."""
        try:
            answer = self._http.get("/readyz", params={"exclude": list(exclude)})
        except httpx.TransportError as error:
            raise UnreachableError(self.url, str(error) or type(error).__name__) from error
        if answer.status_code not in {200, 503}:
            raise refusal(answer)
        return ReadinessView.model_validate_json(answer.content)

    def read_model(self, model: object, *, weights: bool = False) -> ModelView:
        """Read a keras.Model, or a .json or .keras file by its path, as a study takes it; nothing is kept.

        With `weights` the study's model has them too, and its trials start from them.
        """
        content, params = model_file(model, weights=weights), {"weights": weights}
        headers = {"Content-Type": "application/octet-stream"}
        return self._read(ModelView, "POST", "/v1/models/read", params=params, content=content, headers=headers)
