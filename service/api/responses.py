"""Answers that several routes give."""

from __future__ import annotations

import re
from urllib.parse import quote

from fastapi import Response

from service.storage.idempotency import Answer


def download_response(content: str | bytes, media_type: str, filename: str) -> Response:
    """An answer that a browser saves as a file."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition(filename)})


def disposition(filename: str) -> str:
    """The header Content-Disposition of a file to save, as RFC 6266 has it: headers are ASCII, and names are not."""
    plain = re.sub(r'[^ -~]|["%\\]', "_", filename)
    also = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'attachment; filename="{plain}"{also}'


def created_response(answer: Answer) -> Response:
    """201 with the answer to a request that is done once."""
    headers = {} if answer.location is None else {"Location": answer.location}
    if answer.repeated:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.body, 201, headers, "application/json")
