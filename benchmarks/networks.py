"""Trains large networks of keras.applications on small images, with default settings: `python -m benchmarks.networks`.

One worker; a study of two trials of one epoch each. Seconds to the first trial that is told and to the end, the engine,
and the worker's memory after it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from math import prod
from typing import Any

from benchmarks.server import started
from benchmarks.workers import resident_mib, worker_process
from service.client import Client

#: Each network's smallest image.
SIDES = {
    "MobileNetV2": 32,
    "VGG16": 32,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "DenseNet121": 32,
    "InceptionV3": 75,
    "Xception": 71,
}
ROWS, TRIALS, EPOCHS = 200, 2, 1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", action="append", choices=list(SIDES))
    networks = parser.parse_args().network or list(SIDES)
    print(f"{'network':<12} {'parameters':>11} {'engine':>7} {'first trial':>12} {'all':>8} {'memory':>10}")
    with tempfile.TemporaryDirectory() as folder, started(1, cache_folder=folder) as client:
        for network in networks:
            _measure(client, network)


def _measure(client: Client, network: str) -> None:
    model = _model(network, SIDES[network])
    features = prod(model.input_shape[1:])
    study = {
        "name": network,
        "dataset": {"kind": "synthetic", "name": "few_informative", "rows": ROWS, "features": features},
        "model": {"kind": "keras", "config": model.to_json()},
        "budget": {"trials": TRIALS, "epochs": EPOCHS},
    }
    start = time.perf_counter()
    name = client.submit(study).name
    first = None
    while (seen := client.study(name)).state in ("queued", "running"):
        if first is None and seen.progress.complete:
            first = time.perf_counter() - start
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    if seen.progress.complete < TRIALS:
        raise SystemExit(f"{name} ended with {seen.progress}: {seen.reason}")
    engine = seen.engine.engine if seen.engine is not None else "?"
    print(
        f"{network:<12} {model.count_params():>11,} {engine:>7} {first or seconds:>10.1f} s "
        f"{seconds:>6.1f} s {resident_mib(worker_process()):>6.0f} MiB",
        flush=True,
    )


def _model(network: str, side: int) -> Any:
    """The network without weights, behind rows of pixels."""
    import keras
    from keras import layers

    given = keras.Input((side * side * 3,))
    shape = (side, side, 3)
    body = getattr(keras.applications, network)(weights=None, include_top=False, input_shape=shape, pooling="avg")
    return keras.Model(given, layers.Dense(1, activation="sigmoid")(body(layers.Reshape(shape)(given))))


if __name__ == "__main__":
    main()
