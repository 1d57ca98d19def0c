"""Answers that several routes give."""

from __future__ import annotations

from fastapi import Response

from service.storage.idempotency import Answer


def download_response(content: str | bytes, media_type: str, filename: str) -> Response:
    """An answer that a browser saves as a file. The name is not escaped: no study's name holds what would need it."""
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return Response(content, media_type=media_type, headers=headers)


def created_response(answer: Answer) -> Response:
    """201 with the answer to a request that is done once."""
    headers = {} if answer.location is None else {"Location": answer.location}
    if answer.repeated:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.body, 201, headers, "application/json")
