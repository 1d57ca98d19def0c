"""The formats of a raw-rows model."""

from __future__ import annotations

from typing import Literal

RawFormat = Literal["keras", "saved-model", "onnx"]
