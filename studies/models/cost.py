"""The cost of training a study's model before any of it is built: operations of a row, steps of an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from studies.keras_config.lanes import find_lane_obstacle
from studies.keras_config.sizes import MeasuredCall, count_layer, measure_calls
from studies.models.size import model_graph
from studies.spec.model import KerasSpec
from studies.spec.study import StudySpec

_TRAINED_SHARE = 0.6  # of all rows, in the study's own split
_BESIDE_TEST = 0.8  # of all rows, which folds divide
_RECURRENT = {"LSTM", "GRU", "SimpleRNN", "Bidirectional"}
_LOOKED_UP = {"Embedding"}
_MAX_LANES = 16  # more gain nothing on a CPU core and tell the sampler less
_TRIALS_A_LANE = 16  # so that most trials are asked with the results of others in view, with two workers as well
# Of a step's products, or of one turn of its loops, in all lanes together: with more, each lane only makes the arrays
# larger than the caches. A CNN, an encoder and a wide MLP were fastest in 1 or 2 lanes, a small MLP and a GRU in 16.
_STEP_FLOPS = 3e7
# Of a small MLP, a CNN and an LSTM in lanes, compiled by XLA, on one core.
_SECONDS_A_LOOP = 4e-5  # which all lanes share
_SECONDS_A_FLOP = 1.5e-11
_SECONDS_AN_EPOCH = 1e-4  # for its metrics
_SECONDS_A_FIT_STEP = 1e-3  # of keras.Model.fit, which trains one trial at a time


@dataclass(frozen=True, slots=True)
class EpochCost:
    """What one training computes in an epoch."""

    steps: int  # batches
    turns: int  # of the recurrent layers' loops in a step
    operations: float  # multiplications and additions of the matrix products, forward and backward

    @property
    def loops(self) -> int:
        """Rounds of an epoch whose overhead does not depend on their size."""
        return self.steps * (1 + self.turns)


def epoch_cost(spec: StudySpec) -> EpochCost:
    """Compute what one training of a study costs in an epoch.

    Raises ConfigError when a layer of its model does not take its input.
    """
    calls = list(measure_calls(model_graph(spec), spec.dataset.facts.shape))
    rows = train_rows(spec)
    sizes = spec.space.batch_sizes or (getattr(spec.space.batch_size, "low", 32),)
    return EpochCost(
        steps=-(-rows // min(max(sizes), rows)),
        turns=sum(_steps_of(call) for call in calls),
        operations=6.0 * rows * sum(map(_products, calls)),
    )


def lanes_for_budget(spec: StudySpec) -> int:
    """The number of lanes that suits a budget."""
    return min(_MAX_LANES, max(2, spec.budget.trials // _TRIALS_A_LANE) * spec.resampling.fits)


def lanes_for_core(step_flops: float) -> int:
    """The number of lanes that fill a core, at least one."""
    return max(1, int(_STEP_FLOPS / step_flops))


def likely_lanes(spec: StudySpec) -> int:
    """The number of lanes that a study will likely have; 0 where it is trained by keras.Model.fit."""
    is_fit = spec.training.engine == "fit" or not spec.space.batch_sizes
    if is_fit or (isinstance(spec.model, KerasSpec) and find_lane_obstacle(spec.model.graph) is not None):
        return 0
    cost = epoch_cost(spec)
    return spec.training.lanes or min(lanes_for_budget(spec), lanes_for_core(cost.operations / max(1, cost.loops)))


def epoch_seconds(spec: StudySpec, lanes: int) -> float:
    """Seconds of one training's epoch on the core that this was measured on, in so many lanes; 0: keras.Model.fit."""
    cost = epoch_cost(spec)
    loops = cost.loops * (_SECONDS_A_LOOP / lanes if lanes else _SECONDS_A_FIT_STEP)
    return loops + cost.operations * _SECONDS_A_FLOP + _SECONDS_AN_EPOCH


def train_rows(spec: StudySpec) -> int:
    """Count the rows of one training, about."""
    share = _TRAINED_SHARE if spec.resampling.kind == "holdout" else _BESIDE_TEST * (1 - 1 / spec.resampling.folds)
    return max(1, round(spec.dataset.facts.rows * share))


def _steps_of(call: MeasuredCall) -> int:
    """The turns of a recurrent layer's loop, one a step of its input; 0 of any other layer."""
    return call.inputs[0][1] if call.layer.kind in _RECURRENT else 0


def _products(call: MeasuredCall) -> int:
    """Multiplications a row, about: each parameter once at each position of the result."""
    if call.layer.operation or call.layer.kind in _LOOKED_UP:
        return 0
    positions = _steps_of(call) or prod(call.output[1:-1])
    return positions * count_layer(call.layer, call.inputs)
