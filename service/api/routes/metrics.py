"""/metrics: what Prometheus scrapes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from service.errors import ForbiddenError
from service.storage.records import KeyRecord

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Read the metrics of the server and of all workers, as text of Prometheus or of OpenMetrics.

    Raises ForbiddenError for a key that sees some projects alone.
    """
    key: KeyRecord | None = getattr(request.state, "key", None)  # none came with the metrics' own token
    if key is not None and key.projects is not None:
        raise ForbiddenError(
            f"the metrics count the work of every project, and the key '{key.name}' is limited to some; "
            "use a key of every project, or the token of REGSWEEP_METRICS_TOKEN"
        )
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(request.app.state.metrics), headers={"Content-Type": content_type})
