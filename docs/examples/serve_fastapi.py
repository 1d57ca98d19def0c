"""Answers predictions over HTTP with a model that `regsweep export keras NAME` wrote, and without regsweep.

Run it with `MODEL=model.keras uvicorn serve_fastapi:app`; it needs `pip install fastapi uvicorn tensorflow`.
"""

import os
from typing import Any

import keras
import numpy as np
from fastapi import FastAPI

model = keras.models.load_model(os.environ.get("MODEL", "model.keras"))
app = FastAPI()


@app.post("/predict")
def predict(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    inputs = {}
    for name, tensor in model.input.items():
        kind = object if tensor.dtype == "string" else tensor.dtype
        missing = {object: "", "int64": np.iinfo(np.int64).min}.get(kind, np.nan)
        values = [row.get(name) for row in rows]
        inputs[name] = np.array([missing if value is None else value for value in values], kind)
    outputs = {name: np.asarray(values).tolist() for name, values in model(inputs).items()}
    return [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
