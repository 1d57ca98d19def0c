"""Answers predictions over HTTP with a model that `regsweep export keras NAME` wrote, and without regsweep.

Run it with `MODEL=model.keras uvicorn serve_fastapi:app`; it needs `pip install fastapi uvicorn tensorflow`.
"""

import os
from typing import Any

import keras
import numpy as np
from fastapi import FastAPI, HTTPException

model = keras.models.load_model(os.environ.get("MODEL", "model.keras"))
app = FastAPI()


@app.post("/predict")
def predict(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    inputs = {}
    for name, tensor in model.input.items():
        if not all(name in row for row in rows):
            raise HTTPException(422, f"each row needs '{name}'; null where it has no value")
        kind = object if tensor.dtype == "string" else tensor.dtype
        missing = {object: "", "int64": np.iinfo(np.int64).min}.get(kind, np.nan)
        values = [missing if row[name] is None else row[name] for row in rows]
        inputs[name] = np.array([str(each) for each in values] if kind is object else values, kind)
    outputs = {name: np.asarray(values).tolist() for name, values in model(inputs).items()}
    return [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
