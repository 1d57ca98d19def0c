"""Build Optuna's pruners."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from studies.search.optuna_options import PRUNERS, construct, field_error, options_of
from studies.spec.sampler import PrunerSpec

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


def build_pruner(part: PrunerSpec, field: str = "pruner") -> BasePruner:
    """Build Optuna's pruner.

    Raises InvalidSpecError, which names an option that is unknown or that Optuna refuses.
    """
    import optuna

    options = options_of(part, field)
    if part.name == "auto":
        raise field_error(f"{field}.name", "auto stands for another pruner, and only at the top; name one here")
    if part.name == "patient":
        wrapped = options.pop("wrapped", PrunerSpec(name="median"))
        options["wrapped_pruner"] = build_pruner(wrapped, f"{field}.wrapped")
    return cast("BasePruner", construct(getattr(optuna.pruners, PRUNERS[part.name]), options, field))
