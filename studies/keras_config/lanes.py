"""Which models the lanes of a compiled program hold."""

from __future__ import annotations

from studies.keras_config.graph import Graph, Layer

_RECURRENT = {"LSTM", "GRU", "SimpleRNN"}
_WRAPPERS = {"Bidirectional", "TimeDistributed"}
_LOOKUPS = {"Embedding", "Discretization"}
_NOISE = {"AlphaDropout", "GaussianDropout", "GaussianNoise"}
_TRANSPOSED = {"Conv1DTranspose", "Conv2DTranspose"}


def not_held(graph: Graph) -> str | None:
    """Why a model is trained by keras.Model.fit and not in lanes, naming the layer; None where lanes hold it."""
    for layer in graph.layers:
        calls = sum(call.layer == layer.name for call in graph.calls)
        why = None if layer.operation else _of_layer(layer, calls)
        if why is not None:
            return f"{layer.where}: {why}"
    return None


def _of_layer(layer: Layer, calls: int) -> str | None:
    kind = layer.kind
    reasons = {
        "its constraint acts after each step, which lanes do not": any(
            name.endswith("_constraint") for name in layer.arguments
        ),
        f"{kind} is a loop over steps, which a program of lanes does not hold; unroll=True would do": (
            kind in _RECURRENT and not layer.argument("unroll")
        ),
        f"{kind} copies or loops its layer, which a program of lanes does not hold": kind in _WRAPPERS,
        f"{kind} draws noise that lanes do not": kind in _NOISE,
        # Adam and RMSprop square each occurrence's gradient before they sum them (keras.src.optimizers, IndexedSlices).
        "Keras' optimizers treat the gradient of what is looked up by occurrence, which lanes do not": kind in _LOOKUPS,
        f"{kind} is a convolution whose kernel cannot differ by lane": kind in _TRANSPOSED,
        "a convolution in groups has a kernel that cannot differ by lane": (
            kind in {"Conv1D", "Conv2D"} and layer.argument("groups") > 1
        ),
        "bilinear interpolation cannot differ by lane": (
            kind == "UpSampling2D" and layer.argument("interpolation") != "nearest"
        ),
        f"the dropout inside a {kind} draws noise that lanes do not": bool(layer.rates) and layer.rates != ("rate",),
        "it is called more than once, and lanes would drop the same activations each time": (
            bool(layer.rates) and calls > 1
        ),
    }
    return next((why for why, holds in reasons.items() if holds), None)
