"""Functions that are traced once and compiled once, by names that workers share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf

from studies.errors import ran_out_of_memory
from studies.training.compiled_files import CompiledFiles
from studies.training.names import named_by
from studies.training.result import Compiling

Idle = Callable[[tuple[Any, ...]], tuple[Any, ...]]


class Traced:
    """A TensorFlow function whose names follow from its key; traced inside `compiling`."""

    def __init__(self, key: object, function: Callable[..., Any], compiling: Compiling = nullcontext) -> None:
        self._key, self._python, self._compiling = key, function, compiling
        self._function = tf.function(function, autograph=False)
        self._is_traced = False

    def __call__(self, *arguments: Any) -> Any:
        """Call it, also while another function is traced."""
        self.trace(*arguments)
        return self._function(*arguments)

    @property
    def graphs(self) -> int:
        """Number of graphs that were made of it."""
        return int(self._function.experimental_get_tracing_count())

    def trace(self, *arguments: Any) -> None:
        """Make its graph, unless it is made.

        Raises any error of a layer that lanes cannot hold.
        """
        if not self._is_traced:
            with self._compiling():
                self._trace(*arguments)
            self._is_traced = True

    def _trace(self, *arguments: Any) -> None:
        try:
            with named_by(self._key):
                self._function.get_concrete_function(*arguments)
        # One of these names is taken, by a graph that is not quite the same or by a gradient of its own, whose names
        # TensorFlow never forgets.
        except (tf.errors.InvalidArgumentError, KeyError):
            self._function = tf.function(self._python, autograph=False)
            self._function.get_concrete_function(*arguments)


class Compiled:
    """A traced function, compiled by XLA when first called, inside `compiling`.

    Without `files` every process compiles it for itself.

    `idle` gives, for any arguments, some with which a call does nothing.
    """

    def __init__(
        self, key: object, traced: Traced, files: CompiledFiles | None, idle: Idle, compiling: Compiling = nullcontext
    ) -> None:
        self._key, self._traced, self._files, self._idle = key, traced, files, idle
        self._compiling = compiling
        self._function = self._make()
        self._is_compiled = False

    def __call__(self, *arguments: Any) -> Any:
        """Call it; the first time trace it, which workers may do side by side, and compile it."""
        if not self._is_compiled:
            self._traced.trace(*arguments)
            with self._compiling():
                self._compile(self._idle(arguments))
            self._is_compiled = True
        return self._function(*arguments)

    def _compile(self, arguments: tuple[Any, ...]) -> None:
        try:
            with self._with_files(), named_by(self._key):
                self._function(*arguments)
            return
        except tf.errors.OpError as error:
            if ran_out_of_memory(error):
                raise
        # A kept file may have decayed. XLA remembers the failure by the function's name, so that it gets another.
        self._function = self._make()
        with self._with_files(anew=True), named_by((self._key, "anew")):
            self._function(*arguments)

    def _with_files(self, *, anew: bool = False) -> AbstractContextManager[None]:
        return nullcontext() if self._files is None else self._files.compiling(self._key, anew=anew)

    def _make(self) -> Any:
        def call(*arguments: Any) -> Any:
            return self._traced(*arguments)

        return tf.function(call, jit_compile=True, autograph=False)
