"""The error of values that no study draws so."""

from __future__ import annotations

from studies.imports.imported import LeftOut
from studies.imports.options import leaving_out


class DistributionError(Exception):
    """A distribution that no study has; `part` is the option in the way, empty where it is the whole."""

    def __init__(self, reason: str, part: str = "") -> None:
        self.part = part
        super().__init__(reason)

    def refusal_of(self, name: str) -> LeftOut:
        """The refusal of the hyperparameter that has it."""
        named = f"{name}.{self.part}" if self.part else name
        return LeftOut(named, str(self), leaving_out(named))
