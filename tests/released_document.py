"""Keeps the OpenAPI document in docs/openapi.json: `make openapi` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from service.api.app import create_app
from service.settings import Settings

KEPT = Path(__file__).parents[1] / "docs" / "openapi.json"


def made() -> str:
    """The document as the app writes it now, the same for the same code."""
    document = create_app(Settings(workers=0)).openapi()
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def kept() -> dict[str, Any]:
    """The document that was released last."""
    document: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return document


if __name__ == "__main__":
    KEPT.write_text(made(), encoding="utf-8")
