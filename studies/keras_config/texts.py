"""Find the inputs of texts, which a StringLookup behind each turns into indices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import CUT, TEXT_LOOKUP, Call, Graph, Layer, ModelInput
from studies.keras_config.lookups import Lookup
from studies.keras_config.vocabulary import Vocabulary

_RIGHT = "put it right behind an input of texts, keras.Input((1,), dtype='string', name='COLUMN')"


def add_vocabularies(
    inputs: Sequence[ModelInput], texts: Mapping[str, str], calls: Iterable[Call], layers: Mapping[str, Layer]
) -> tuple[ModelInput, ...]:
    """Give each input of texts the vocabulary of the StringLookup behind it; `texts` are their locations, by name.

    Raises ConfigError when anything else reads such an input, or a StringLookup reads anything else.
    """
    found: dict[str, Vocabulary] = {}
    for call in calls:
        layer, names = layers[call.layer], [tensor.layer for tensor in call.tensors]
        if layer.kind != TEXT_LOOKUP:
            if read := [name for name in names if name in texts]:
                raise ConfigError(
                    f"{texts[read[0]]}: is an input of texts, and {layer.kind} '{layer.name}' does not read them; put "
                    "a StringLookup between, and nothing else on this input"
                )
            continue
        if names != [name for name in names if name in texts]:
            raise ConfigError(f"{layer.location}: looks up what is no input of texts; {_RIGHT}")
        vocabulary = _vocabulary_of(layer)
        if found.setdefault(names[0], vocabulary) != vocabulary:
            raise ConfigError(
                f"{layer.location}: looks up the input '{names[0]}' in another vocabulary than the StringLookup before "
                "it; use one StringLookup for both"
            )
    return tuple(replace(each, vocabulary=found.get(each.name)) for each in inputs)


def _vocabulary_of(layer: Layer) -> Vocabulary:
    return Vocabulary.of(
        layer.argument("vocabulary"),
        layer.argument("oov_token"),
        layer.argument("mask_token"),
        mask_first=layer.argument("output_mode") == "int",
    )


def find_texts(graph: Graph) -> tuple[Lookup, ...]:
    """Find the columns whose texts a model looks up; each comes to it as an index in its vocabulary."""
    vocabularies = {each.name: each.vocabulary for each in graph.inputs if each.vocabulary is not None}
    spans = {call.layer: call.arguments[1] for call in graph.calls if graph.by_name[call.layer].kind == CUT}
    return tuple(
        Lookup(f"the input '{name}'", None, (spans[name][0].first,), column=spans[name][0].text, vocabulary=vocabulary)
        for name, vocabulary in vocabularies.items()
    )
