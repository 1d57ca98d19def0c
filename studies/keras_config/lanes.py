"""Find the layer that keeps a model out of the lanes of a compiled program."""

from __future__ import annotations

from studies.keras_config.graph import Graph, Layer

_RECURRENT = {"LSTM", "GRU", "SimpleRNN"}
_WRAPPERS = {"Bidirectional", "TimeDistributed"}
_LOOKUPS = {"Embedding", "Discretization"}
_NOISE = {"AlphaDropout", "GaussianDropout", "GaussianNoise"}
_TRANSPOSED = {"Conv1DTranspose", "Conv2DTranspose"}


def find_lane_obstacle(graph: Graph) -> str | None:
    """Name the first layer that keras.Model.fit has to train, and say why; None where lanes hold the model."""
    for layer in graph.layers:
        calls = sum(call.layer == layer.name for call in graph.calls)
        reason = None if layer.operation else _find_reason(layer, calls)
        if reason is not None:
            return f"{layer.location}: {reason}"
    return None


def _find_reason(layer: Layer, calls: int) -> str | None:
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
    return next((reason for reason, applies in reasons.items() if applies), None)
