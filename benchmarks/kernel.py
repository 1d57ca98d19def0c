"""Measures the program against its bare matrix products: `python -m benchmarks.kernel [--workload NAME]`.

Both on one thread: milliseconds a trial-epoch of the compiled program (16 lanes), and of the same dense products alone,
forward and backward, batched over the lanes in one compiled loop.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from benchmarks.workloads import WORKLOADS, prepared
from service.settings import Settings
from service.worker.keras_engines import keras_engines

LANES, EPOCHS = 16, 4


def main() -> None:
    """Print the three figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workload", choices=list(WORKLOADS), default="small table")
    workload = arguments.parse_args().workload
    keras_engines(Settings())  # as a worker sets TensorFlow up
    from studies.training.program import Program
    from studies.training.program_key import ProgramShape, program_key
    from studies.training.tuning import idle_call

    spec, data = prepared(workload, 100)
    [size] = spec.space.batch_sizes
    program = Program(program_key(spec, [data], size, ProgramShape(LANES, EPOCHS, xla=True)))
    whole = _milliseconds(idle_call(program, spec, [data], EPOCHS)) / (LANES * EPOCHS)
    shapes = [tuple(v.shape) for v in program.model.trainable_variables if len(v.shape) == 2]
    bare = _milliseconds(_products(shapes, len(data.train.y) // size, size)) / LANES
    print(f"{workload}: the program {whole:.3f} ms a trial-epoch, its matrix products alone {bare:.3f}")
    print(f"{workload}: {1000 / whole:,.0f} trial-epochs a second, {whole / bare:.1f} times the products' time")


def _products(shapes: list[tuple[int, int]], steps: int, size: int) -> Callable[[], Any]:
    import tensorflow as tf

    rows = [tf.random.normal([LANES, size, inputs]) for inputs, _ in shapes]
    kernels = [tf.random.normal([LANES, *shape]) for shape in shapes]

    def step(number: Any, rows: Any, kernels: Any) -> Any:
        moved, changed = [], []
        for position, (x, w) in enumerate(zip(rows, kernels, strict=True)):
            forward = tf.matmul(x, w)
            changed.append(w + 1e-9 * tf.matmul(x, forward, transpose_a=True))
            # The first layer's inputs have no gradient.
            moved.append(x + 1e-9 * tf.matmul(forward, w, transpose_b=True) if position else x)
        return number + 1, moved, changed

    def products() -> Any:
        # All of it is returned: XLA leaves out what nobody reads.
        return tf.while_loop(lambda number, *_: number < steps, step, (tf.constant(0), rows, kernels))[1:]

    compiled = tf.function(products, jit_compile=True, autograph=False)

    def call() -> None:
        compiled()[1][0].numpy()

    return call


def _milliseconds(call: Callable[[], Any]) -> float:
    """The shortest of some calls, after one that compiles."""
    call()
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return 1000 * min(times)


if __name__ == "__main__":
    main()
