"""Answers that several routes give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from fastapi import Request, Response

from service.pages.assets import Asset
from service.storage.idempotency import Answer


def download_response(content: str | bytes, media_type: str, filename: str) -> Response:
    """An answer that a browser saves as a file."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition(filename)})


def disposition(filename: str) -> str:
    """The header Content-Disposition of a file to save, as RFC 6266 has it: headers are ASCII, and names are not."""
    plain = re.sub(r'[^ -~]|["%\\]', "_", filename)
    also = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'attachment; filename="{plain}"{also}'


def asset_response(request: Request, asset: Asset, headers: Mapping[str, str]) -> Response:
    """A file of a page, compressed for a browser that reads gzip."""
    headers = {"Vary": "Accept-Encoding", "ETag": f'"{asset.digest}"', **headers}
    if asset.digest in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.content, headers=headers, media_type=asset.media_type)
    return Response(asset.gzipped, headers=headers | {"Content-Encoding": "gzip"}, media_type=asset.media_type)


def created_response(answer: Answer) -> Response:
    """201 with the answer to a request that is done once."""
    headers = {} if answer.location is None else {"Location": answer.location}
    if answer.repeated:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.body, 201, headers, "application/json")
