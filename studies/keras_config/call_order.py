"""Select the calls that an output depends on, and order them so that each can be made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Call, Tensor


def select_needed(calls: Sequence[Call], output: Tensor) -> list[Call]:
    """Select the calls that the output depends on, in their order."""
    by_result = {call.result: call for call in calls}
    needed: dict[Tensor, None] = {}
    pending = [output]
    while pending:
        tensor = pending.pop()
        if tensor in needed or tensor not in by_result:
            continue
        needed[tensor] = None
        pending.extend(by_result[tensor].tensors)
    return [call for call in calls if call.result in needed]


def sort(calls: Sequence[Call], inputs: Iterable[Tensor]) -> list[Call]:
    """Put each call behind those it depends on, and otherwise keep their order.

    Raises ConfigError when a call depends on a tensor that none before it can give.
    """
    known, pending, ordered = set(inputs), [(call, call.tensors) for call in calls], list[Call]()
    while pending:
        waiting = []
        for call, tensors in pending:
            if all(tensor in known for tensor in tensors):
                known.add(call.result)
                ordered.append(call)
            else:
                waiting.append((call, tensors))
        if len(waiting) == len(pending):
            call, tensors = pending[0]
            missing = next(tensor.layer for tensor in tensors if tensor not in known)
            raise ConfigError(f"'{call.layer}' is called on '{missing}', which no layer gives before it")
        pending = waiting
    return ordered
