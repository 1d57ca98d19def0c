"""Run in a process of its own, for it loads Keras: what a downloaded model and a snippet give on the study's data.

python -m tests.acceptance.rebuild FOLDER …, each with model.keras, snippet.py and spec.json
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def rebuild(folder: Path) -> dict[str, float]:
    """The losses of a folder's model and of its snippet's."""
    import keras
    import numpy as np

    from studies.datasets.preprocessing import prepare
    from studies.spec.study import StudySpec

    study = StudySpec.model_validate_json((folder / "spec.json").read_text())
    data = prepare(study.dataset, study.seed)
    x, y = data.validation.x, data.validation.y

    def loss(network: Any) -> float:
        """Mean cross-entropy, by hand."""
        shares = network.predict(x, verbose=0)
        return float(-np.log(shares[np.arange(len(y)), y]).mean())

    loaded = keras.saving.load_model(folder / "model.keras")
    scope = {"x_train": data.train.x, "y_train": data.train.y, "x_val": x, "y_val": y}
    snippet = folder / "snippet.py"
    exec(compile(snippet.read_text(), snippet, "exec"), scope)  # noqa: S102  # the snippet is there to be run
    return {"model": loss(loaded), "snippet": loss(scope["model"])}


if __name__ == "__main__":
    print(json.dumps([rebuild(Path(folder)) for folder in sys.argv[1:]]))
