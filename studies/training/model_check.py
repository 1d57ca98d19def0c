"""Checks that a user's own model can be built on a dataset, as its config alone does not tell."""

from __future__ import annotations

from studies.datasets.preprocessing import PreparedData
from studies.errors import EngineError
from studies.models.architecture import design
from studies.reasons import one_line
from studies.regularization import Regularization
from studies.spec.study import StudySpec


def check_buildable(spec: StudySpec, data: PreparedData) -> None:
    """Build the model once.

    Raises EngineError when its layers do not fit each other, or its output has not the shape that the task needs.
    """
    unregularized = Regularization.shared("none", 0.0, 0.0, 0.0)
    architecture = design(spec.model, data.input_shape, data.task, data.classes, unregularized)
    try:
        shape = architecture.build().output_shape[1:]
    # Keras raises whatever its layers do.
    except Exception as error:
        raise EngineError(f"model.config: Keras cannot build the model: {one_line(str(error))}") from error
    needed = (data.classes if data.task == "multiclass" else 1,)
    if shape != needed:
        raise EngineError(
            f"model.config: the output has the shape {shape} a row and the {data.task} task needs {needed}; put a "
            "Flatten or a pooling layer before the output layer"
        )
