"""Answers that a browser saves as a file."""

from __future__ import annotations

from fastapi import Response


def download(content: str | bytes, media_type: str, filename: str) -> Response:
    """An answer with a file's name, which holds nothing that would need escaping, as no study's name does."""
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return Response(content, media_type=media_type, headers=headers)
