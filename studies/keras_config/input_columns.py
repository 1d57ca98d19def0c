"""Find the columns of a dataset that each input of a model takes, by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod

from studies.keras_config.division import Span, Spans, consecutive, whole_shape
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Graph, ModelInput
from studies.keras_config.lookups import find_lookups
from studies.keras_config.raw_values import find_raw_values

_SHOWN = 10
_MAX_COMPARED = 1000


class InputError(ConfigError):
    """An input cannot take its columns; `name` is the input's."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class InputColumn:
    """A column that gives a model inputs, or an array of several axes."""

    name: str
    shape: tuple[int, ...]  # of its inputs in one row
    category: bool = False

    @property
    def size(self) -> int:
        """The number of its inputs."""
        return prod(self.shape)


def find_spans(
    graph: Graph, asked: Mapping[str, Sequence[str]], columns: Sequence[InputColumn], no_input: str = ""
) -> Spans:
    """Find where in a row the values of each input stand; `graph` has the inputs behind each other.

    An input that is not `asked` for takes the column or the array of its name. An array of two axes stands in a dataset
    as its columns, whose names are its own with a number from 0. `no_input` says which columns are none of these.

    Raises ConfigError, which names the input and says what would be right.
    """
    names = [each.name for each in graph.inputs]
    if unknown := sorted(set(asked) - set(names)):
        raise InputError(unknown[0], f"the model has no input '{unknown[0]}'; it has {_quote(names)}")
    row = tuple(size or 0 for size in graph.shape or ())
    lookups = (*find_lookups(graph, row), *find_raw_values(graph, row))
    looked_up = {position for lookup in lookups if lookup.size is not None for position in lookup.positions}
    own = dict(consecutive(graph.inputs))
    named = {name for each in names for name in asked.get(each, (each,))}
    offered = _Offered(columns, named, f"; {no_input}" if no_input else "")
    spans = {
        each.name: offered.spans(each, asked.get(each.name), codes=looked_up.issuperset(_positions(own[each.name])))
        for each in graph.inputs
    }
    for each in graph.inputs:
        if each.vocabulary is not None:
            offered.check_alone(each, spans, graph.inputs)
    return tuple(spans.items())


def _positions(spans: Sequence[Span]) -> range:
    return range(spans[0].first, spans[0].end)


