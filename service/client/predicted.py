"""A server's predictions -> the object that `regsweep.predict` returns too."""

from __future__ import annotations

import json

import numpy as np

from studies.predictions import Predictions, Unfamiliar


def read_predictions(content: bytes) -> Predictions:
    """Read the JSON of POST …/predict."""
    answer = json.loads(content)
    rows = answer["predictions"]
    class_names = tuple(rows[0].get("probabilities", {})) if rows else ()
    shares = [list(row["probabilities"].values()) for row in rows] if class_names else None
    return Predictions(
        predicted=np.array([row["prediction"] for row in rows]),
        # As Keras has them: as 64-bit numbers they would not sum to one closely enough for scikit-learn.
        probabilities=None if shares is None else np.array(shares, np.float32),
        class_names=class_names,
        unfamiliar=tuple(Unfamiliar(**{k: v for k, v in one.items() if k != "text"}) for one in answer["unfamiliar"]),
        ids=tuple(row["id"] for row in rows) if rows and "id" in rows[0] else None,
        class_type=answer.get("class_type", "text"),  # servers of an earlier version do not say it
    ).with_own_classes()
