"""A study's report."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from service.api.dependencies import ArtifactsDependency, StoreDependency, parse_etags
from service.storage.reports import ReportFormat, Reports

router = APIRouter(prefix="/v1/studies/{name}", tags=["comparison"])

#: The page holds its own scripts, and what others wrote: sandboxed, it reaches nothing with its reader's login.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-downloads"
)
_MEDIA_TYPES: dict[ReportFormat, str] = {"html": "text/html; charset=utf-8", "json": "application/json"}


@router.get(
    "/report",
    response_class=Response,
    responses={200: {"content": {"text/html": {}, "application/json": {}}}, 304: {"description": "Not modified."}},
)
def report(
    name: str,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    kind: Annotated[ReportFormat, Query(alias="format", description="html or json.")] = "html",
    if_none_match: Annotated[str | None, Header(description="ETags of reports that the client has.")] = None,
) -> Response:
    """Read the report: one self-contained page, or the same as JSON. Once study and comparison have ended, it is kept
    and has an ETag.
    """
    reports = Reports(store, artifacts)
    version = reports.version(name, kind)
    headers = {"Content-Security-Policy": _POLICY}
    if version.etag is None:
        return Response(reports.read(version, kind), media_type=_MEDIA_TYPES[kind], headers=headers)
    headers["ETag"] = f'"{version.etag}"'
    if parse_etags(if_none_match or "") & {"*", version.etag}:
        return Response(status_code=304, headers=headers)
    return Response(reports.read(version, kind), media_type=_MEDIA_TYPES[kind], headers=headers)