class _Offered:
    """The columns of a dataset, each with its place in a row."""

    def __init__(self, columns: Sequence[InputColumn], named: Set[str], advice: str) -> None:
        self._by_name: dict[str, tuple[InputColumn, int]] = {}
        self._advice = advice  # behind what is said of columns that are not there
        first = 0
        for column in columns:
            self._by_name[column.name] = column, first
            first += column.size
        self._of_arrays: dict[str, list[tuple[int, str]]] = {}
        for column in columns:
            self._add_to_array(column.name, named - self._by_name.keys())

    def _add_to_array(self, column: str, arrays: Set[str]) -> None:
        """Count a column to the array of the longest name that it may be of: `x10` is of `x1` where that is named."""
        digits = len(column) - len(column.rstrip("0123456789"))
        for at in range(len(column) - 1, len(column) - 1 - digits, -1):
            number = column[at:]
            if column[:at] in arrays and str(int(number)) == number:
                self._of_arrays.setdefault(column[:at], []).append((int(number), column))
                return

    def spans(self, model_input: ModelInput, asked: Sequence[str] | None, *, codes: bool) -> tuple[Span, ...]:
        """The values that an input takes, neighbours joined; with `codes` a category is the number of its level."""
        names = self._named(model_input, asked)
        if model_input.vocabulary is not None:
            return (self._text_span(model_input, names),)
        spans: list[Span] = []
        for name in names:
            column, first = self._by_name[name]
            span = Span(first, first + column.size, codes and column.category and column.size > 1)
            if spans and spans[-1].end == first and not (span.code or spans[-1].code):
                span = Span(spans.pop().first, span.end)
            spans.append(span)
        if codes and len({span.code for span in spans}) > 1:
            raise InputError(
                model_input.name,
                f"the input '{model_input.name}' is looked up, and takes categories and numbers; give each kind an "
                "input of its own",
            )
        self._check_shape(model_input, names, sum(span.size for span in spans))
        return tuple(spans)

    def _text_span(self, model_input: ModelInput, names: Sequence[str]) -> Span:
        """The first of a category's values, which is the index of its text; the others are 0."""
        column, first = self._by_name[names[0]]
        if len(names) > 1:
            raise InputError(
                model_input.name,
                f"the input '{model_input.name}' takes the texts of one column, and of {_quote(names)}; give each an "
                "input of its own",
            )
        if not column.category:
            raise InputError(
                model_input.name,
                f"the input '{model_input.name}' takes texts, and column '{column.name}' is read as no category; "
                f"upload it with columns: {{{column.name}: category}}, as --column {column.name}=category",
            )
        return Span(first, first + 1, text=column.name)

    def check_alone(
        self, model_input: ModelInput, spans: Mapping[str, Sequence[Span]], inputs: Sequence[ModelInput]
    ) -> None:
        """Raise InputError when another input takes an input's column of texts otherwise."""
        name = spans[model_input.name][0].text
        column, first = self._by_name[name]
        for other in inputs:
            takes = any(span.first < first + column.size and first < span.end for span in spans[other.name])
            if takes and other.vocabulary != model_input.vocabulary:
                raise InputError(
                    other.name,
                    f"the input '{other.name}' takes column '{name}' as well, of which '{model_input.name}' takes the "
                    "texts by its vocabulary; let both read one StringLookup, or give it other columns",
                )

    def _named(self, model_input: ModelInput, asked: Sequence[str] | None) -> list[str]:
        if asked is None:
            if found := self._find(model_input.name):
                return found
            shape = whole_shape(model_input)
            raise InputError(
                model_input.name,
                f"nothing is said of the input '{model_input.name}' of shape {shape}, and no column or array has its "
                f"name; right is inputs: {{{model_input.name}: [column, …]}} with {prod(shape)} of {self._quoted()}"
                + self._advice,
            )
        if len(set(asked)) < len(asked):
            twice = next(name for name, count in Counter(asked).items() if count > 1)
            raise InputError(model_input.name, f"the input '{model_input.name}' takes '{twice}' twice; name it once")
        names: list[str] = []
        for name in asked:
            found = self._find(name)
            if not found:
                near = get_close_matches(name, list(self._by_name)[:_MAX_COMPARED], n=1)
                advice = f"did you mean '{near[0]}'?" if near else f"it has {self._quoted()}"
                raise InputError(
                    model_input.name,
                    f"the input '{model_input.name}' takes '{name}', and no column of the dataset that gives an input "
                    f"has that name; {advice}{self._advice}",
                )
            names += found
        return names

    def _find(self, name: str) -> list[str]:
        """The column of a name, or those of the array of that name."""
        if name in self._by_name:
            return [name]
        # One that is the same in every row gives no input, and leaves a gap in the numbers.
        return [column for _, column in sorted(self._of_arrays.get(name, []))]

    def _check_shape(self, model_input: ModelInput, names: Sequence[str], size: int) -> None:
        shape = whole_shape(model_input)
        column, _ = self._by_name[names[0]]
        # An image of one channel may lack that axis.
        same = len(names) > 1 or len(column.shape) == 1 or _without_ones(column.shape) == _without_ones(shape)
        if size == prod(shape) and same:
            return
        given = (size,) if len(names) > 1 or len(column.shape) == 1 else column.shape
        several = [f"'{name}' gives {each.size}" for name in names if (each := self._by_name[name][0]).size > 1]
        why = "a category gives one value a level, a date several, and missing values are one more"
        detail = f" ({', '.join(several[:_SHOWN])}; {why})" if several and len(given) == 1 else ""
        raise InputError(
            model_input.name,
            f"the input '{model_input.name}' takes rows of shape {shape}, and {_quote(names)} "
            f"{'gives' if len(names) == 1 else 'give'} {given}{detail}; "
            f"right is keras.Input({given}, name={model_input.name!r}){self._advice}",
        )

    def _quoted(self) -> str:
        return _quote(list(self._by_name))


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _quote(names: Sequence[str]) -> str:
    quoted = ", ".join(f"'{name[:40]}'" for name in names[:_SHOWN])
    return f"{quoted} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else quoted
